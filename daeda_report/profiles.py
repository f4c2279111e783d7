"""What `train --profile` has kept of the days: for each, when it was at work, and what each of its operators took."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import ValidationError

from daeda.dataset.layout import Dataset
from daeda.dataset.profile import DayProfile, profile_path, read_profile
from daeda.errors import first_line
from daeda.process.messages import warn
from daeda_report.days import DaysOfReport

# In this order the numbers of an operator stand.
TAKEN = ("seconds", "rows", "read_bytes", "written_bytes", "peak_bytes", "spill_bytes")


def profiles_of(days: DaysOfReport) -> list[dict[str, Any]]:
    """By dataset those of the days that have one; `operators` stand once, and by day what each took."""
    shown = []
    for dataset in days.datasets:
        found = [_read(days, dataset, day) for day in days.days]
        names = list(dict.fromkeys(usage.operator for one in found if one is not None for usage in one.operators))
        if names:
            shown.append(
                {
                    "dataset": dataset,
                    "operators": names,
                    "days": [None if one is None else _shown(one, names) for one in found],
                }
            )
    return shown


def _read(days: DaysOfReport, dataset: Dataset, day: dt.date) -> DayProfile | None:
    """The profile of a day; one that is damaged is told of and left out."""
    try:
        return read_profile(days.layout, dataset, day)
    except (OSError, ValidationError) as error:
        path = profile_path(days.layout, dataset, day)
        warn(f"{path} is no profile, and is left out: {first_line(error)}", day=day, half=dataset)
        return None


def _shown(profile: DayProfile, names: list[str]) -> dict[str, Any]:
    own = {usage.operator: usage for usage in profile.operators}
    return {
        "began": profile.began,
        "ended": profile.ended,
        "worker": profile.worker,
        "at_once": profile.days_at_once,
        "took": {one: [getattr(own[name], one) if name in own else None for name in names] for one in TAKEN},
    }

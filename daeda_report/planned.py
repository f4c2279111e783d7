"""What train would do with the days, as the driver hands it over."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daeda.answers.days import PlanAnswer, PlannedDay
from daeda.storage.regular import read_regular


@dataclass(frozen=True)
class Planned:
    """The plan of each day, or why there is none; `notes` are sentences about availability and maturity."""

    days: Mapping[dt.date, PlannedDay] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def read_planned(path: Path | None) -> Planned:
    """The plan in a file; without one, nothing is known of what train would do."""
    if path is None:
        return Planned()
    written = json.loads(read_regular(path))
    if "problem" in written:
        return Planned(problem=written["problem"])
    plan = PlanAnswer.model_validate_json(json.dumps(written["plan"]))
    return Planned({day.day: day for day in plan.days}, plan.notes, plan.sources)

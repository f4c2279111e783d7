"""Building the days of one dataset that need it: what the skeleton and the enrichment, each on its own, have in common.

Imported by both commands after their flags are parsed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.profile_table import print_profile
from daeda.dataset.publish.staging import repair
from daeda.planning.days import DayPlan
from daeda.process.messages import answer_location, say


class DueDays:
    """The days of a dataset to be built, planned anew by `renew`: another run may have built some meanwhile."""

    def __init__(self, layout: Layout, dataset: Dataset, make_plans: Callable[[], tuple[DayPlan, ...]]) -> None:
        self._layout = layout
        self._dataset = dataset
        self._make_plans = make_plans
        self.plans = make_plans()

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days to build, by the newest plans."""
        return tuple(plan.day for plan in self.plans if plan.builds)

    def renew(self) -> tuple[dt.date, ...]:
        """Plan anew; returns the days to build."""
        self.plans = self._make_plans()
        return self.days

    def build(self, build: Callable[[tuple[dt.date, ...]], None], *, profile: bool) -> None:
        """Build the days, or say that all of them exist; what they took is shown with `profile`."""
        days = self.days
        if days:
            build(days)
            if profile:
                print_profile(self._layout, self._dataset, days)
        else:
            # A run that was killed after its last day may have left files in staging.
            repair(self._layout)
            say(f"{self._dataset}: all {len(self.plans)} days are there already")

    def answer(self) -> None:
        """Print where the dataset is: the result of the command."""
        answer_location(self._layout.dataset_dir(self._dataset))

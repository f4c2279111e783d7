"""Building the days of one dataset that need it: what the skeleton and the enrichment, each on its own, have in common.

Imported by both commands after their flags are parsed.

What they took is shown as a table, a row per operator, over the days that this run built.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.profile import DayProfile, Usage, added_up, profile_path, read_profile
from daeda.dataset.publish.staging import repair
from daeda.errors import counted
from daeda.planning.days import Action, DayPlan, told_waiting
from daeda.planning.immature import told_immature
from daeda.process.console import HarmlessConsole
from daeda.process.log import Fields, is_json
from daeda.process.messages import answer_location, say

# Where nobody looks through a window, as in a log, nothing is cut.
_PLAIN_WIDTH = 160


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
        if waiting := told_waiting(self.plans):
            say(f"{self._dataset}: {waiting}", half=self._dataset)
        for sentence in told_immature({plan.day: plan.immature for plan in self.plans if plan.immature is not None}):
            say(f"{self._dataset}: {sentence}", half=self._dataset)
        if days:
            build(days)
            if profile:
                print_profile(self._layout, self._dataset, days)
        else:
            # A run that was killed after its last day may have left files in staging.
            repair(self._layout)
            whole = sum(plan.action is not Action.WAIT for plan in self.plans)
            say(f"{self._dataset}: all {whole} days are there already", half=self._dataset, days=whole)

    def answer(self) -> None:
        """Print where the dataset is: the result of the command."""
        answer_location(self._layout.dataset_dir(self._dataset))


def print_profile(layout: Layout, dataset: Dataset, days: Iterable[dt.date]) -> None:
    """Print the days of one dataset that were just built, on stderr; nothing where none was."""
    profiles = [profile for day in days if (profile := read_profile(layout, dataset, day)) is not None]
    if not profiles:
        return
    if is_json():
        _log_profile(dataset, profiles)
        return
    console = HarmlessConsole(stderr=True)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    operators = added_up(operator for profile in profiles for operator in profile.operators)
    whole = sum(operator.seconds for operator in operators)
    table = Table(title=f"{dataset}, {counted(len(profiles), 'day')}, {whole:.2f} s", title_justify="left")
    table.add_column("operator", no_wrap=True, min_width=max(len(operator.operator) for operator in operators))
    for name in ("s", "%", "s per day", "rows", "read MiB", "written MiB", "peak MiB", "spill MiB"):
        table.add_column(name, justify="right")
    for operator in operators:
        table.add_row(*_cells(operator, len(profiles), whole))
    console.print(table)
    waited = waiting_line(profiles)
    if waited is not None:
        console.print(waited, soft_wrap=True)
    most = max(profile.days_at_once for profile in profiles)
    if most > 1:
        console.print(f"up to {most} days shared the process: its bytes and memory are theirs together", soft_wrap=True)
    console.print(f"each day: {profile_path(layout, dataset, profiles[0].day).parent}", soft_wrap=True)


def _log_profile(dataset: Dataset, profiles: Sequence[DayProfile]) -> None:
    for operator in added_up(operator for profile in profiles for operator in profile.operators):
        fields = Fields(half=dataset, days=len(profiles), seconds=round(operator.seconds, 3))
        if operator.rows is not None:
            fields["rows"] = operator.rows
        say(f"{dataset}: operator {operator.operator} took {operator.seconds:.2f} s", **fields)
    waited = waiting_line(profiles)
    if waited is not None:
        say(f"{dataset}: {waited}", half=dataset, days=len(profiles))


def waiting_line(profiles: Sequence[DayProfile]) -> str | None:
    """How much of their time the actors of the days waited, in words; None where no day has actors."""
    found = [profile.waiting for profile in profiles if profile.waiting is not None]
    had = sum(one.actors * one.wall_seconds for one in found)
    if not had:
        return None
    parts, vectors = (sum(getattr(one, name) for one in found) for name in ("parts", "vectors"))
    driver = [sum(getattr(one, name) for one in found) for name in ("driver_vectors", "driver_parts")]
    return (
        f"{counted(max(one.actors for one in found), 'actor')} waited {100 * (parts + vectors) / had:.0f} % of "
        f"{had:.2f} s: {parts:.2f} s for parts, {vectors:.2f} s for their vectors; the process that hands out parts "
        f"waited {driver[0]:.2f} s for vectors and {driver[1]:.2f} s for parts"
    )


def _cells(usage: Usage, days: int, whole: float) -> list[str]:
    share = 100 * usage.seconds / whole if whole else 0.0
    return [
        usage.operator,
        f"{usage.seconds:.2f}",
        f"{share:.0f}",
        f"{usage.seconds / days:.3f}",
        "" if usage.rows is None else f"{usage.rows:,}",
        _mib(usage.read_bytes),
        _mib(usage.written_bytes),
        f"{usage.peak_bytes / 2**20:,.0f}",
        _mib(usage.spill_bytes) if usage.spill_bytes else "",
    ]


def _mib(count: int) -> str:
    return f"{count / 2**20:,.1f}"

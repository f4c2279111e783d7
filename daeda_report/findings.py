"""What stands out in a training set, the worst first: a list of sentences, each of a column or of the days.

Each day is compared with the reference days, by the median over these where one bad day among them must not decide. A
thing that is seen on several days is told once, by the worst of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from daeda.errors import counted, cut
from daeda_report.days import DaysOfReport
from daeda_report.seen import Seen
from daeda_report.series import Series
from daeda_report.standing_out import of_column, of_rows

# Greater weights come first. What a day lacks is worse than what is unusual in it.
_DAYS = {"blocked": 60.0, "missing": 50.0, "stale": 40.0, "waiting": 5.0}
_WORDS = {
    "blocked": "cannot be built, since partitions are missing",
    "missing": "not published",
    "stale": "stale: train would build {} anew",
    "waiting": "waiting for labels",
}


@dataclass(frozen=True)
class Finding:
    """One thing that a reader should see; `told` is a sentence, `weight` puts findings in order."""

    kind: str
    told: str
    weight: float
    column: str | None = None
    first_day: dt.date | None = None
    days: int = 0

    def shown(self) -> dict[str, Any]:
        """For the page."""
        return {
            "kind": self.kind,
            "told": self.told,
            "column": self.column,
            "day": None if self.first_day is None else str(self.first_day),
            "days": self.days,
        }


def ranked(days: DaysOfReport, series: Sequence[Series], checks: Iterable[Finding] = ()) -> tuple[Finding, ...]:
    """All findings of the days, of their rows, of each column, and of checks."""
    found = [*checks, *_of_states(days)]
    rows = [None if one is None else one.rows for one in days.manifests]
    found += _told(days, None, of_rows(rows))
    for one in series:
        found += _told(days, one.name, of_column(one))
    return tuple(sorted(found, key=lambda one: (-one.weight, one.first_day or dt.date.max, one.column or "")))


def _of_states(days: DaysOfReport) -> list[Finding]:
    found = []
    states = days.datasets[days.final].states
    for state, weight in _DAYS.items():
        those = [day for day, own in zip(days.days, states, strict=True) if own == state]
        if not those:
            continue
        what = _WORDS[state].format("it" if len(those) == 1 else "them")
        verb = "is " if state != "blocked" else ""
        verb = "are " if len(those) > 1 and verb else verb
        told = f"{counted(len(those), 'day')} {verb}{what}: {_span(those)}"
        found.append(Finding("days", told, weight, None, those[0], len(those)))
    return found


def _told(days: DaysOfReport, column: str | None, seen: Iterable[Seen]) -> list[Finding]:
    """A finding for each kind of thing, and for each value that it is about."""
    found = []
    ordered = sorted(seen, key=lambda one: (one.kind, one.about, one.index))
    for (kind, _), group in groupby(ordered, key=lambda one: (one.kind, one.about)):
        those = list(group)
        worst = max(those, key=lambda one: one.weight)
        own_days = [days.days[one.index] for one in those]
        where = f"{column}: " if column is not None else ""
        which = f"; the worst is {days.days[worst.index]}" if len({one.weight for one in those}) > 1 else ""
        more = f" ({_span(own_days)}{which})" if len(those) > 1 else ""
        sentence = f"{where}{worst.told.format(day=days.days[worst.index])}{more}"
        finding = Finding(kind, sentence, worst.weight, column, own_days[0], len(those))
        found.append(finding if len(those) == 1 else replace(finding, weight=finding.weight + 0.01 * len(those)))
    return found


def _span(days: Sequence[dt.date]) -> str:
    """`2024-01-02`, or `2024-01-02 to 2024-01-09`, or the first of them where there are gaps."""
    if len(days) == 1:
        return str(days[0])
    if (days[-1] - days[0]).days == len(days) - 1:
        return f"{days[0]} to {days[-1]}, {counted(len(days), 'day')}"
    return cut(f"{counted(len(days), 'day')} from {days[0]} to {days[-1]}")

"""The verdicts of checks that compare a day with others: its number of rows, and how far its columns have drifted."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from daeda.checks.judge import verdict
from daeda.dataset.manifest import Manifest, Verdict
from daeda.errors import counted
from daeda.settings.checks import Check, LastDays, Within
from daeda.statistics.drift import Drift, drift_of, merged
from daeda.statistics.model import ColumnOfDay, DayStatistics, Summary

# Columns of which the index is told, the worst ones first.
_MOST_TOLD = 5
# Where nothing changed the index is so many times what it is on average on fewer than one day of a thousand.
_BEYOND_CHANCE = 3
_NOT_COMPARED = frozenset({"key", "timestamp"})


@dataclass
class Days:
    """The published days that are compared, and their statistics, each made or read once.

    `immature` has the columns of a day that are NULL because a label was not mature, as its skeleton tells: the
    enriched half does not.
    """

    manifests: Mapping[dt.date, Manifest]
    find: Callable[[Manifest], DayStatistics]
    immature: Mapping[dt.date, Collection[str]]
    _known: dict[dt.date, dict[str, ColumnOfDay]] = field(default_factory=dict)

    def columns(self, day: dt.date) -> dict[str, ColumnOfDay]:
        """The columns of a day that can be compared: none that is a place only, or not mature."""
        if day not in self._known:
            manifest = self.manifests[day]
            unripe = self.immature.get(day, ())
            self._known[day] = {
                column.name: column
                for column in self.find(manifest).columns
                if not column.placeholder and not (column.name in unripe and column.summary.nulls == manifest.rows)
            }
        return self._known[day]

    def before(self, check: Check, day: dt.date) -> list[dt.date]:
        """The published days that a check compares a day with."""
        return [each for each in days_needed(check, day) if each in self.manifests and each != day]


def days_needed(check: Check, day: dt.date) -> tuple[dt.date, ...]:
    """The days that a check compares a day with, published or not."""
    compared = check.rows.last if isinstance(check.rows, Within) else check.days_compared
    return compared.before(day) if isinstance(compared, LastDays) else compared.days


def judge_over_days(check: Check, day: dt.date, days: Days) -> Verdict:
    """The verdict of a check on a published day."""
    others = days.before(check, day)
    if not others:
        compared = check.rows.last if isinstance(check.rows, Within) else check.days_compared
        return verdict(check, "not judged", f"no day of {compared} is published")
    return _rows(check, day, others, days) if isinstance(check.rows, Within) else _drift(check, day, others, days)


def _rows(check: Check, day: dt.date, others: list[dt.date], days: Days) -> Verdict:
    assert isinstance(check.rows, Within)
    rows = days.manifests[day].rows
    usual = Fraction(statistics.median(Fraction(days.manifests[each].rows) for each in others))
    if abs(rows - usual) <= Fraction(check.rows.share) * usual:
        return verdict(check, "passed")
    away = f", {float(100 * abs(rows - usual) / usual):.4g}% {'more' if rows > usual else 'fewer'}" if usual else ""
    return verdict(
        check,
        "failed",
        f"{counted(rows, 'row')}{away}; the median of {counted(len(others), 'day')} is {float(usual):.10g}",
    )


def _drift(check: Check, day: dt.date, others: list[dt.date], days: Days) -> Verdict:
    assert check.below is not None
    columns = days.columns(day)
    if check.column is not None:
        columns = {check.column: columns[check.column]} if check.column in columns else {}
    else:
        columns = {name: column for name, column in columns.items() if column.kind not in _NOT_COMPARED}
    found: dict[str, Drift] = {}
    for name, column in columns.items():
        reference = _reference(name, column.summary, others, days)
        drift = None if reference is None else drift_of(reference, column.summary)
        if drift is not None:
            found[name] = drift
    if not found:
        return verdict(check, "not judged", "nothing is left to compare")
    below = float(check.below)
    beyond = [name for name, drift in found.items() if drift.psi >= max(below, _BEYOND_CHANCE * drift.by_chance)]
    moved = sorted(beyond, key=lambda name: -found[name].psi)
    if not moved:
        return verdict(check, "passed")
    told = ", ".join(f"{name} {found[name].psi:.3g}" for name in moved[:_MOST_TOLD])
    more = f", and {counted(len(moved) - _MOST_TOLD, 'more column')}" if len(moved) > _MOST_TOLD else ""
    chance = max(found[name].by_chance for name in moved)
    return verdict(check, "failed", f"{told}{more} (chance alone makes about {chance:.2g})")


def _reference(name: str, summary: Summary, others: list[dt.date], days: Days) -> Summary | None:
    there = [days.columns(each)[name].summary for each in others if name in days.columns(each)]
    return merged([each for each in there if each.dtype == summary.dtype])

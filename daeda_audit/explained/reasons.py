"""What an explanation says of a column: the bounds, the raw rows that count, and those that nearly do.

Times are nanoseconds. Nothing here decides whether a row counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from daeda_audit.raw.view import RawView, Row

# Of each reason why rows do not count, how many are shown, and of all reasons together.
_PER_REASON = 2
_MOST_MISSED = 10


@dataclass(frozen=True)
class RawRow:
    """A raw row: its time, when it became known, what is worth showing of it, and why it does not count."""

    time: int | None
    known: int | None
    values: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Bounds:
    """Between which instants raw rows count; None is endless. `ends` says which of both counts itself."""

    begin: int | None
    end: int | None
    ends: Literal["[)", "(]", "[]"]


@dataclass(frozen=True)
class Reasons:
    """What is behind a value. `order` are the columns by which rows are put in order; the greatest is the newest."""

    made_by: str
    key: Mapping[str, Any] = field(default_factory=dict)
    bounds: Bounds | None = None
    counted: Sequence[RawRow] = ()
    missed: Sequence[RawRow] = ()
    order: Sequence[str] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    sql: str = ""
    notes: Sequence[str] = ()


def raw_row(raw: RawView, row: Row, names: Iterable[str], reason: str = "") -> RawRow:
    """A row of a view with the columns that are worth showing."""
    return RawRow(raw.instant(row), raw.created(row), {name: row[name] for name in names}, reason)


def fields_beside(raw: RawView, keys: Sequence[str], first: Iterable[str]) -> list[str]:
    """The columns to show of a row: those that matter, or else all that are no key and no time."""
    source = raw.view.source
    told = {*keys, source.timestamp_field, source.created_field}
    chosen = [name for name in dict.fromkeys(first) if name not in told]
    return chosen or [one.name for one in raw.view.fields if one.name not in told]


def just_missed(rows: Iterable[RawRow], bounds: Bounds) -> list[RawRow]:
    """Of the rows that do not count the nearest to the bounds, some of each reason, the newest first."""
    nearest: dict[str, list[RawRow]] = {}
    for row in sorted(rows, key=lambda row: (_distance(row.time, bounds), -(row.time or 0))):
        # A reason that names an instant is one reason.
        of_reason = nearest.setdefault(row.reason.partition(",")[0], [])
        if len(of_reason) < _PER_REASON:
            of_reason.append(row)
    shown = [row for of_reason in nearest.values() for row in of_reason][:_MOST_MISSED]
    return sorted(shown, key=lambda row: row.time or 0, reverse=True)


def _distance(time: int | None, bounds: Bounds) -> float:
    if time is None:
        return float("inf")
    if bounds.begin is not None and time < bounds.begin:
        return bounds.begin - time
    return max(0, time - bounds.end) if bounds.end is not None else 0


def no_key(key: Mapping[str, Any]) -> list[str]:
    """What is to be said of a key with a part that is NULL."""
    return [f"{name} is NULL, and NULL matches no row" for name, value in key.items() if value is None]

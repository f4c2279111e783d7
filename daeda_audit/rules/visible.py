"""Which raw rows a row may see, and why it may not see the others: the rule of point in time, written once.

Times are nanoseconds. A reason is a few words for people; None means that the row counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from daeda.durations import Duration
from daeda.settings.aggregations import AggregationSpec
from daeda.settings.availability import Available
from daeda_audit.declared import Sight
from daeda_audit.instants import Instant
from daeda_audit.raw.view import RawView, Row, remaining_columns
from daeda_audit.rules.available import usable_from
from daeda_audit.rules.reach import begin_and_end
from daeda_audit.values import order_key


@dataclass(frozen=True)
class Evidence:
    """The raw rows behind a value: those that count, newest first, and some that do not, each with the reason."""

    counted: tuple[Row, ...] = ()
    hidden: tuple[tuple[str, Row], ...] = ()
    columns: tuple[str, ...] = ()

    @staticmethod
    def of(counted: Sequence[Row], hidden: Iterable[tuple[str, Row]], columns: Iterable[str]) -> Evidence:
        """Evidence with the columns worth showing."""
        return Evidence(tuple(counted), tuple(hidden), tuple(dict.fromkeys(columns)))


def unseen_by_look_up(raw: RawView, row: Row, now: int, sight: Sight) -> str | None:
    """Why a look-up at `now` does not use a row of a view that changes over time."""
    then = raw.instant(row)
    if then is None:
        return "it has no timestamp"
    if then > now or (then == now and not sight.exact):
        return _not_before(then, now)
    if (ttl := sight.ttl) is not None and ttl.nanoseconds is not None and now - then > ttl.nanoseconds:
        return f"it is older than the ttl of {ttl}"
    return _unknown_yet(raw, row, now, sight.available, exact=sight.exact)


def unseen_by_window(raw: RawView, row: Row, now: int, spec: AggregationSpec, window: Duration) -> str | None:
    """Why a history row is outside of the window of a row at `now`, or not known by then."""
    then = raw.instant(row)
    begin, end = begin_and_end(spec, window, now)
    if then is None:
        return "it has no timestamp"
    if then >= now:
        return _not_before(then, now)
    if then >= end:
        return f"it is not before the end of the window, {Instant(end)}"
    if begin is not None and then < begin:
        return f"it is before the window of {window}"
    return _unknown_yet(raw, row, now, spec.available_in(raw.view.source.available), exact=False)


def _not_before(then: int, now: int) -> str:
    return "it is after the row" if then > now else "it is of the very time of the row"


def _unknown_yet(raw: RawView, row: Row, now: int, available: Available | None, *, exact: bool) -> str | None:
    """Why a row with a time before `now` is not known by then, or not available."""
    if raw.view.source.created_field is not None:
        created = raw.created(row)
        if created is None:
            return "it never became known"
        if created > now or (created == now and not exact):
            return "it became known only later"
    else:
        created = raw.instant(row) or 0
    usable = usable_from(available, created)
    if available is not None and (usable > now or (usable == now and not exact)):
        return f"it was available only later, from {Instant(usable)}"
    return None


def total_order(raw: RawView, row: Row, keys: Sequence[str], attributes: Sequence[str] = ()) -> tuple[Any, ...]:
    """What puts the rows of one key in order: time, created, then the remaining columns as they are declared."""
    rest = remaining_columns(raw.view, keys)
    return (
        raw.instant(row) or 0,
        raw.created(row) or 0,
        *(order_key(row[name]) for name in (*rest, *attributes)),
    )


def newest_first(raw: RawView, rows: Iterable[Row], keys: Sequence[str], attributes: Sequence[str] = ()) -> list[Row]:
    """Rows of one key in the total order, the greatest first."""
    return sorted(rows, key=lambda row: total_order(raw, row, keys, attributes), reverse=True)

"""Why a look-up took the row that it took: the rows of its key, newest first, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daeda.durations import Duration
from daeda_audit.declared import FromView
from daeda_audit.explained.reasons import Bounds, RawRow, Reasons, fields_beside, just_missed, no_key, raw_row
from daeda_audit.instants import PER_DAY
from daeda_audit.raw.rows import choose
from daeda_audit.raw.view import RawView, Row, key_of, remaining_columns
from daeda_audit.rules.visible import newest_first, unseen_by_look_up
from daeda_audit.values import order_key, shown

# Rows behind the one that was taken.
_CANDIDATES = 2


def explain_look_up(raw: RawView, maker: FromView, key: Mapping[str, Any], now: int) -> Reasons:
    """The row of a view that a row with this key sees at `now`, and those next to it."""
    view = raw.view
    made_by = f"{view.name}:{maker.field} by {', '.join(view.keys)}"
    wanted = key_of(key, view.keys)
    static = view.source.timestamp_field is None
    names = [one.name for one in view.fields]
    files = raw.files() if static or maker.latest else raw.files_for((now, now + PER_DAY), _and_a_day(maker.sight.ttl))
    rows = [] if wanted is None else choose(raw, files, None, view.keys, {wanted}).dicts(names)
    rows = [row for row in rows if key_of(row, view.keys) == wanted]
    values = fields_beside(raw, view.keys, [maker.field])
    if static:
        counted = [raw_row(raw, row, values) for row in rows]
        return Reasons(f"{made_by}; the view has no times", key, None, counted, notes=no_key(key))
    order = [name for name in (view.source.timestamp_field, view.source.created_field) if name is not None]
    order += remaining_columns(view, view.keys)
    ttl = None if maker.sight.ttl is None else maker.sight.ttl.nanoseconds
    bounds = Bounds(None if ttl is None else now - ttl, now, "[]" if maker.sight.exact else "[)")
    if maker.latest:
        bounds = Bounds(None, None, "[]")
    chosen, missed = _judged(raw, maker, newest_first(raw, rows, view.keys), now, values, bounds)
    kind = "the newest row of all, which sees the future" if maker.latest else _newest(raw, maker)
    counted = [raw_row(raw, row, values) for row in chosen]
    return Reasons(f"{made_by}, {kind}", key, bounds, counted, missed, order, notes=no_key(key))


def _newest(raw: RawView, maker: FromView) -> str:
    available = maker.sight.available
    if available is None:
        return "the newest row that is known by then"
    source = raw.view.source
    known = source.created_field or source.timestamp_field or ""
    return f"the newest row that is known and available ({available.told(known)}) by then"


def _judged(
    raw: RawView, maker: FromView, rows: Sequence[Row], now: int, values: Sequence[str], bounds: Bounds
) -> tuple[list[Row], list[RawRow]]:
    """The row that is taken, if there is one; the rows before it that are hidden, and the next ones behind it."""
    hidden: list[RawRow] = []
    for position, row in enumerate(rows):
        reason = _without_times(raw, row) if maker.latest else unseen_by_look_up(raw, row, now, maker.sight)
        if reason is not None:
            hidden.append(raw_row(raw, row, values, reason))
            continue
        behind = rows[position + 1 : position + 1 + _CANDIDATES]
        next_ones = []
        for one in behind:
            unseen = None if maker.latest else unseen_by_look_up(raw, one, now, maker.sight)
            shown_names = [*values, *_deciding(raw, row, one)]
            next_ones.append(raw_row(raw, one, shown_names, unseen or _behind(raw, row, one)))
        return [row], [*just_missed(hidden, bounds), *next_ones]
    return [], just_missed(hidden, bounds)


def _and_a_day(ttl: Duration | None) -> Duration | None:
    """What is a little too old is loaded too, to be shown."""
    if ttl is None or ttl.nanoseconds is None:
        return ttl
    return Duration(f"{ttl} and a day", ttl.nanoseconds + PER_DAY)


def _without_times(raw: RawView, row: Row) -> str | None:
    if raw.instant(row) is None:
        return "it has no timestamp"
    if raw.view.source.created_field is not None and raw.created(row) is None:
        return "it never became known"
    return None


def _behind(raw: RawView, taken: Row, row: Row) -> str:
    """Why a row that may be seen, too, comes behind the one that is taken."""
    if raw.instant(row) != raw.instant(taken):
        return "the row that is taken is newer"
    if raw.created(row) != raw.created(taken):
        return "it is of the same time, and the row that is taken became known later"
    for name in _deciding(raw, taken, row):
        return f"it is of the same time, and its '{name}' {shown(row[name])} comes before {shown(taken[name])}"
    return "it is the same row once more"


def _deciding(raw: RawView, taken: Row, row: Row) -> list[str]:
    """The column that puts two rows of one time in order; none where another one does, or they are the same."""
    if raw.instant(row) != raw.instant(taken) or raw.created(row) != raw.created(taken):
        return []
    names = remaining_columns(raw.view, raw.view.keys)
    return [name for name in names if order_key(row[name]) != order_key(taken[name])][:1]

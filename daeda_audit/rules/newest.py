"""Look-ups of many rows: in the total order of a key, backwards from the row's time to the first row that counts.

What it finds is what `look_up.py` says of one row at a time, for people; the tests hold that they agree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence

from daeda.errors import InputError
from daeda_audit.declared import Sight
from daeda_audit.raw.rows import Rows, TimeRange, choose
from daeda_audit.raw.view import Key, RawView
from daeda_audit.rules.available import usable_from
from daeda_audit.values import shown

# The key of an asking row, None where it has a NULL, and its time in nanoseconds.
Asking = tuple[Key | None, int]


class Newest:
    """The rows of each key of a view that changes over time, the least of the total order first."""

    def __init__(self, rows: Rows, wanted: Collection[Key], sight: Sight) -> None:
        view = rows.raw.view
        self.rows = rows
        self._ttl = None if sight.ttl is None else sight.ttl.nanoseconds
        self._exact = sight.exact
        known, available = rows.created, sight.available
        if available is not None:
            known = [usable_from(available, then) for then in (rows.instants if known is None else known)]
        self._known = known
        self._groups = rows.by_key(view.keys, range(rows.number), wanted)
        rows.put_in_order(self._groups.values(), view.keys)
        self._times = {key: [rows.instants[row] for row in group] for key, group in self._groups.items()}

    def seen(self, key: Key | None, now: int) -> int | None:
        """The greatest row before `now` that is known and available by then and not older than the ttl."""
        if key is None or key not in self._groups:
            return None
        group, times, known = self._groups[key], self._times[key], self._known
        behind = bisect_right(times, now) if self._exact else bisect_left(times, now)
        for position in range(behind - 1, -1, -1):
            if self._ttl is not None and now - times[position] > self._ttl:
                return None
            row = group[position]
            if known is None or known[row] < now or (self._exact and known[row] == now):
                return row
        return None

    def last(self, key: Key | None) -> int | None:
        """The greatest row of all."""
        return self._groups[key][-1] if key is not None and key in self._groups else None


def look_up_all(
    raw: RawView, asked: Sequence[Asking], sight: Sight, *, latest: bool = False
) -> tuple[Rows, list[int | None]]:
    """The rows of a view that may be seen, and for each asking row which of them it sees.

    Each asking row is given what lies within the ttl before its own time; `latest` asks for the newest row of all.
    """
    wanted = {key for key, _ in asked if key is not None}
    if raw.view.source.timestamp_field is None:
        return _static(raw, asked, wanted)
    if not wanted:
        return choose(raw, ()), [None] * len(asked)
    if latest:
        every = Newest(choose(raw, raw.files(), TimeRange(), raw.view.keys, wanted, known=True), wanted, sight)
        return every.rows, [every.last(key) for key, _ in asked]
    instants = [now for key, now in asked if key is not None]
    ttl = None if sight.ttl is None else sight.ttl.nanoseconds
    span = TimeRange(None if ttl is None else min(instants) - ttl, max(instants))
    files = raw.files_for(instants, sight.ttl)
    newest = Newest(choose(raw, files, span, raw.view.keys, wanted, known=True), wanted, sight)
    answers = {asking: newest.seen(*asking) for asking in set(asked)}
    return newest.rows, [answers[asking] for asking in asked]


def _static(raw: RawView, asked: Sequence[Asking], wanted: Collection[Key]) -> tuple[Rows, list[int | None]]:
    keys = raw.view.keys
    rows = choose(raw, raw.files(), None, keys, wanted)
    groups = rows.by_key(keys, range(rows.number), wanted)
    for group in groups.values():
        if len(group) > 1:
            named = ", ".join(f"{name} {shown(rows.column(name)[group[0]])}" for name in keys)
            raise InputError(
                f"view '{raw.view.name}': {raw.reference} has {len(group)} rows with {named}, and a view without "
                "timestamps has one row per key: remove the others, or declare source.timestamp_field"
            )
    return rows, [groups[key][0] if key is not None and key in groups else None for key, _ in asked]

"""Windows of many rows over one history: which rows may count, with their attributes, and the walks through them.

What it finds is what `history.py` says of one row at a time, for people; the tests hold that they agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from daeda.durations import Duration
from daeda_audit.declared import FromHistory, Sight
from daeda_audit.raw.rows import Rows, TimeRange, choose
from daeda_audit.raw.view import Key, RawViews
from daeda_audit.rules.available import usable_from
from daeda_audit.rules.history import entity_keys
from daeda_audit.rules.kinds import needs_order
from daeda_audit.rules.newest import Asking, look_up_all
from daeda_audit.rules.reach import begin_and_end
from daeda_audit.rules.running import running
from daeda_audit.rules.sweep import walk


class Windows:
    """The history of the entities that are asked for, as far back as the longest window of any asking row reaches."""

    def __init__(
        self, raws: RawViews, maker: FromHistory, longest: Duration, asked: Sequence[Asking], unit: int
    ) -> None:
        """`unit` is that of the spine's time, in nanoseconds."""
        spec = maker.spec
        raw = raws[spec.history.view]
        self._keys = entity_keys(spec)
        self._attributes = [attribute.partition(":")[2] for attribute in spec.history.attributes]
        self._asked = asked
        self._unit = unit
        self._ordered = False
        wanted = {key for key, _ in asked if key is not None}
        instants = [now for key, now in asked if key is not None]
        length = longest.nanoseconds
        span = TimeRange(None if length is None else min(instants, default=0) - length, max(instants, default=0))
        # An entity whose key is an attribute is known only when the attribute is.
        own = set(self._keys) <= {field.name for field in raw.view.fields}
        files = raw.files_for(instants, longest) if wanted else ()
        self._rows = choose(raw, files, span, self._keys if own else (), wanted, known=True)
        # Attributes are those of each row by itself, whether `where` keeps it or not: it may read them.
        for attribute in spec.history.attributes:
            attach_attribute(raws, attribute, self._rows, range(self._rows.number))
        kept = self._rows.rows_where(maker.where)
        self._groups = self._rows.by_key(self._keys, kept, wanted)
        for group in self._groups.values():
            group.sort(key=self._rows.instants.__getitem__)

    def values(self, maker: FromHistory) -> list[Any]:
        """For each asking row the aggregate of its window."""
        if needs_order(maker.spec.kind) and not self._ordered:
            self._rows.put_in_order(self._groups.values(), self._keys, self._attributes)
            self._ordered = True
        asking: dict[Key | None, set[int]] = {}
        for key, now in self._asked:
            asking.setdefault(key, set()).add(now)
        answers = {key: self._of_key(maker, key, sorted(instants)) for key, instants in asking.items()}
        return [answers[key][now] for key, now in self._asked]

    def _of_key(self, maker: FromHistory, key: Key | None, asked: Sequence[int]) -> dict[int, Any]:
        """The aggregate of one key at ascending instants."""
        instants = self._rows.instants
        group = self._groups.get(key, []) if key is not None else []
        begin, _ = begin_and_end(maker.spec, maker.window, asked[0])
        if begin is not None:
            group = group[bisect_left(group, begin, key=instants.__getitem__) :]
        values: list[Any] = [None] * len(group)
        if maker.spec.column is not None:
            column = self._rows.column(maker.spec.column)
            # No kind collects NULLs.
            group = [row for row in group if column[row] is not None]
            values = [column[row] for row in group]
        elif maker.spec.columns is not None:
            # But a sequence, which keeps them.
            values = self._items(maker, group)
        times = [instants[row] for row in group]
        created = self._rows.created
        known = times if created is None else [created[row] for row in group]
        available = maker.spec.available_in(self._rows.raw.view.source.available)
        known = [usable_from(available, then) for then in known]
        empty = running(maker.spec, values, times, self._unit, field=maker.field, q=maker.q)
        window = partial(begin_and_end, maker.spec, maker.window)
        return dict(zip(asked, walk(times, known, window, asked, empty), strict=True))

    def _items(self, maker: FromHistory, group: Sequence[int]) -> list[dict[str, Any]]:
        """What a sequence holds of each row, but for its age, which depends on who asks."""
        columns = {name: self._rows.column(name) for name in maker.fields if name != maker.spec.age}
        return [{name: column[row] for name, column in columns.items()} for row in group]


def attach_attribute(raws: RawViews, attribute: str, rows: Rows, kept: Sequence[int], *, serving: bool = True) -> None:
    """Add a column of another view to the history rows that are kept, each as of its own time."""
    view, _, column = attribute.partition(":")
    other = raws[view]
    keys = rows.keys(other.view.keys)
    asked = [(keys[row], rows.instants[row]) for row in kept]
    sight = Sight.of_view(other.view)
    seen_rows, seen = look_up_all(other, asked, sight if serving else replace(sight, available=None))
    attribute_values = seen_rows.column(column)
    values: list[Any] = [None] * rows.number
    for row, other_row in zip(kept, seen, strict=True):
        values[row] = None if other_row is None else attribute_values[other_row]
    rows.attach(column, other.view.dtype(column), values)

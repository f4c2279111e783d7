"""Labels, by the rule as it is written: of each asking row all rows of its key are looked at, one by one.

A row counts if it lies in `(now + gap, now + gap + window]` and, in a view with a created_field, became known at or
before `now + gap + window + matures_after`. Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daeda.durations import Duration
from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda_audit.declared import FromFuture
from daeda_audit.instants import PER_DAY
from daeda_audit.raw.rows import TimeRange, choose
from daeda_audit.raw.view import RawViews, Row
from daeda_audit.rules.history import entity_keys
from daeda_audit.rules.kinds import needs_order
from daeda_audit.rules.newest import Asking
from daeda_audit.rules.running import running
from daeda_audit.rules.visible import Evidence
from daeda_audit.rules.windows import attach_attribute

_LISTS = ("list", "last_distinct", "flatten_distinct", "top_k", "sequence")
_MOST_HIDDEN = 5


@dataclass(frozen=True)
class _Span:
    """The window of one label, as distances from the row: from after `gap`, up to `end`, known by `known_by`."""

    gap: int
    end: int
    known_by: int


class Labels:
    """The rows after those that ask, of their keys, for one label."""

    def __init__(self, raws: RawViews, maker: FromFuture, asked: Sequence[Asking], unit: int) -> None:
        """`unit` is that of the spine's time, in nanoseconds."""
        spec = maker.spec
        raw = raws[spec.history.view]
        self._maker, self._asked, self._unit = maker, asked, unit
        gap, length = spec.gap.nanoseconds or 0, maker.window.nanoseconds or 0
        late = 0 if spec.matures_after is None else spec.matures_after.nanoseconds or 0
        self._span = _Span(gap, gap + length, gap + length + late)
        self.raw, self.keys = raw, entity_keys(spec)
        wanted = {key for key, _ in asked if key is not None}
        ends = [now + self._span.end for key, now in asked if key is not None]
        # What lies around the window is loaded too, to be shown.
        span = TimeRange(min(ends, default=0) - length - PER_DAY, max(ends, default=0) + PER_DAY)
        around = Duration("", length + PER_DAY)
        files = raw.files_for([end + offset for end in ends for offset in (0, PER_DAY)], around) if wanted else ()
        own = set(self.keys) <= {field.name for field in raw.view.fields}
        self._rows = choose(raw, files, span, self.keys if own else (), wanted, known=True)
        for attribute in spec.history.attributes:
            attach_attribute(raws, attribute, self._rows, range(self._rows.number), serving=False)
        kept = self._rows.rows_where(maker.where)
        self._groups = self._rows.by_key(self.keys, kept, wanted)
        self._dropped = sorted({*range(self._rows.number)} - {*kept})
        for group in self._groups.values():
            group.sort(key=self._rows.instants.__getitem__)
        if needs_order(spec.kind):
            attributes = [attribute.partition(":")[2] for attribute in spec.history.attributes]
            self._rows.put_in_order(self._groups.values(), self.keys, attributes)

    def values(self) -> list[Any]:
        """The label of each asking row."""
        known: dict[Asking, Any] = {}
        for asking in self._asked:
            if asking not in known:
                known[asking] = self._value(asking)
        return [known[asking] for asking in self._asked]

    def explain(self, number: int) -> Evidence:
        """The rows behind one value, and some that do not count."""
        key, now = self._asked[number]
        group = self._groups.get(key, []) if key is not None else []
        names = [*self.keys, *self._shown_columns()]
        reasons = [(self._unseen(row, now), {name: self._rows.column(name)[row] for name in names}) for row in group]
        counted = [row for reason, row in reasons if reason is None]
        hidden = [(reason, row) for reason, row in reasons if reason is not None]
        return Evidence.of(counted, hidden[:_MOST_HIDDEN], names)

    def judged(self, number: int, names: Sequence[str]) -> list[tuple[str | None, Row]]:
        """All rows of the key of an asking row that lie around its window, and why they do not count; None for some."""
        key, now = self._asked[number]
        if key is None:
            return []
        dropped = self._rows.by_key(self.keys, self._dropped, {key}).get(key, [])
        reasons = [(self._unseen(row, now), row) for row in self._groups.get(key, [])]
        reasons += [(self._unseen(row, now) or "'where' is not true", row) for row in dropped]
        reasons.sort(key=lambda reason_and_row: self._rows.instants[reason_and_row[1]])
        return [(reason, {name: self._rows.column(name)[row] for name in names}) for reason, row in reasons]

    def bounds(self, number: int) -> tuple[int, int]:
        """The instant behind which the window of an asking row begins, and the last one in it."""
        now = self._asked[number][1]
        return now + self._span.gap, now + self._span.end

    def known_by(self, number: int) -> int:
        """By when a row has to be known to count."""
        return self._asked[number][1] + self._span.known_by

    def _shown_columns(self) -> list[str]:
        source = self._rows.raw.view.source
        names = [source.timestamp_field, source.created_field, *self._maker.spec.reads]
        return [name for name in dict.fromkeys(names) if name is not None]

    def _unseen(self, row: int, now: int) -> str | None:
        """Why a row does not count for a label at `now`."""
        then = self._rows.instants[row]
        if then <= now + self._span.gap:
            return "it is not after the row and its gap"
        if then > now + self._span.end:
            return f"it is after the window of {self._maker.window}"
        created = self._rows.created
        if created is not None and created[row] > now + self._span.known_by:
            return "it became known only when the label was mature"
        column = self._maker.spec.column
        if column is not None and self._rows.column(column)[row] is None:
            return f"its '{column}' is NULL"
        return None

    def _value(self, asking: Asking) -> Any:
        key, now = asking
        group = self._groups.get(key, []) if key is not None else []
        seen = [row for row in group if self._unseen(row, now) is None]
        return self._aggregate(self._maker.spec, seen, now)

    def _aggregate(self, spec: LabelSpec, rows: Sequence[int], now: int) -> Any:
        """The aggregate of rows that are in order; lists begin with the first of them, where others begin last."""
        kind, instants = spec.kind, [self._rows.instants[row] for row in rows]
        if kind == "until_first":
            return (min(instants) - now) // self._unit if instants else None
        values: list[Any] = (
            [None] * len(rows) if spec.column is None else [self._rows.column(spec.column)[row] for row in rows]
        )
        if kind == "sequence":
            held = [name for name in self._maker.fields if name != spec.age]
            values = [{name: self._rows.column(name)[row] for name in held} for row in rows]
        order = "newest_first"
        if kind in _LISTS:
            values.reverse()
            instants.reverse()
            order = "newest_first" if spec.order == "oldest_first" else "oldest_first"
        if kind == "flatten_distinct":
            values = [list(reversed(value)) for value in values]
        looking_back = AggregationSpec.model_construct(
            name=spec.name, kind=kind, column=spec.column, max_length=spec.max_length, order=order, age=spec.age
        )
        maker = self._maker
        inside = running(looking_back, values, instants, self._unit, field=maker.field, q=maker.q)
        for number in range(len(rows)):
            inside.enter(number)
        return inside.value(now)

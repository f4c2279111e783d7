"""The history of one row, by the rules as they are written: which raw rows its window holds, and why not the others.

The values come from `windows.py`; this is what a report shows of one of them, and the tests compare both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daeda.durations import Duration
from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda_audit.declared import FromHistory, Sight
from daeda_audit.expression.evaluate import holds
from daeda_audit.expression.syntax import Node
from daeda_audit.instants import PER_DAY
from daeda_audit.raw.rows import TimeRange, choose
from daeda_audit.raw.view import Key, RawView, RawViews, Row, by_key, key_of
from daeda_audit.rules.look_up import look_up, nearest, shown_columns
from daeda_audit.rules.reach import begin_and_end, reach
from daeda_audit.rules.visible import Evidence, newest_first, unseen_by_window


@dataclass(frozen=True)
class History:
    """The rows of the entities that are asked for, newest first, and the rows that `where` leaves out."""

    raw: RawView
    keys: tuple[str, ...]
    kept: Mapping[Key, Sequence[Row]]
    dropped: Mapping[Key, Sequence[Row]] = field(repr=False)

    def explain(self, maker: FromHistory, row: Mapping[str, Any], now: int) -> Evidence:
        """The rows that count, and the nearest of those that do not."""
        counted: list[Row] = []
        hidden: list[tuple[str, Row]] = []
        empty: list[Row] = []
        for past in self._of(row):
            reason = unseen_by_window(self.raw, past, now, maker.spec, maker.window)
            if reason is None and maker.spec.column is not None and past[maker.spec.column] is None:
                empty.append(past)
            elif reason is None:
                counted.append(past)
            else:
                hidden.append((reason, past))
        dropped = self.dropped.get(key_of(row, self.keys) or (), ())
        inside = [past for past in dropped if unseen_by_window(self.raw, past, now, maker.spec, maker.window) is None]
        left_out = [("'where' is not true", past) for past in inside]
        left_out += [(f"its '{maker.spec.column}' is NULL", past) for past in empty]
        left_out.sort(key=lambda reason_and_row: self.raw.instant(reason_and_row[1]) or 0, reverse=True)
        shown = [*nearest(self.raw, hidden, now), *nearest(self.raw, left_out, now)]
        return Evidence.of(counted, shown, self._columns(maker.spec))

    def _of(self, row: Mapping[str, Any]) -> Sequence[Row]:
        """All history of a row's entity, newest first."""
        return self.kept.get(key_of(row, self.keys) or (), ())

    def _columns(self, spec: AggregationSpec) -> list[str]:
        return [*shown_columns(self.raw, self.keys), *spec.reads]


def entity_keys(spec: AggregationSpec | LabelSpec) -> tuple[str, ...]:
    """The key columns of a spec's entity."""
    return tuple(entity.named_key or f"{entity.name}_id" for entity in spec.entity)


def load_history(raws: RawViews, maker: FromHistory, now: int, window: Duration, asking: Mapping[str, Any]) -> History:
    """The history of the entity of one asking row, with what lies around its window."""
    spec = maker.spec
    raw, keys = raws[spec.history.view], entity_keys(spec)
    wanted = {key for key in (key_of(asking, keys),) if key is not None}
    names = [field.name for field in raw.view.fields]
    # An entity whose key is an attribute is known only when the attribute is.
    own = set(keys) <= set(names)
    begin, _ = begin_and_end(spec, window, now)
    span = TimeRange(None if begin is None else begin - PER_DAY, now + PER_DAY)
    files = raw.files_for((now, now + PER_DAY), reach(spec, window)) if wanted else ()
    rows = choose(raw, files, span, keys if own else (), wanted).dicts(names)
    attributes = []
    for attribute in spec.history.attributes:
        view, _, column = attribute.partition(":")
        _attach(raws[view], raw, rows, column)
        attributes.append(column)
    kept, dropped = _chosen(rows, maker.where)
    groups = {
        key: newest_first(raw, of_key, keys, attributes) for key, of_key in by_key(kept, keys).items() if key in wanted
    }
    return History(raw, keys, groups, by_key(dropped, keys) if own else {})


def _chosen(rows: list[Row], where: Node | None) -> tuple[list[Row], list[Row]]:
    kept: list[Row] = []
    dropped: list[Row] = []
    for row in rows:
        (kept if holds(where, row) else dropped).append(row)
    return kept, dropped


def _attach(other: RawView, raw: RawView, rows: list[Row], column: str) -> None:
    """Add a column of another view to history rows, each as of its own time."""
    answers = look_up(other, [(row, raw.instant(row) or 0) for row in rows], Sight.of_view(other.view))
    for row, (seen, _) in zip(rows, answers, strict=True):
        row[column] = None if seen is None else seen[column]

"""What is counted of the differences of two sets of rows: per column, and rows of one side alone."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daeda.diff.values import EXACT, Tolerance, compare
from daeda.dtypes import spelled

# Of each column, and of the rows of one side alone.
EXAMPLES = 3
# A list that is longer is shown with its begin.
_MOST_ITEMS = 8
_MOST_LETTERS = 200


@dataclass(frozen=True)
class Pairing:
    """Which columns are compared: `columns` maps the name here to that there; `key` are names of `columns` here."""

    key: tuple[str, ...]
    columns: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        """The columns that are no part of the key."""
        return {here: there for here, there in self.columns.items() if here not in self.key}


@dataclass(frozen=True)
class Example:
    """A value that differs, and the key of its row; `day` is set by who knows it."""

    key: Mapping[str, Any]
    here: Any
    there: Any


@dataclass
class ColumnTally:
    """The differences of one column."""

    differ: int = 0
    null_here: int = 0
    null_there: int = 0
    numbers: int = 0
    greatest: float = 0.0
    total: float = 0.0
    examples: list[Example] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Mean distance of the numbers that differ."""
        return self.total / self.numbers if self.numbers else None

    def add(self, other: ColumnTally) -> None:
        """Add the differences of other rows."""
        self.differ += other.differ
        self.null_here += other.null_here
        self.null_there += other.null_there
        self.numbers += other.numbers
        self.greatest = max(self.greatest, other.greatest)
        self.total += other.total
        self.examples = [*self.examples, *other.examples][:EXAMPLES]


@dataclass
class RowTally:
    """Rows of one side alone: how many, and the keys of a few."""

    count: int = 0
    examples: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, other: RowTally) -> None:
        """Add others."""
        self.count += other.count
        self.examples = [*self.examples, *other.examples][:EXAMPLES]


@dataclass
class Tally:
    """The differences of paired rows, those of one side alone, and how many were paired."""

    paired: int = 0
    changed: int = 0
    columns: dict[str, ColumnTally] = field(default_factory=dict)
    only_here: RowTally = field(default_factory=RowTally)
    only_there: RowTally = field(default_factory=RowTally)
    reordered: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.columns or self.only_here.count or self.only_there.count)


class Comparison:
    """Compares pairs of rows, batch by batch, into a tally. Examples are the first ones in the order here."""

    def __init__(self, pairing: Pairing, tolerance: Tolerance) -> None:
        self._pairing, self._tolerance = pairing, tolerance
        self._changed = 0
        self._columns: dict[str, ColumnTally] = {}
        self._nearest: dict[str, list[tuple[int, int, Example]]] = {}
        self._seen = 0

    def same_keys(self, here: pa.Table, there: pa.Table) -> bool:
        """Whether the rows of two tables have the same keys, one by one."""
        columns = self._pairing.columns
        return all(
            compare(_whole(here, name), _whole(there, columns[name]), EXACT).equal.all() for name in self._pairing.key
        )

    def add(self, here: pa.Table, there: pa.Table, positions: Sequence[int] | np.ndarray[Any, Any]) -> None:
        """Compare two tables row by row; `positions` are those of the rows here."""
        changed = np.zeros(len(here), np.bool_)
        for name, name_there in self._pairing.values.items():
            ours, theirs = _whole(here, name), _whole(there, name_there)
            if ours.equals(theirs):  # False where there is a NaN
                continue
            result = compare(ours, theirs, self._tolerance)
            if result.equal.all():
                continue
            differ = ~result.equal
            changed |= differ
            self._count(name, ours, theirs, differ, result.distance)
            for row in np.flatnonzero(differ)[:EXAMPLES] if _in_order(positions) else np.flatnonzero(differ):
                self._offer(name, int(positions[row]), here, ours, theirs, int(row))
        self._changed += int(changed.sum())

    def _count(self, name: str, ours: pa.Array, theirs: pa.Array, differ: Any, distance: Any) -> None:
        column = self._columns.setdefault(name, ColumnTally())
        kept = pa.array(differ)
        column.differ += int(differ.sum())
        column.null_here += ours.filter(kept).null_count
        column.null_there += theirs.filter(kept).null_count
        known = distance[differ]
        known = known[~np.isnan(known)]
        if len(known):
            column.numbers += len(known)
            column.greatest = max(column.greatest, float(known.max()))
            column.total += float(known.sum())

    def _offer(self, name: str, position: int, here: pa.Table, ours: pa.Array, theirs: pa.Array, row: int) -> None:
        nearest = self._nearest.setdefault(name, [])
        if len(nearest) == EXAMPLES and -nearest[0][0] <= position:
            return
        example = Example(key_of(here, self._pairing.key, row), shown(ours[row]), shown(theirs[row]))
        self._seen += 1
        entry = (-position, -self._seen, example)
        if len(nearest) < EXAMPLES:
            heapq.heappush(nearest, entry)
        else:
            heapq.heapreplace(nearest, entry)

    def tally(self, paired: int) -> Tally:
        """What was counted, of so many pairs."""
        for name, column in self._columns.items():
            column.examples = [example for _, _, example in sorted(self._nearest[name], reverse=True)]
        ordered = {name: self._columns[name] for name in self._pairing.values if name in self._columns}
        return Tally(paired, self._changed, ordered)


def _in_order(positions: Any) -> bool:
    return isinstance(positions, range)


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def key_of(table: pa.Table, key: Sequence[str], row: int) -> dict[str, Any]:
    """The key of a row, as it is shown."""
    return {name: shown(table.column(name)[row]) for name in key}


def shown(value: pa.Scalar) -> Any:
    """A value as JSON has it: long lists and texts are cut, and what JSON has no word for is a text.

    >>> shown(pa.scalar(1.5)), shown(pa.scalar(float("nan"))), shown(pa.scalar([1] * 9))
    (1.5, 'NaN', [1, 1, 1, 1, 1, 1, 1, 1, '... 9 in all'])
    """
    kind = spelled(value.type)
    return _plain((value if kind.equals(value.type) else pc.cast(value, kind)).as_py())


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float():
            if np.isnan(value):
                return "NaN"
            return value if np.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
        case str():
            return value if len(value) <= _MOST_LETTERS else f"{value[:_MOST_LETTERS]}..."
        case list():
            shortened = [_plain(item) for item in value[:_MOST_ITEMS]]
            return [*shortened, f"... {len(value)} in all"] if len(value) > _MOST_ITEMS else shortened
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case np.floating():
            return _plain(float(value))
        case _:
            return str(value)

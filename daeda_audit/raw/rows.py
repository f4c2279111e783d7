"""Rows of a view that may count, column by column: chosen in Arrow by time and key, Python values only of those.

A row is a number here. What is left out before anything becomes a Python value is what lies outside of the time that is
asked for, and what has none of the keys; which rows count is decided in Python, by whoever asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit
from daeda_audit.expression.evaluate import holds
from daeda_audit.expression.syntax import Node, columns_of
from daeda_audit.instants import PER_DAY, PER_SECOND
from daeda_audit.raw.local_copies import RawFile
from daeda_audit.raw.view import Key, RawView, Row, remaining_columns
from daeda_audit.values import from_arrow, instants, order_key

_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class TimeRange:
    """Instants in nanoseconds, both ends included; None is endless."""

    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class FileRows:
    """Some rows of a file: those where the mask is true, or all of them."""

    file: RawFile
    mask: pa.Array | pa.ChunkedArray | None
    rows: int


class Rows:
    """Rows of one view in the order of its files; a column becomes Python values when it is asked for."""

    def __init__(self, raw: RawView, files_rows: Sequence[FileRows]) -> None:
        self.raw = raw
        self._files_rows = files_rows
        self._columns: dict[str, list[Any]] = {}
        self._keys: dict[str, list[tuple[Any, ...] | None]] = {}
        self._attached: dict[str, DType] = {}
        self.number = sum(file.rows for file in files_rows)

    def column(self, name: str) -> list[Any]:
        """The values of a field, or of a column that was attached."""
        if name not in self._columns:
            self._columns[name] = [value for column in self._arrow(name) for value in from_arrow(column)]
        return self._columns[name]

    def attach(self, name: str, dtype: DType, values: list[Any]) -> None:
        """Add a column that the view does not have."""
        self._attached[name] = dtype
        self._columns[name] = values

    def distinct(self, name: str) -> set[tuple[Any, ...]]:
        """The values of a field that are not NULL, as they are compared."""
        distinct: set[tuple[Any, ...]] = set()
        for column in self._arrow(name):
            plain = not pa.types.is_nested(column.type) and not pa.types.is_dictionary(column.type)
            values = from_arrow(column.unique() if plain else column)
            distinct |= {order_key(value) for value in values if value is not None}
        return distinct

    @cached_property
    def instants(self) -> list[int]:
        """Nanoseconds of the timestamp, which no row lacks where `choose` was given a span."""
        return self._instants(self.raw.view.source.timestamp_field)

    @cached_property
    def created(self) -> list[int] | None:
        """Nanoseconds of the created_field, which no chosen row lacks; None where the view has none."""
        name = self.raw.view.source.created_field
        return None if name is None else self._instants(name)

    def dicts(self, names: Sequence[str]) -> list[Row]:
        """The rows as dicts."""
        columns = [self.column(name) for name in names]
        if not columns:
            return [{} for _ in range(self.number)]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def rows_where(self, where: Node | None) -> list[int]:
        """The rows for which a condition is true."""
        if where is None:
            return list(range(self.number))
        names = columns_of(where)
        columns = [self.column(name) for name in names]
        if not columns:
            return list(range(self.number)) if holds(where, {}) else []
        rows = list(zip(*columns, strict=True))
        if any(self._holds_lists(name) for name in names):
            # A list is no key of a dict.
            return [row for row, values in enumerate(rows) if holds(where, dict(zip(names, values, strict=True)))]
        # Rows with the same values have the same answer.
        answers = {values: holds(where, dict(zip(names, values, strict=True))) for values in set(rows)}
        return [row for row, values in enumerate(rows) if answers[values]]

    def keys(self, names: Sequence[str]) -> list[Key | None]:
        """The key of each row, as it is compared; None where a part of it is NULL."""
        parts = [self._compared(name) for name in names]
        return [None if None in row else row for row in zip(*parts, strict=True)]

    def by_key(self, names: Sequence[str], rows: Iterable[int], wanted: Collection[Key] | None) -> dict[Key, list[int]]:
        """Rows by key; those without a key, or with none that is wanted, are left out."""
        # One column is grouped as it is, which is most of the work where a history is long.
        compared: Sequence[Any] = self._compared(names[0]) if len(names) == 1 else self.keys(names)
        by_compared: dict[Any, list[int]] = {}
        for row in rows:
            key = compared[row]
            if key is not None:
                if (group := by_compared.get(key)) is None:
                    group = by_compared[key] = []
                group.append(row)
        groups = {(key,): group for key, group in by_compared.items()} if len(names) == 1 else by_compared
        return {key: group for key, group in groups.items() if wanted is None or key in wanted}

    def put_in_order(self, groups: Iterable[list[int]], keys: Sequence[str], more: Sequence[str] = ()) -> None:
        """Sort each group by the total order, the least first.

        That is time, then created_field, then the remaining columns as they are declared, then `more`. Only rows that
        still tie are compared by the next column.
        """
        created = self.created
        times: Sequence[Any] = self.instants if created is None else list(zip(self.instants, created, strict=True))
        ties: list[tuple[list[int], int, int]] = []
        for group in groups:
            group.sort(key=times.__getitem__)
            ties += _ties(group, 0, len(group), times)
        for name in (*remaining_columns(self.raw.view, keys), *more):
            if not ties:
                return
            values = self.column(name)
            left: list[tuple[list[int], int, int]] = []
            for group, start, end in ties:
                compared = {row: order_key(values[row]) for row in group[start:end]}
                group[start:end] = sorted(group[start:end], key=compared.__getitem__)
                left += _ties(group, start, end, compared)
            ties = left

    def _arrow(self, name: str) -> Iterable[pa.ChunkedArray]:
        for file_rows in self._files_rows:
            column = self.raw.columns(file_rows.file, [name])[0]
            yield column if file_rows.mask is None else column.filter(file_rows.mask)

    def _instants(self, name: str | None) -> list[int]:
        assert name is not None
        unit = self.raw.view.unit_of(name)
        return [instant for column in self._arrow(name) for instant in instants(column, unit)]

    def _holds_lists(self, name: str) -> bool:
        dtype = self._attached.get(name) or self.raw.view.dtype(name)
        return dtype.item is not None

    def _compared(self, name: str) -> list[tuple[Any, ...] | None]:
        """A column as it is compared, NULL as None."""
        if name not in self._keys:
            values = self.column(name)
            if self._holds_lists(name):
                # A list is no key of a dict.
                self._keys[name] = [None if value is None else order_key(value) for value in values]
                return self._keys[name]
            # Few values occur often: each is made comparable once.
            distinct = {value: order_key(value) for value in set(values) if value is not None}
            self._keys[name] = [None if value is None else distinct[value] for value in values]
        return self._keys[name]


def _ties(group: list[int], start: int, end: int, compared: Any) -> list[tuple[list[int], int, int]]:
    """Stretches of a sorted group, from `start` to before `end`, whose rows compare as equal."""
    stretches = []
    first = start
    for position in range(start + 1, end + 1):
        if position == end or compared[group[position]] != compared[group[first]]:
            if position - first > 1:
                stretches.append((group, first, position))
            first = position
    return stretches


def choose(
    raw: RawView,
    files: Iterable[RawFile],
    span: TimeRange | None = None,
    keys: Sequence[str] = (),
    wanted: Collection[Key] = (),
    *,
    known: bool = False,
) -> Rows:
    """The rows of files that may be asked for.

    With a `span` those that have a timestamp within it; with `keys` not those that certainly have none of the `wanted`
    keys, though some others may be among them; with `known` those that have a created_field, if the view has one.
    """
    files_rows = []
    asked = [{key[position] for key in wanted} for position in range(len(keys))]
    for file in files:
        masks = []
        if span is not None:
            time = raw.view.source.timestamp_field or ""
            masks.append(_within(raw.columns(file, [time])[0], raw.view.unit_of(time), span))
        created = raw.view.source.created_field
        if known and created is not None:
            masks.append(pc.is_valid(raw.columns(file, [created])[0]))
        for name, values in zip(keys, asked, strict=True):
            mask = _one_of(raw.columns(file, [name])[0], values)
            masks += [] if mask is None else [mask]
        file_rows = _rows_of_file(raw, file, masks)
        files_rows += [file_rows] if file_rows.rows else []
    return Rows(raw, files_rows)


def _rows_of_file(raw: RawView, file: RawFile, masks: Sequence[Any]) -> FileRows:
    if not masks:
        return FileRows(file, None, raw.length(file))
    mask = masks[0]
    for another in masks[1:]:
        mask = pc.and_(mask, another)
    # A mask is NULL where a value is, and NULL chooses nothing.
    return FileRows(file, mask, int(pc.sum(mask).as_py() or 0))


def _within(column: pa.ChunkedArray, unit: TimeUnit, span: TimeRange) -> Any:
    """A mask of the instants in a span; NULL where there is none."""
    numbers, step = _counted(column, unit)
    mask = pc.is_valid(numbers)
    if span.first is not None:
        least = -(-span.first // step)
        mask = pc.and_(mask, pc.greater_equal(numbers, least) if _LEAST <= least <= _MOST else _all(numbers, least < 0))
    if span.last is not None:
        most = span.last // step
        mask = pc.and_(mask, pc.less_equal(numbers, most) if _LEAST <= most <= _MOST else _all(numbers, most > 0))
    return mask


def _counted(column: pa.ChunkedArray, unit: TimeUnit) -> tuple[pa.ChunkedArray, int]:
    """A time column as whole numbers, and the nanoseconds of one."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _counted(column.cast(kind.value_type), unit)
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()), PER_SECOND // TIMESTAMP_UNITS[kind.unit].value
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).cast(pa.int64()), PER_DAY
    return column.cast(pa.int64()), PER_SECOND // unit.value


def _all(column: pa.ChunkedArray, answer: bool) -> pa.Array:
    return pa.array([answer]).take(pa.array([0] * len(column), pa.int64()))


def _one_of(column: pa.ChunkedArray, wanted: Collection[tuple[Any, ...]]) -> Any:
    """A mask of the rows that may have one of the values; None for a type whose values are compared in Python alone."""
    kind = column.type
    values = [key[1] for key in wanted if len(key) > 1]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = [value.decode() for value in values if isinstance(value, bytes)]
        return pc.is_in(column, value_set=pa.array(texts, kind))
    if pa.types.is_integer(kind):
        # In a type that holds every key: an int32 may be asked for a key of int64.
        numbers = [value for value in values if isinstance(value, int)]
        least, most = (0, 2**64 - 1) if pa.types.is_uint64(kind) else (_LEAST, _MOST)
        wide = pa.uint64() if pa.types.is_uint64(kind) else pa.int64()
        inside = [value for value in numbers if least <= value <= most]
        return pc.is_in(column.cast(wide), value_set=pa.array(inside, wide))
    return None

"""Windows of rows: row groups are read, become numpy arrays at once, and stand together."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.errors import InputError
from daeda_data.loader.batch import Columns, Piece
from daeda_data.loader.choice import Choice, Column, Items, Value, Vector
from daeda_data.loader.memory import Memory, memory_of_epoch
from daeda_data.loader.order import Order, RowGroup, Segment, Window, permutation_of, windows
from daeda_data.loader.parts import Arrays, PartReader, Parts
from daeda_data.loader.read_ahead import ReadAhead
from daeda_data.loader.stored import Chunks, Flat, Indices, Ragged, Stored, Values, Vectors, in_order, joined
from daeda_data.loader.values import fixed_width, validity_of, values_as_read, values_of

# Row groups that wait for their window, however small they are.
_MOST_WAITING = 16


@dataclass(frozen=True)
class Block:
    """The rows of a window in memory, in the order in which they are given; those before `begin` are given already."""

    columns: tuple[Stored, ...]
    days: npt.NDArray[np.datetime64]
    begin: int
    memory: Memory

    @property
    def rows(self) -> int:
        """How many it has."""
        return len(self.days)

    def piece(self, first: int, last: int) -> Piece:
        """Rows `first` to `last` (without it)."""
        columns = Columns(self.memory)
        for column in self.columns:
            column.give(first, last, columns)
        return Piece(last - first, columns, self.days[first:last])


class Blocks:
    """Reads the rows of a worker, window by window; keeps the row group that two windows share.

    A thread decodes the next row group while those before it become a window.
    """

    def __init__(self, parts: Parts, choice: Choice, dimensions: Mapping[str, int], *, threads: bool) -> None:
        self._parts = parts
        self._choice = choice
        self._dimensions = dimensions
        self._threads = threads
        self._last: tuple[RowGroup, tuple[Stored, ...]] | None = None

    def read(self, segments: list[Segment], order: Order, given: int) -> Generator[Block]:
        """The windows behind the rows that were given already."""
        needed = [segment.group for window, _ in windows(segments, order, given) for segment in window.segments]
        groups = [group for group, _ in itertools.groupby(needed)]
        use = (self._choice.names, order.window_rows, order.seed is None)
        # Of a column no more is in memory at a time: where rows begin and end, in two windows.
        with memory_of_epoch(use, 4 * len(self._choice.columns)) as memory:
            try:
                read = self._read(groups, memory)
                with contextlib.closing(ReadAhead(read, _ahead(groups, order), "daeda-row-groups")) as ahead:
                    for window, begin in windows(segments, order, given):
                        yield self._block(window, order, begin, ahead, memory)
            finally:
                self._last = None

    def _read(self, groups: Sequence[RowGroup], memory: Memory) -> Generator[Arrays]:
        reader = PartReader(self._parts, self._choice.names, self._choice.texts, memory, threads=self._threads)
        try:
            for group, following in itertools.zip_longest(groups, groups[1:]):
                yield reader.read(group, following)
        finally:
            reader.close()

    def _block(self, window: Window, settings: Order, begin: int, read: Iterator[Arrays], memory: Memory) -> Block:
        # Before its rows are waited for.
        order = permutation_of(window, settings) if window.shuffled else None
        parts: list[list[Stored]] = [[] for _ in self._choice.columns]
        for segment in window.segments:
            for found, stored in zip(parts, self._columns_of(segment.group, read), strict=True):
                # Most segments are a whole row group.
                is_whole = segment.rows == segment.group.rows
                found.append(stored if is_whole else stored.part(segment.first, segment.last))
        days = np.repeat(
            np.array([segment.group.day for segment in window.segments], "datetime64[D]"),
            [segment.rows for segment in window.segments],
        )
        sizes = [segment.rows for segment in window.segments]
        if order is None:
            chunks = Chunks.behind_each_other(sizes)
            return Block(tuple(joined(column, chunks, memory) for column in parts), days, begin, memory)
        chunks = Chunks.in_order(sizes, order)
        columns: list[Stored] = []
        while parts:
            # What is put in order needs its parts no more.
            columns.append(in_order(parts.pop(0), order, chunks, memory))
        return Block(tuple(columns), days.take(order), begin, memory)

    def _columns_of(self, group: RowGroup, read: Iterator[Arrays]) -> tuple[Stored, ...]:
        if self._last is None or self._last[0] != group:
            self._last = None
            arrays = next(read)
            where = self._parts.files[group.part].path
            stored = tuple(
                stored_of(arrays[column.name], column, self._dimensions.get(column.name, 0), where)
                for column in self._choice.columns
            )
            self._last = (group, stored)
        return self._last[1]


def _ahead(groups: Sequence[RowGroup], order: Order) -> int:
    """How many row groups are in memory by themselves: one becomes rows of a window, and the rest waits for its turn.

    They are half a window if they are small, for reading would stand still while a whole window is put in order.
    """
    rows = max((group.rows for group in groups), default=1)
    return 1 + min(max(1, order.window_rows // 2 // rows), _MOST_WAITING)


def stored_of(arrays: Sequence[pa.Array], column: Column, dimension: int, where: str) -> Stored:
    """A column of a row group, in memory that Arrow has read; raises InputError where it is not as it should be."""
    array = arrays[0] if len(arrays) == 1 else pa.chunked_array(arrays).combine_chunks()
    return _stored(array, column, dimension, where)


def dimension_of(arrays: Sequence[pa.Array]) -> int:
    """How many elements the first vector of a column has; 0 where none has any."""
    for array in arrays:
        _, _, lengths, _ = _lists(array)
        if lengths.any():
            return int(lengths[np.argmax(lengths > 0)])
    return 0


def _stored(array: pa.Array, column: Column, dimension: int, where: str) -> Stored:
    match column:
        case Value():
            return Flat(column.name, Values(*values_as_read(array, column.words)))
        case Vector():
            return _vectors(array, column, dimension, where)
        case Items():
            return _ragged(array, column, where)


def _vectors(array: pa.Array, column: Vector, dimension: int, where: str) -> Vectors:
    array, starts, lengths, _ = _lists(array)
    values, mask = values_of(_items(array, starts, lengths), None, 0)
    if mask is not None:
        raise InputError(f"{where}: a vector of '{column.name}' has an element that is NULL: build the day again")
    wrong = lengths[(lengths != 0) & (lengths != dimension)]
    if len(wrong):
        raise InputError(
            f"{where}: '{column.name}' has a vector of {wrong[0]} elements, and others of {dimension}: give the column "
            "a width in pad, if its lists are no vectors"
        )
    matrix = values.reshape(-1, dimension) if dimension else np.empty((0, 0), values.dtype)
    if len(matrix) == len(array):
        return Vectors(column.name, (matrix,), None)
    here = lengths > 0
    return Vectors(column.name, (matrix,), np.where(here, np.cumsum(here) - 1, -1))


def _ragged(array: pa.Array, column: Items, where: str) -> Ragged:
    array, starts, lengths, present = _lists(array)
    _check_width(column, lengths, where)
    items = _items(array, starts, lengths)
    arrays = items.flatten() if column.of_structs else [items]
    fields = {
        value.name: (Values(*values_of(field, value.words, 0)),)
        for value, field in zip(column.fields, arrays, strict=True)
    }
    first = int(starts[0]) if len(starts) else 0
    return Ragged(column.name, starts - first, lengths, fields, present, column.pad)


def _check_width(column: Items, lengths: Indices, where: str) -> None:
    pad = column.pad
    longest = int(lengths.max(initial=0))
    if pad is not None and pad.keep is None and longest > pad.width:
        raise InputError(
            f"{where}: a list of '{column.name}' has {longest} items, and pad gives it {pad.width}: give {longest}, or "
            f"say which ones stay: pad={{'{column.name}': ({pad.width}, 'first')}}"
        )


def _lists(array: pa.Array) -> tuple[pa.Array, Indices, Indices, npt.NDArray[np.bool_] | None]:
    """The array, where each list begins among its items, how long it is, and which are not NULL (None: all).

    The lists lie behind each other.
    """
    wide = pa.types.is_large_list(array.type)
    offsets = fixed_width(array.offsets, np.dtype(np.int64 if wide else np.int32)).astype(np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    present = validity_of(array)
    if present is not None and lengths[~present].any():
        # Items below NULL are nobody's, and whoever writes the array anew leaves them out.
        return _lists(array.take(pa.array(np.arange(len(array)))))
    return array, starts, lengths, present


def _items(array: pa.Array, starts: Indices, lengths: Indices) -> pa.Array:
    first = int(starts[0]) if len(starts) else 0
    return array.values.slice(first, int(lengths.sum()))

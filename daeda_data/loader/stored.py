"""Columns of a window: numpy arrays from which the rows of batches are taken, one range after another.

Row groups become columns, columns stand behind each other in a window (`joined`), or in the order in which their rows
are given (`in_order`). What is as long as the window is moved then, a column at a time, for what is gathered batch by
batch comes from memory that no cache holds; items of lists and vectors stay where they were read, in their chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from daeda_data.loader import row_kernel
from daeda_data.loader.batch import Array, Columns, Mask
from daeda_data.loader.choice import Pad
from daeda_data.loader.memory import Memory
from daeda_data.loader.values import fill

Indices: TypeAlias = npt.NDArray[np.int64]

# Width of lists whose masks are all kept, in a quarter of a megabyte.
_MOST_LOOKED_UP = 512


@dataclass(frozen=True)
class Chunks:
    """Which of the chunks that a window was read from has each of its rows: the number of the chunk."""

    numbers: Array
    count: int

    @cached_property
    def wide(self) -> Indices:
        """The same numbers in eight bytes each."""
        return self.numbers.astype(np.int64)

    @cached_property
    def rows(self) -> tuple[Indices, ...]:
        """The numbers of the rows of each chunk, in rising order."""
        ends = np.cumsum(np.bincount(self.numbers, minlength=self.count))
        # Numbers of two bytes are sorted in one pass over them.
        return tuple(np.split(np.argsort(self.numbers, kind="stable"), ends[:-1]))

    @staticmethod
    def behind_each_other(sizes: Sequence[int]) -> Chunks:
        """Chunks of so many rows, one after another.

        >>> [rows.tolist() for rows in Chunks.behind_each_other([2, 1]).rows]
        [[0, 1], [2]]
        """
        kind = np.uint16 if len(sizes) < 1 << 16 else np.int64
        return Chunks(np.repeat(np.arange(len(sizes), dtype=kind), sizes), len(sizes))

    @staticmethod
    def in_order(sizes: Sequence[int], order: Indices) -> Chunks:
        """The same, once the rows are in an order.

        >>> [rows.tolist() for rows in Chunks.in_order([2, 1], np.array([2, 0, 1])).rows]
        [[1, 2], [0]]
        """
        return Chunks(Chunks.behind_each_other(sizes).numbers.take(order), len(sizes))

    def of(self, first: int, last: int) -> list[tuple[int, Indices]]:
        """Which rows of a range are of each chunk, counted in the range; those of which it has none are left out."""
        found = []
        for number, rows in enumerate(self.rows):
            begin, end = np.searchsorted(rows, (first, last))
            if begin < end:
                found.append((number, rows[begin:end] - first))
        return found


@dataclass(frozen=True)
class Values:
    """Values, and where there is one; None where each is there."""

    array: Array
    mask: Mask | None

    def part(self, first: int, last: int) -> Values:
        """A range of them."""
        return Values(self.array[first:last], None if self.mask is None else self.mask[first:last])


@dataclass(frozen=True)
class Flat:
    """A value for each row.

    One that is NULL is anything until rows become a window, which has its own memory and says of each row whether it
    has a value.
    """

    name: str
    values: Values

    def part(self, first: int, last: int) -> Flat:
        """A range of rows."""
        return Flat(self.name, self.values.part(first, last))

    def give(self, first: int, last: int, into: Columns) -> None:
        """Put a range of rows into a batch."""
        mask = self.values.mask
        assert mask is not None, "its rows are those of a window"
        into.arrays[self.name], into.masks[self.name] = self.values.array[first:last], mask[first:last]

    @staticmethod
    def joined(parts: Sequence[Flat], memory: Memory) -> Flat:
        """Rows behind each other."""
        arrays = [part.values.array for part in parts]
        mask = _joined_masks([part.values.mask for part in parts], [len(array) for array in arrays], memory)
        # Nothing is filled where nothing is missing, so the memory may be that of Arrow.
        own = arrays[0] if len(arrays) == 1 and mask is None else memory.joined(arrays)
        return Flat._filled(parts[0].name, own, mask, memory)

    @staticmethod
    def in_order(parts: Sequence[Flat], order: Indices, memory: Memory) -> Flat:
        """Rows behind each other, and then in an order."""
        arrays = [part.values.array for part in parts]
        array = memory.taken(arrays[0] if len(arrays) == 1 else memory.joined(arrays), order)
        mask = _joined_masks([part.values.mask for part in parts], [len(array) for array in arrays], memory)
        return Flat._filled(parts[0].name, array, None if mask is None else memory.taken(mask, order), memory)

    @staticmethod
    def _filled(name: str, own: Array, mask: Mask | None, memory: Memory) -> Flat:
        if mask is None:
            mask = memory.array(own.shape, np.bool_)
            mask.fill(True)
        else:
            fill(own, mask, np.nan)
        return Flat(name, Values(own, mask))


@dataclass(frozen=True)
class Vectors:
    """A vector for each row, or none.

    `places` are rows of the matrix of the chunk that a row is of, -1 where there is no vector. None in place of
    `chunks`: there is one matrix; in place of `places`: each row has the vector of its number.
    """

    name: str
    matrices: tuple[Array, ...]
    places: Indices | None
    chunks: Chunks | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.matrices[0]) if self.places is None else len(self.places)

    def part(self, first: int, last: int) -> Vectors:
        """A range of rows of one matrix."""
        [matrix] = self.matrices
        if self.places is None:
            return Vectors(self.name, (matrix[first:last],), None)
        return Vectors(self.name, (matrix,), self.places[first:last])

    def in_order(self, order: Indices, chunks: Chunks, memory: Memory) -> Vectors:
        """The rows in another order."""
        places = order if self.places is None else memory.taken(self.places, order)
        return replace(self, places=places, chunks=None if self.chunks is None else chunks)

    def give(self, first: int, last: int, into: Columns) -> None:
        """Put a range of rows into a batch; a row without a vector has zeros."""
        into.arrays[self.name], into.masks[self.name] = self._given(first, last, into.memory)

    @cached_property
    def _sources(self) -> row_kernel.Sources:
        return row_kernel.Sources.of(self.matrices)

    @cached_property
    def _present(self) -> Mask:
        assert self.places is not None, "some rows have no vector, or they are in another order"
        return self.places >= 0

    @cached_property
    def _counts(self) -> Indices:
        """A row without a vector takes none of them."""
        return self._present.astype(np.int64)

    def _given(self, first: int, last: int, memory: Memory) -> tuple[Array, Mask]:
        if self.places is None:
            return self.matrices[0][first:last], np.ones(last - first, np.bool_)
        places, present = self.places[first:last], self._present[first:last]
        shape, kind = (len(places), self.matrices[0].shape[1]), self.matrices[0].dtype
        code = row_kernel.kernel()
        if code is not None:
            matrix = memory.array(shape, kind)
            numbers = None if self.chunks is None else self.chunks.wide[first:last]
            row_kernel.copy_rows(code, self._sources, numbers, places, self._counts[first:last], matrix)
            return matrix, present
        is_whole = bool(present.all())
        matrix = np.empty(shape, kind) if is_whole else np.zeros(shape, kind)
        for number, own in _rows_of_chunks(self.chunks, first, last):
            here = own if is_whole else own[present[own]]
            if matrix.size and len(here):
                _runs_of(matrix)[here] = _runs_of(self.matrices[number]).take(places[here])
        return matrix, present

    @staticmethod
    def joined(parts: Sequence[Vectors], chunks: Chunks, memory: Memory) -> Vectors:
        """Rows behind each other."""
        places = [np.arange(part.rows) if part.places is None else part.places for part in parts]
        matrices = tuple(matrix for part in parts for matrix in part.matrices)
        return Vectors(parts[0].name, matrices, memory.joined(places), chunks)


@dataclass(frozen=True)
class _Kept:
    """Of each list the items that stay when it is padded to a width: the first one, and how many."""

    starts: Indices
    counts: Indices
    width: int

    @staticmethod
    def of(starts: Indices, lengths: Indices, pad: Pad) -> _Kept:
        counts = np.minimum(lengths, pad.width)
        return _Kept(starts + lengths - counts if pad.keep == "last" else starts, counts, pad.width)

    def mask(self, first: int, last: int) -> Mask:
        """Where a range of rows, once padded, has items."""
        counts = self.counts[first:last]
        if self.width <= _MOST_LOOKED_UP:
            return _masks(self.width).take(counts, axis=0)
        return np.arange(self.width) < counts[:, None]


@dataclass(frozen=True)
class Ragged:
    """A list for each row: where it begins among the items, and how many it has.

    `starts` count among the items of the chunk that a row is of; `chunks` None: there is one. `fields` are a
    list's own items under its name, or the fields of a sequence, which have one length; each has its values by chunk.
    The lists of a chunk lie behind each other, and with `as_they_lie` the rows do too.
    """

    name: str
    starts: Indices
    lengths: Indices
    fields: Mapping[str, tuple[Values, ...]]
    present: Mask | None
    pad: Pad | None
    chunks: Chunks | None = None
    as_they_lie: bool = True

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.starts)

    def part(self, first: int, last: int) -> Ragged:
        """A range of rows of one chunk, with all its items."""
        present = None if self.present is None else self.present[first:last]
        return replace(self, starts=self.starts[first:last], lengths=self.lengths[first:last], present=present)

    def in_order(self, order: Indices, chunks: Chunks, memory: Memory) -> Ragged:
        """The rows in another order."""
        return replace(
            self,
            starts=memory.taken(self.starts, order),
            lengths=memory.taken(self.lengths, order),
            present=None if self.present is None else memory.taken(self.present, order),
            chunks=None if self.chunks is None else chunks,
            as_they_lie=False,
        )

    def give(self, first: int, last: int, into: Columns) -> None:
        """Put a range of rows into a batch, as the pad of the column says."""
        present = None if self.present is None else self.present[first:last]
        into.present[self.name] = _or_all(present, last - first)
        if self.pad is not None:
            self._give_padded(self.pad, first, last, into)
        elif self.as_they_lie and self.chunks is None:
            self._give_as_they_lie(first, last, into)
        else:
            self._give_ragged(first, last, into)

    @cached_property
    def _sources(self) -> dict[str, row_kernel.Sources]:
        """Of fields without a NULL."""
        return {
            name: row_kernel.Sources.of([values.array for values in by_chunk])
            for name, by_chunk in self.fields.items()
            if all(values.mask is None for values in by_chunk)
        }

    def _give_as_they_lie(self, first: int, last: int, into: Columns) -> None:
        offsets = into.offsets[self.name] = _offsets(self.lengths[first:last])
        begin = int(self.starts[first])
        for name, (values,) in self.fields.items():
            part = values.part(begin, begin + int(offsets[-1]))
            into.arrays[name], into.masks[name] = part.array, _or_all(part.mask, len(part.array))

    def _give_ragged(self, first: int, last: int, into: Columns) -> None:
        starts, lengths = self.starts[first:last], self.lengths[first:last]
        offsets = into.offsets[self.name] = _offsets(lengths)
        chunks = [
            (number, _items(offsets[:-1][own], lengths[own]), _items(starts[own], lengths[own]))
            for number, own in _rows_of_chunks(self.chunks, first, last)
        ]
        for name, by_chunk in self.fields.items():
            array = np.empty(int(offsets[-1]), by_chunk[0].array.dtype)
            mask = np.ones(len(array), np.bool_)
            for number, places, items in chunks:
                values = by_chunk[number]
                array[places] = values.array.take(items)
                if values.mask is not None:
                    mask[places] = values.mask.take(items)
            into.arrays[name], into.masks[name] = array, mask

    @cached_property
    def _kept(self) -> _Kept:
        assert self.pad is not None, "lists that are not padded are whole"
        return _Kept.of(self.starts, self.lengths, self.pad)

    def _give_padded(self, pad: Pad, first: int, last: int, into: Columns) -> None:
        starts, kept = self._kept.starts[first:last], self._kept.counts[first:last]
        into.lengths[self.name] = kept
        there = self._kept.mask(first, last)
        code = row_kernel.kernel()
        for number_of_field, (name, by_chunk) in enumerate(self.fields.items()):
            array = into.memory.array((len(kept), pad.width), by_chunk[0].array.dtype)
            mask = there if number_of_field == 0 and len(self.fields) == 1 else there.copy()
            # Zeros are what stands for padding, and for no item that is NULL or of a time.
            if code is not None and array.dtype.kind != "M" and name in self._sources:
                numbers = None if self.chunks is None else self.chunks.wide[first:last]
                row_kernel.copy_rows(code, self._sources[name], numbers, starts, kept, array)
                into.arrays[name], into.masks[name] = array, mask
                continue
            for number, own in _rows_of_chunks(self.chunks, first, last):
                values = by_chunk[number]
                _put_runs(array, own, values.array, starts[own])
                if values.mask is not None:
                    known = np.empty((len(own), pad.width), np.bool_)
                    _put_runs(known, np.arange(len(own)), values.mask, starts[own])
                    mask[own] &= known
            _clear(array, mask)
            into.arrays[name], into.masks[name] = array, mask

    @staticmethod
    def joined(parts: Sequence[Ragged], chunks: Chunks, memory: Memory) -> Ragged:
        """Rows behind each other."""
        first = parts[0]
        return Ragged(
            first.name,
            memory.joined([part.starts for part in parts]),
            memory.joined([part.lengths for part in parts]),
            {name: tuple(values for part in parts for values in part.fields[name]) for name in first.fields},
            _joined_masks([part.present for part in parts], [part.rows for part in parts], memory),
            first.pad,
            chunks,
        )


Stored: TypeAlias = Flat | Vectors | Ragged


def joined(parts: Sequence[Stored], chunks: Chunks, memory: Memory) -> Stored:
    """Rows of one column behind each other, each part a chunk; what has no NULL and is one part is not copied."""
    match parts[0]:
        case Flat():
            return Flat.joined([part for part in parts if isinstance(part, Flat)], memory)
        case first:
            return first if len(parts) == 1 else _joined(parts, chunks, memory)


def in_order(parts: Sequence[Stored], order: Indices, chunks: Chunks, memory: Memory) -> Stored:
    """Rows of one column behind each other, and then in an order, which has each of them once."""
    match parts[0]:
        case Flat():
            return Flat.in_order([part for part in parts if isinstance(part, Flat)], order, memory)
        case first:
            whole = first if len(parts) == 1 else _joined(parts, chunks, memory)
            return whole.in_order(order, chunks, memory)


def _joined(parts: Sequence[Stored], chunks: Chunks, memory: Memory) -> Vectors | Ragged:
    if isinstance(parts[0], Vectors):
        return Vectors.joined([part for part in parts if isinstance(part, Vectors)], chunks, memory)
    return Ragged.joined([part for part in parts if isinstance(part, Ragged)], chunks, memory)


@cache
def _masks(width: int) -> Mask:
    """The masks of lists of 0, 1, 2, … items. To look one up takes a tenth of the time of comparing numbers."""
    masks = np.tri(width + 1, width, -1, np.bool_)
    masks.flags.writeable = False
    return masks


def _or_all(mask: Mask | None, count: int) -> Mask:
    return np.ones(count, np.bool_) if mask is None else mask


def _rows_of_chunks(chunks: Chunks | None, first: int, last: int) -> list[tuple[int, Indices]]:
    return [(0, np.arange(last - first))] if chunks is None else chunks.of(first, last)


def _offsets(lengths: Indices) -> Indices:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _items(starts: Indices, lengths: Indices) -> Indices:
    """The numbers of the items of lists, one list after another."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def _put_runs(array: Array, rows: Indices, items: Array, starts: Indices) -> None:
    """Fill rows of a matrix with items, from each start on: those of the list, and behind them whatever follows."""
    width = array.shape[1]
    into = _runs_of(array)
    last = len(items) - width
    if last < 0:
        into[rows] = _runs(np.concatenate([items, np.zeros(width, items.dtype)]), width)[starts]
        return
    into[rows] = _runs(items, width)[np.minimum(starts, last)]
    if int(starts.max(initial=0)) > last:
        late = np.flatnonzero(starts > last)
        # So close to the end no `width` items follow.
        end = np.concatenate([items[last:], np.zeros(width, items.dtype)])
        into[rows[late]] = _runs(end, width)[starts[late] - last]


def _runs(items: Array, width: int) -> Array:
    """At each place the `width` items from there on as one value: numpy copies such a value as a whole."""
    size = items.itemsize
    kind = np.dtype((np.void, width * size))
    return np.ndarray((len(items) - width + 1,), kind, items.view(np.uint8), 0, (size,))


def _runs_of(matrix: Array) -> Array:
    """The rows of a matrix as one value each; the same memory."""
    return matrix.view(np.dtype((np.void, matrix.shape[1] * matrix.itemsize))).reshape(len(matrix))


def _clear(array: Array, mask: Mask) -> None:
    """Padding, and items that are NULL: 0, or NaT."""
    empty = np.datetime64("NaT") if array.dtype.kind == "M" else 0
    np.copyto(array, empty, where=~mask, casting="unsafe")


def _joined_masks(masks: Sequence[Mask | None], sizes: Sequence[int], memory: Memory) -> Mask | None:
    if all(mask is None for mask in masks):
        return None
    return memory.joined([_or_all(mask, size) for mask, size in zip(masks, sizes, strict=True)])

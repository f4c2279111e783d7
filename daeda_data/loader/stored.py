"""Columns of a window: numpy arrays from which the rows of a batch are taken, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from daeda_data.loader.batch import Array, Columns, Mask
from daeda_data.loader.choice import Pad

Indices: TypeAlias = npt.NDArray[np.int64]
# Rows of a window: a range of them, or any.
Rows: TypeAlias = slice | Indices


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
    """A value for each row."""

    name: str
    values: Values

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.values.array)

    def part(self, first: int, last: int) -> Flat:
        """A range of rows."""
        return Flat(self.name, self.values.part(first, last))

    def take(self, rows: Rows, into: Columns) -> None:
        """Put rows into a batch."""
        array = _taken(self.values.array, rows)
        into.arrays[self.name] = array
        into.masks[self.name] = _mask(self.values.mask, rows, len(array))

    @staticmethod
    def joined(parts: Sequence[Flat]) -> Flat:
        """Rows behind each other."""
        return parts[0] if len(parts) == 1 else Flat(parts[0].name, _joined([part.values for part in parts]))


@dataclass(frozen=True)
class Vectors:
    """A vector for each row, or none.

    The vectors lie in matrices as they were read, which are not joined. `places` are rows of the matrix of a row, -1
    where there is no vector; None in place of all of them: each row of the one matrix is that of its number.
    """

    name: str
    matrices: tuple[Array, ...]
    places: Indices | None
    bounds: Indices

    @staticmethod
    def of(name: str, matrix: Array, places: Indices | None) -> Vectors:
        """The vectors of one matrix."""
        return Vectors(name, (matrix,), places, _bounds([len(matrix) if places is None else len(places)]))

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.bounds[-1])

    def part(self, first: int, last: int) -> Vectors:
        """A range of rows of one matrix."""
        [matrix] = self.matrices
        if self.places is None:
            return Vectors.of(self.name, matrix[first:last], None)
        return Vectors.of(self.name, matrix, self.places[first:last])

    def take(self, rows: Rows, into: Columns) -> None:
        """Put rows into a batch; a row without a vector has zeros."""
        into.arrays[self.name], into.masks[self.name] = self._taken(rows)

    def _taken(self, rows: Rows) -> tuple[Array, Mask]:
        if self.places is None:
            matrix = _taken(self.matrices[0], rows)
            return matrix, np.ones(len(matrix), np.bool_)
        places = _taken(self.places, rows)
        present = places >= 0
        matrix = np.zeros((len(places), self.matrices[0].shape[1]), self.matrices[0].dtype)
        for number, own in _rows_of_chunks(self.bounds, rows):
            here = own[present[own]]
            matrix[here] = self.matrices[number].take(places[here], axis=0)
        return matrix, present

    @staticmethod
    def joined(parts: Sequence[Vectors]) -> Vectors:
        """Rows behind each other."""
        if len(parts) == 1:
            return parts[0]
        places = [np.arange(part.rows) if part.places is None else part.places for part in parts]
        matrices = tuple(matrix for part in parts for matrix in part.matrices)
        return Vectors(parts[0].name, matrices, np.concatenate(places), _bounds_of(parts))


@dataclass(frozen=True)
class Ragged:
    """A list for each row: where it begins among the items, and how many it has.

    The items lie as they were read, and are not joined; `starts` count among those of the chunk that a row is of. Lists
    of a chunk lie behind each other. `fields` are a list's own items under its name, or the fields of a sequence, which
    have one length; each has its values by chunk.
    """

    name: str
    starts: Indices
    lengths: Indices
    fields: Mapping[str, tuple[Values, ...]]
    present: Mask | None
    pad: Pad | None
    bounds: Indices

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.starts)

    def part(self, first: int, last: int) -> Ragged:
        """A range of rows of one chunk, with all its items."""
        present = None if self.present is None else self.present[first:last]
        starts, lengths = self.starts[first:last], self.lengths[first:last]
        return replace(self, starts=starts, lengths=lengths, present=present, bounds=_bounds([len(starts)]))

    def take(self, rows: Rows, into: Columns) -> None:
        """Put rows into a batch, as the pad of the column says."""
        starts, lengths = _taken(self.starts, rows), _taken(self.lengths, rows)
        into.present[self.name] = _mask(self.present, rows, len(lengths))
        if self.pad is None:
            self._take_ragged(rows, starts, lengths, into)
        else:
            self._take_padded(self.pad, rows, starts, lengths, into)

    def _take_ragged(self, rows: Rows, starts: Indices, lengths: Indices, into: Columns) -> None:
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        into.offsets[self.name] = offsets
        if isinstance(rows, slice) and len(self.bounds) == 2:
            first = int(starts[0]) if len(starts) else 0
            for name, (values,) in self.fields.items():
                part = values.part(first, first + int(offsets[-1]))
                into.arrays[name], into.masks[name] = part.array, _mask(part.mask, slice(None), len(part.array))
            return
        chunks = [
            (number, _items(offsets[:-1][own], lengths[own]), _items(starts[own], lengths[own]))
            for number, own in _rows_of_chunks(self.bounds, rows)
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

    def _take_padded(self, pad: Pad, rows: Rows, starts: Indices, lengths: Indices, into: Columns) -> None:
        kept = np.minimum(lengths, pad.width)
        if pad.keep == "last":
            starts = starts + lengths - kept
        into.lengths[self.name] = kept
        there = np.arange(pad.width) < kept[:, None]
        chunks = _rows_of_chunks(self.bounds, rows)
        for name, by_chunk in self.fields.items():
            array = np.empty((len(kept), pad.width), by_chunk[0].array.dtype)
            mask = there.copy()
            for number, own in chunks:
                values = by_chunk[number]
                array[own] = _rows_of(values.array, starts[own], pad.width)
                if values.mask is not None:
                    mask[own] &= _rows_of(values.mask, starts[own], pad.width)
            _clear(array, mask)
            into.arrays[name], into.masks[name] = array, mask

    @staticmethod
    def joined(parts: Sequence[Ragged]) -> Ragged:
        """Rows behind each other."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return Ragged(
            first.name,
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            {name: tuple(values for part in parts for values in part.fields[name]) for name in first.fields},
            _joined_masks([part.present for part in parts], [part.rows for part in parts]),
            first.pad,
            _bounds_of(parts),
        )


Stored: TypeAlias = Flat | Vectors | Ragged


def joined(parts: Sequence[Stored]) -> Stored:
    """Rows of one column behind each other."""
    first = parts[0]
    match first:
        case Flat():
            return Flat.joined([part for part in parts if isinstance(part, Flat)])
        case Vectors():
            return Vectors.joined([part for part in parts if isinstance(part, Vectors)])
        case Ragged():
            return Ragged.joined([part for part in parts if isinstance(part, Ragged)])


def _taken(array: Array, rows: Rows) -> Array:
    return array[rows] if isinstance(rows, slice) else array.take(rows, axis=0)


def _mask(mask: Mask | None, rows: Rows, count: int) -> Mask:
    return np.ones(count, np.bool_) if mask is None else _taken(mask, rows)


def _bounds(rows: Sequence[int]) -> Indices:
    """Where the rows of each chunk begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)


def _bounds_of(parts: Sequence[Vectors] | Sequence[Ragged]) -> Indices:
    return _bounds([int(rows) for part in parts for rows in np.diff(part.bounds)])


def _rows_of_chunks(bounds: Indices, rows: Rows) -> list[tuple[int, Indices]]:
    """Which of the rows are of each chunk: their places among the rows."""
    if isinstance(rows, slice):
        rows = np.arange(bounds[-1])[rows]
    if len(bounds) == 2:
        return [(0, np.arange(len(rows)))]
    chunk = np.searchsorted(bounds, rows, side="right") - 1
    found = ((number, np.flatnonzero(chunk == number)) for number in range(len(bounds) - 1))
    return [(number, own) for number, own in found if len(own)]


def _items(starts: Indices, lengths: Indices) -> Indices:
    """The numbers of the items of lists, one list after another."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def _rows_of(items: Array, starts: Indices, width: int) -> Array:
    """`width` items from each start on: those of the list, and behind them whatever follows."""
    last = len(items) - width
    if last < 0:
        return _windows(np.concatenate([items, np.zeros(width, items.dtype)]), width)[starts]
    found = _windows(items, width)[np.minimum(starts, last)]
    late = np.flatnonzero(starts > last)
    if len(late):
        # So close to the end no `width` items follow.
        end = np.concatenate([items[last:], np.zeros(width, items.dtype)])
        found[late] = _windows(end, width)[starts[late] - last]
    return found


def _windows(items: Array, width: int) -> Array:
    step = items.strides[0]
    shape = (len(items) - width + 1, width)
    return np.lib.stride_tricks.as_strided(items, shape, (step, step), writeable=False)


def _clear(array: Array, mask: Mask) -> None:
    """Padding, and items that are NULL: 0, or NaT."""
    empty = np.datetime64("NaT") if array.dtype.kind == "M" else 0
    np.copyto(array, empty, where=~mask, casting="unsafe")


def _joined(parts: Sequence[Values]) -> Values:
    masks = _joined_masks([part.mask for part in parts], [len(part.array) for part in parts])
    return Values(np.concatenate([part.array for part in parts]), masks)


def _joined_masks(masks: Sequence[Mask | None], sizes: Sequence[int]) -> Mask | None:
    if all(mask is None for mask in masks):
        return None
    return np.concatenate(
        [np.ones(size, np.bool_) if mask is None else mask for mask, size in zip(masks, sizes, strict=True)]
    )

"""Ids and the rows of a store that hold them, in arrays that pickle without copies. Knows nothing of Lance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import DayError
from enrich.arrays import ABSENT, Integers, Positions
from enrich.store.buckets import Buckets
from enrich.store.sorting import position_type, sort_with_positions

# An index of the keys is made for a call that looks up at least one id for so many of them.
KEYS_PER_ID = 4


@dataclass(frozen=True, eq=False)
class IntegerIds:
    """Distinct ids, ascending: int64, or uint64 where one exceeds int64."""

    keys: Integers

    def find(self, ids: pa.Array) -> Positions:
        """The position of each id among the keys, -1 for none and for NULL. DayError when the ids are text."""
        if not (pa.types.is_integer(ids.type) or pa.types.is_null(ids.type)):
            raise DayError(f"the ids to look up are {ids.type}, and those of the store are integers; cast the column")
        positions = np.full(len(ids), ABSENT)
        if not len(self.keys) or ids.null_count == len(ids):
            return positions
        numbers = ids.fill_null(0).to_numpy(zero_copy_only=False)
        valid = ids.is_valid().to_numpy(zero_copy_only=False)
        # Two types of one width have no common integer type; a number outside the other's range is not in the store.
        valid &= (numbers >= 0) if self.keys.dtype == np.uint64 else (numbers <= np.iinfo(np.int64).max)
        numbers = numbers.astype(self.keys.dtype)
        buckets = self._buckets if len(self.keys) <= KEYS_PER_ID * len(numbers) else None
        if buckets is not None:
            return np.where(valid, buckets.find(numbers), ABSENT)
        nearest = np.minimum(np.searchsorted(self.keys, numbers), len(self.keys) - 1)
        return np.where(valid & (self.keys[nearest] == numbers), nearest, ABSENT)

    @cached_property
    def _buckets(self) -> Buckets | None:
        return Buckets.of(self.keys)

    def subset(self, positions: Positions) -> IntegerIds:
        """The keys at ascending positions."""
        return IntegerIds(self.keys[positions])


@dataclass(frozen=True, eq=False)
class TextIds:
    """Distinct ids as `large_string`, in any order."""

    keys: pa.LargeStringArray

    def find(self, ids: pa.Array) -> Positions:
        """The position of each id among the keys, -1 for none and for NULL. DayError when the ids are not text.

        The hash table is built over the ids asked for, which are few beside those of a store, and the keys probe it.
        """
        if not (is_text(ids.type) or pa.types.is_null(ids.type)):
            raise DayError(f"the ids to look up are {ids.type}, and those of the store are text; cast the column")
        encoded = ids.cast(pa.large_string()).dictionary_encode()
        hits = pc.index_in(self.keys, value_set=encoded.dictionary)
        hit = hits.is_valid().to_numpy(zero_copy_only=False)
        position = np.full(len(encoded.dictionary) + 1, ABSENT)
        position[hits.drop_null().to_numpy()] = np.flatnonzero(hit)
        # A NULL has no code; the entry after the last is never set and stands for it.
        codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
        positions: Positions = position[codes]
        return positions

    def subset(self, positions: Positions) -> TextIds:
        """The keys at the positions."""
        return TextIds(self.keys.take(pa.array(positions)))


@dataclass(frozen=True, eq=False)
class RowMap:
    """Which row of the store holds an id: `rows[i]` for the i-th key. Built once per run; picklable without copies."""

    ids: IntegerIds | TextIds
    rows: Positions | npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of ids and rows."""
        return int(self.ids.keys.nbytes + self.rows.nbytes)

    def lookup_rows(self, ids: pa.Array) -> Positions:
        """The row of each id, -1 for one that the store does not have and for NULL."""
        return pick(self.rows, self.ids.find(ids))

    def restrict(self, ids: pa.Array) -> RowMap:
        """The part of the map that `ids` need; its length is the number of vectors to load."""
        positions = self.ids.find(ids)
        positions = np.unique(positions[positions >= 0])
        return RowMap(self.ids.subset(positions), self.rows[positions].astype(np.int64))


def map_integers(keys: Integers, rows: Positions | None) -> RowMap:
    """The map of ids in the order of their rows, of equal ones the last; overwrites `keys`.

    `rows` are the rows of the keys, ascending; None stands for 0, 1, 2 and so on.
    """
    if keys.dtype == np.uint64 and (not len(keys) or keys.max() <= np.iinfo(np.int64).max):
        keys = keys.view(np.int64)
    if (keys[1:] > keys[:-1]).all():
        order = np.arange(len(keys), dtype=position_type(len(keys)))
    else:
        keys, order = sort_with_positions(keys)
        last = np.append(keys[1:] != keys[:-1], True)
        if not last.all():
            keys, order = keys[last], order[last]
    if rows is not None:
        order = rows[order].astype(position_type(int(rows.max(initial=0))))
    return RowMap(IntegerIds(keys), order)


def map_texts(column: pa.ChunkedArray, rows: Positions) -> RowMap:
    """The map of ids without NULLs in the order of their rows, of equal ones the last."""
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    newest = np.empty(len(encoded.dictionary), np.int64)
    # numpy assigns in order, so that the last of equal ids stays.
    newest[encoded.indices.to_numpy()] = rows
    return RowMap(TextIds(encoded.dictionary), newest)


def pick(values: Positions | npt.NDArray[np.int32], positions: Positions) -> Positions:
    """`values[position]`, and -1 where the position is -1."""
    if not len(values):
        return np.full(len(positions), ABSENT)
    # At -1 the last value is read, and replaced: no copy of all values is made for it.
    return np.where(positions >= 0, values[positions], ABSENT).astype(np.int64)


def is_text(kind: pa.DataType) -> bool:
    """Whether the type is a string type of any layout."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

"""Ids and the rows of a store that hold them, in arrays that pickle without copies. Knows nothing of Lance.

Integers are found among sorted ones through buckets of their leading bits, in a tenth of a binary search's time:

    keys 3, 10, 17, 24 in buckets of 8      starts 0 1 2 3 4      17 - 3 = 14 is in bucket 1, which begins at position 1

A number is compared with the keys of its bucket one after another. There are about twice as many buckets as keys, so
most numbers are compared once, whether the keys are counted up or hashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import DayError
from enrich.arrays import ABSENT, Integers, Positions

# An index of the keys is made for a call that looks up at least one id for so many of them.
KEYS_PER_ID = 4
# Keys in the fullest bucket, above which they lie too unevenly: a binary search is used then.
MOST_IN_BUCKET = 16
# Elements of one step: what is changed several times stays in the processor's cache.
_BLOCK = 65_536
_WIDTH = 64


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


@dataclass(frozen=True, eq=False)
class Buckets:
    """An index of ascending, distinct keys, at least one. Bucket b holds the keys from position `starts[b]` on."""

    keys: Integers
    shift: int
    starts: npt.NDArray[np.int32] | Positions

    @classmethod
    def of(cls, keys: Integers) -> Buckets | None:
        """The index of the keys; None where they lie too unevenly."""
        distances = _distances(keys, keys)
        shift = max(0, int(distances[-1]).bit_length() - len(keys).bit_length() - 1)
        counts = np.bincount((distances >> np.uint64(shift)).view(np.int64))
        if counts.max() > MOST_IN_BUCKET:
            return None
        starts = np.zeros(len(counts) + 1, position_type(len(keys)))
        np.cumsum(counts, out=starts[1:])
        return cls(keys, shift, starts)

    def find(self, numbers: Integers) -> Positions:
        """The position of each number, which is of the type of the keys, -1 for none."""
        distances = _distances(numbers, self.keys)
        # One below the lowest key is far above the highest, modulo 2^64.
        last = np.uint64(len(self.starts) - 2)
        bucket = np.minimum(distances >> np.uint64(self.shift), last).view(np.int64)
        at, end = self.starts[bucket], self.starts[bucket + 1]
        # A bucket without keys may begin past the last of them.
        hits = self.keys[np.minimum(at, len(self.keys) - 1)] == numbers
        positions: Positions = np.where(hits, at, ABSENT).astype(np.int64)
        left = np.flatnonzero(~hits & (at + 1 < end))
        # The second and further keys of their buckets, for the numbers that are left.
        step = 1
        while len(left):
            at = self.starts[bucket[left]] + step
            hits = self.keys[at] == numbers[left]
            positions[left[hits]] = at[hits]
            step += 1
            left = left[~hits & (at + 1 < self.starts[bucket[left] + 1])]
        return positions


def _distances(numbers: Integers, keys: Integers) -> npt.NDArray[np.uint64]:
    """How far numbers are from the lowest key, modulo 2^64."""
    low = np.uint64(int(keys[0]) % 2**64)
    distances: npt.NDArray[np.uint64] = numbers.view(np.uint64) - low
    return distances


def sort_with_positions(keys: Integers) -> tuple[Integers, Positions | npt.NDArray[np.int32]]:
    """The keys, at least one, ascending, and the position each had; equal keys in the order of their positions.

    `keys` is overwritten. A number of 64 bits holds the leading bits of `key - lowest` above its position, as many as
    there is room for, and such numbers are sorted in a third of the time that `argsort` takes. Of 42.5 million keys:

        the lowest key is 100, the highest 300,000,000     29 bits of the key, 26 of its position: nothing is cut off
        keys of all 64 bits, such as hashes                38 bits of the key, 26 of its position: 26 are cut off

    Keys that differ only in bits cut off are then side by side, and are sorted among themselves.
    """
    lowest, position_bits = int(keys.min()), len(keys).bit_length()
    cut = max(0, (int(keys.max()) - lowest).bit_length() + position_bits - _WIDTH)
    # Unsigned: the difference of two int64 may need 64 bits. It is right modulo 2^64.
    low = np.uint64(lowest % 2**_WIDTH)
    packed = keys.view(np.uint64).copy() if cut else keys.view(np.uint64)
    for start in range(0, len(packed), _BLOCK):
        block = packed[start : start + _BLOCK]
        block -= low
        block >>= np.uint64(cut)
        block <<= np.uint64(position_bits)
        block |= np.arange(start, start + len(block), dtype=np.uint64)
    # Half by half in two threads it took as long, measured on two cores that had other work too.
    packed.sort()
    positions = np.empty(len(packed), position_type(len(packed)))
    for start in range(0, len(packed), _BLOCK):
        block = packed[start : start + _BLOCK]
        positions[start : start + _BLOCK] = block & np.uint64((1 << position_bits) - 1)
        block >>= np.uint64(position_bits)
        if not cut:
            block += low
    if not cut:
        # The keys themselves, which these numbers stand in place of.
        return keys, positions
    return _sort_ties(packed, keys[positions], positions)


def position_type(highest: int) -> Any:
    """The type of positions up to `highest`: half the memory, where that is below 2^31."""
    return np.int32 if highest <= np.iinfo(np.int32).max else np.int64


def _sort_ties(
    prefixes: npt.NDArray[np.uint64], keys: Integers, positions: Positions | npt.NDArray[np.int32]
) -> tuple[Integers, Positions | npt.NDArray[np.int32]]:
    """Sort the keys of equal prefixes among themselves. All are in the order of prefixes, then of positions."""
    same = prefixes[1:] == prefixes[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    # Stable, so that equal keys stay in the order of their positions; no key leaves its prefix.
    order = np.argsort(keys[tied], kind="stable")
    keys[tied], positions[tied] = keys[tied][order], positions[tied][order]
    return keys, positions

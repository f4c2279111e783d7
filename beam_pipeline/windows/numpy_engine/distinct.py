"""Items of an entity that are the same, and the newest distinct ones of each window.

Row j is the newest of its item in `[lo, hi)` exactly when the next row with the same item, `following[j]`, is `hi` or
later. So the newest distinct items of a window are the greatest rows `j < hi` with `following[j] >= hi`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
from beam_pipeline.windows.numpy_engine.lists import (
    Entries,
    Picked,
    blocks_of,
    check_size,
    newest,
    picked,
    runs_down,
    runs_up,
)
from beam_pipeline.windows.numpy_engine.tree import maxima, previous
from daeda.errors import DayError

# (probe, history row) pairs that are expanded at a time: bounds the memory, about 40 bytes each.
PAIR_BUDGET = 1 << 18
# The first look back goes at most this far, whatever max_length is: repeats show early.
_FIRST_LOOK = 128
# A jump over dead rows costs about as much as looking at this many rows one by one.
_JUMP_COST = 64
# Where more of the rows come again, hardly a window is without one: it is not looked for.
_REPEATED = 0.125
# Where more of the windows have to be searched, all are: to put both kinds together costs about as much.
_SEARCHED = 0.5
# Integers in a range of up to this many bits are their own codes.
_DIRECT_BITS = 31


def item_codes(values: pa.Array) -> tuple[Int64s, int]:
    """Numbers in `[0, limit)` that are equal exactly where the items are, and the limit.

    `values` has no NULLs. All NaN are one item. Lists are told apart by their elements, NULL elements included. Raises
    DayError for a type that cannot be told apart (structs, maps).
    """
    kind = values.type
    if pa.types.is_floating(kind):
        doubles = values.cast(pa.float64()).to_numpy()
        # The bits tell doubles apart once NaN and zero have one pattern each.
        doubles = np.where(np.isnan(doubles), np.nan, doubles + 0.0)
        values = pa.array(doubles.view(np.int64))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        values = _element_bytes(values)
    elif pa.types.is_integer(kind) and len(values):
        numbers = values.to_numpy()
        numbers = numbers if numbers.dtype == np.uint64 else numbers.astype(np.int64)
        span = int(numbers.max()) - int(numbers.min())
        if span.bit_length() <= _DIRECT_BITS:
            return (numbers - numbers.min()).astype(np.int64), span + 1
    try:
        encoded = values.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise DayError(f"items of type {kind} cannot be told apart") from error
    codes: Int64s = encoded.indices.to_numpy().astype(np.int64)
    return codes, max(len(encoded.dictionary), 1)


def _element_bytes(lists: pa.Array) -> pa.Array:
    """Each list as the bytes of its elements' codes (int64, -1 for NULL): equal bytes are equal lists."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    elements = lists.values.slice(offsets[0], offsets[-1] - offsets[0])
    valid = np.asarray(elements.is_valid())
    codes = np.full(len(elements), -1, dtype=np.int64)
    codes[valid] = item_codes(elements.drop_null())[0]
    starts = (offsets - offsets[0]) * codes.itemsize
    return pa.Array.from_buffers(pa.large_binary(), len(lists), [None, pa.py_buffer(starts), pa.py_buffer(codes)])


@dataclass(frozen=True)
class Grouped:
    """The rows of a column grouped by entity and item.

    Attributes:
        entity: dense ranks of the entities from 0, non-decreasing, one per row.
        order: the rows sorted by (entity, item, row); a `position` is an index into it.
        same: for each position but the last, whether the next one has the same entity and item.
    """

    entity: Int64s
    order: Int64s
    same: Bools

    @cached_property
    def following(self) -> Int64s:
        """Per row the next row of the same entity and item, or the number of rows if there is none."""
        following = np.full(len(self.order), len(self.order), dtype=np.int64)
        following[self.order[:-1][self.same]] = self.order[1:][self.same]
        return following

    @cached_property
    def position(self) -> Int64s:
        """Per row its position."""
        position = np.empty(len(self.order), dtype=np.int64)
        position[self.order] = np.arange(len(self.order), dtype=np.int64)
        return position

    @cached_property
    def group(self) -> Int64s:
        """Per row the number of its entity and item, in their order."""
        number = np.cumsum(~self.same, dtype=np.int64)
        group = np.zeros(len(self.order), dtype=np.int64)
        group[self.order[1:]] = number
        return group

    def first_position(self, group: Int64s, row: Int64s) -> Int64s:
        """The position of the first row of a group at `row` or after it, else the position behind the group."""
        rows = len(self.order)
        return np.searchsorted(self._keys, group * rows + row).astype(np.int64, copy=False)

    @cached_property
    def _keys(self) -> Int64s:
        return self.group[self.order] * len(self.order) + self.order


def group_items(entity: Int64s, values: pa.Array) -> Grouped:
    """Group the rows of a column without NULLs; `entity` as in `Grouped`."""
    codes, limit = item_codes(values)
    return grouped(entity, codes, limit)


def grouped(entity: Int64s, codes: Int64s, limit: int) -> Grouped:
    """Group rows by entity and by codes in `[0, limit)`, see `item_codes`."""
    rows = len(codes)
    if rows == 0:
        return Grouped(entity, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))
    bits = rows.bit_length()
    if ((int(entity[-1]) + 1) * limit).bit_length() + bits <= 63:
        # Sorting one integer that carries the row is several times faster than sorting rows by keys.
        packed = ((entity * limit + codes) << bits) | np.arange(rows, dtype=np.int64)
        packed.sort()
        item = packed >> bits
        return Grouped(entity, packed & ((1 << bits) - 1), item[:-1] == item[1:])
    order = np.lexsort((codes, entity))
    same: Bools = (entity[order[:-1]] == entity[order[1:]]) & (codes[order[:-1]] == codes[order[1:]])
    return Grouped(entity, order, same)


def newest_distinct(following: Int64s, window: Bounds, max_length: int) -> Picked:
    """The newest `max_length` distinct items of each window, each at its newest row.

    Of a window without a row whose item comes again, it takes the newest rows. Elsewhere a probe looks back over the
    rows before its window's end, twice as far each time. Where few of them are the newest of their item, it jumps from
    one such row to the next by a tree of maxima, so that the work is bounded by the result and the logarithm of the
    history, not by the length of the windows.

    Args:
        following: `Grouped.following`.
        window: ranges of rows; each lies within one entity.
        max_length: most items of a list.

    Raises:
        DayError: more than 2^31 - 1 items in all.
    """
    repeated = following < len(following)
    if np.count_nonzero(repeated) > len(following) * _REPEATED:
        return _Search(following, window, max_length).run()
    again = np.zeros(len(following) + 1, dtype=np.int64)
    np.cumsum(repeated, out=again[1:])
    searched = np.flatnonzero(again[window.hi] > again[window.lo])
    if not len(searched):
        return newest(window, max_length)
    if len(searched) > len(window) * _SEARCHED:
        return _Search(following, window, max_length).run()
    found = _Search(following, Bounds(window.lo[searched], window.hi[searched]), max_length).run()
    lengths = np.minimum(window.hi - window.lo, min(max_length, len(following)))
    lengths[searched] = found.lengths
    check_size(lengths)
    rows = runs_down(window.hi - 1, lengths)
    begin = np.cumsum(lengths) - lengths
    rows[runs_up(begin[searched], found.lengths)] = found.rows
    return Picked(rows, lengths)


class _Search:
    """State of the look back: how far each probe got (`cursor`) and how many items it has."""

    def __init__(self, following: Int64s, window: Bounds, max_length: int) -> None:
        self._following = following
        self._window = window
        self._most = min(max_length, len(following))
        self._cursor = window.hi.copy()
        self._counts = np.zeros(len(window), dtype=np.int64)
        self._entries: list[Entries] = []

    def run(self) -> Picked:
        active = self._unfinished(np.arange(len(self._window), dtype=np.int64))
        jumping = []
        depth = min(2 * self._most, _FIRST_LOOK)
        while len(active):
            pairs = np.minimum(self._cursor[active] - self._window.lo[active], depth)
            for block in blocks_of(active, pairs, PAIR_BUDGET):
                self._look_back(block, depth)
            active = self._unfinished(active)
            looked = self._window.hi[active] - self._cursor[active]
            sparse = looked > self._counts[active] * _JUMP_COST
            jumping.append(active[sparse])
            active = active[~sparse]
            depth *= 2
        jumpers = np.concatenate([*jumping, active])
        if len(jumpers):
            self._jump_back(jumpers)
        return picked(self._entries, self._counts)

    def _unfinished(self, probes: Int64s) -> Int64s:
        missing = (self._counts[probes] < self._most) & (self._cursor[probes] > self._window.lo[probes])
        return probes[missing]

    def _look_back(self, probes: Int64s, depth: int) -> None:
        cursor, hi = self._cursor[probes], self._window.hi[probes]
        lengths = np.minimum(cursor - self._window.lo[probes], depth)
        rows = runs_down(cursor - 1, lengths)
        newest = np.flatnonzero(self._following[rows] >= np.repeat(hi, lengths))
        ends = np.cumsum(lengths)
        # How many of the rows kept belong to each probe and to those before it.
        kept = np.diff(np.searchsorted(newest, ends), prepend=0)
        rank = np.arange(len(newest), dtype=np.int64) - np.repeat(np.cumsum(kept) - kept, kept)
        owner = np.repeat(probes, kept)
        position = rank + self._counts[owner]
        wanted = position < self._most
        self._entries.append((owner[wanted], position[wanted], rows[newest[wanted]]))
        self._counts[probes] = np.minimum(self._counts[probes] + kept, self._most)
        self._cursor[probes] = cursor - lengths

    def _jump_back(self, probes: Int64s) -> None:
        tree = maxima(self._following)
        while len(probes):
            lo, hi = self._window.lo[probes], self._window.hi[probes]
            row = previous(tree, self._cursor[probes], lo, hi)
            inside = row >= lo
            probes, row = probes[inside], row[inside]
            self._entries.append((probes, self._counts[probes], row))
            self._counts[probes] += 1
            self._cursor[probes] = row
            probes = self._unfinished(probes)

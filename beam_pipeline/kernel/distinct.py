"""The newest distinct items of each window.

Row j is the newest of its item in `[lo, hi)` exactly when the next row with the same item, `next_same[j]`, is `hi` or
later. So the newest distinct items of a window are the greatest rows `j < hi` with `next_same[j] >= hi`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from beam_pipeline.kernel.bounds import Bools, Bounds, Int64s
from beam_pipeline.kernel.lists import Picked, check_size, runs_down
from daeda.errors import DayError

# (probe, history row) pairs that are expanded at a time: bounds the memory, about 40 bytes each.
PAIR_BUDGET = 1 << 18
# The first look back goes at most this far, whatever max_length is: repeats are found out early.
_FIRST_LOOK = 128
# A jump over dead rows costs about as much as looking at this many rows one by one.
_JUMP_COST = 64
# Integers in a range of up to this many bits are their own codes.
_DIRECT_BITS = 31

_Piece = tuple[Int64s, Int64s, Int64s]


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
        raise DayError(f"'last_distinct' cannot tell items of type {kind} apart") from error
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


def next_same(entity: Int64s, codes: Int64s, limit: int) -> Int64s:
    """Per row the next row of the same entity and item, or the number of rows if there is none.

    Args:
        entity: dense ranks of the entities from 0, non-decreasing.
        codes: items in `[0, limit)`.
        limit: see `item_codes`.
    """
    rows = len(codes)
    following = np.full(rows, rows, dtype=np.int64)
    if rows > 1:
        order, same = _grouped(entity, codes, limit)
        following[order[:-1][same]] = order[1:][same]
    return following


def _grouped(entity: Int64s, codes: Int64s, limit: int) -> tuple[Int64s, Bools]:
    """The rows sorted by (entity, item, row), and for each but the last whether its successor has the same item."""
    rows = len(codes)
    bits = rows.bit_length()
    if ((int(entity[-1]) + 1) * limit).bit_length() + bits <= 63:
        # Sorting one integer that carries the row is several times faster than sorting rows by keys.
        packed = ((entity * limit + codes) << bits) | np.arange(rows, dtype=np.int64)
        packed.sort()
        item = packed >> bits
        return packed & ((1 << bits) - 1), item[:-1] == item[1:]
    order = np.lexsort((codes, entity))
    same: Bools = (entity[order[:-1]] == entity[order[1:]]) & (codes[order[:-1]] == codes[order[1:]])
    return order, same


def newest_distinct(following: Int64s, window: Bounds, max_length: int) -> Picked:
    """The newest `max_length` distinct items of each window, each at its newest row.

    A probe looks back over the rows before its window's end, twice as far each time. Where few of them are the newest
    of their item, it jumps from one such row to the next by a tree of maxima, so that the work is bounded by the
    result and the logarithm of the history, not by the length of the windows.

    Args:
        following: result of `next_same`.
        window: ranges of rows; each lies within one entity.
        max_length: most items of a list.

    Raises:
        DayError: more than 2^31 - 1 items in all.
    """
    search = _Search(following, window, max_length)
    return search.run()


class _Search:
    """State of the look back: how far each probe got (`cursor`) and how many items it has."""

    def __init__(self, following: Int64s, window: Bounds, max_length: int) -> None:
        self._following = following
        self._window = window
        self._most = min(max_length, len(following))
        self._cursor = window.hi.copy()
        self._found = np.zeros(len(window), dtype=np.int64)
        # (probe, how many newer items it has, row), each of any length
        self._pieces: list[_Piece] = []

    def run(self) -> Picked:
        active = self._unfinished(np.arange(len(self._window), dtype=np.int64))
        jumping = []
        depth = min(2 * self._most, _FIRST_LOOK)
        while len(active):
            for block in self._blocks(active, depth):
                self._look_back(block, depth)
            active = self._unfinished(active)
            looked = self._window.hi[active] - self._cursor[active]
            sparse = looked > self._found[active] * _JUMP_COST
            jumping.append(active[sparse])
            active = active[~sparse]
            depth *= 2
        jumpers = np.concatenate([*jumping, active])
        if len(jumpers):
            self._jump_back(jumpers)
        return self._picked()

    def _unfinished(self, probes: Int64s) -> Int64s:
        missing = (self._found[probes] < self._most) & (self._cursor[probes] > self._window.lo[probes])
        return probes[missing]

    def _blocks(self, probes: Int64s, depth: int) -> Iterator[Int64s]:
        """Cut the probes so that each block expands about PAIR_BUDGET pairs, or is a single probe."""
        pairs = np.cumsum(np.minimum(self._cursor[probes] - self._window.lo[probes], depth))
        cuts = np.flatnonzero(np.diff(pairs // PAIR_BUDGET)) + 1
        yield from np.split(probes, cuts)

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
        place = rank + self._found[owner]
        wanted = place < self._most
        self._pieces.append((owner[wanted], place[wanted], rows[newest[wanted]]))
        self._found[probes] = np.minimum(self._found[probes] + kept, self._most)
        self._cursor[probes] = cursor - lengths

    def _jump_back(self, probes: Int64s) -> None:
        tree = _maxima(self._following)
        while len(probes):
            lo, hi = self._window.lo[probes], self._window.hi[probes]
            row = _previous(tree, self._cursor[probes], lo, hi)
            inside = row >= lo
            probes, row = probes[inside], row[inside]
            self._pieces.append((probes, self._found[probes], row))
            self._found[probes] += 1
            self._cursor[probes] = row
            probes = self._unfinished(probes)

    def _picked(self) -> Picked:
        check_size(self._found)
        begin = np.cumsum(self._found) - self._found
        rows = np.empty(int(self._found.sum()), dtype=np.int64)
        for owner, place, row in self._pieces:
            rows[begin[owner] + place] = row
        return Picked(rows, self._found)


def _maxima(following: Int64s) -> list[Int64s]:
    """A tree over the rows: level k holds the greatest `following` of each 2^k rows; each level is padded to pairs."""
    levels = [following]
    while True:
        if len(levels[-1]) % 2:
            levels[-1] = np.append(levels[-1], -1)
        if len(levels[-1]) <= 2:
            return levels
        levels.append(levels[-1].reshape(-1, 2).max(axis=1))


def _previous(tree: list[Int64s], cursor: Int64s, lo: Int64s, hi: Int64s) -> Int64s:
    """Per probe the greatest row `j < cursor` with `following[j] >= hi`; below `lo` (or -1) if the window has none.

    Climb: at each level `node` ends what is still to search; an odd end has one last node that its parent does not
    cover alone, so it is tested there. Descend: from the node that has such a row to its right child if that has one.
    """
    node = cursor.copy()
    level_found = np.full(len(cursor), -1, dtype=np.int64)
    open_ = np.arange(len(cursor), dtype=np.int64)
    for level, maxima in enumerate(tree):
        odd = open_[node[open_] & 1 == 1]
        hit = odd[maxima[node[odd] - 1] >= hi[odd]]
        level_found[hit] = level
        node[hit] -= 1
        open_ = open_[level_found[open_] < 0]
        node[open_] >>= 1
        open_ = open_[node[open_] << (level + 1) > lo[open_]]
    row = np.where(level_found >= 0, node, -1)
    for level in range(len(tree) - 1, 0, -1):
        inner = np.flatnonzero(level_found >= level)
        right = 2 * row[inner] + 1
        row[inner] = right - (tree[level - 1][right] < hi[inner])
    return row

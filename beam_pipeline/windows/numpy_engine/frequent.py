"""The most frequent items of each window, each at its newest row; of equally frequent ones the newer comes first.

The rows are grouped by entity and item, each group in the order of the rows. In a window `[lo, hi)` an item has the
rows of its group from the first at `lo` or after to the last before `hi`: two searches give its frequency.

    light windows   every item is counted, one by one
    heavy windows   neighbours share most of their rows, so the items of the rows that all of them have (the core) are
                    counted once for many windows; one by one only those items that are in the rest (the fringe)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.distinct import Grouped
from beam_pipeline.windows.numpy_engine.lists import Entries, Picked, blocks_of, picked, runs_down

# (probe, row) pairs that are expanded at a time: bounds the memory, about 60 bytes each.
PAIR_BUDGET = 1 << 18
# Rows in which neighbouring heavy windows of one batch may differ in all, and how many rows make a window heavy.
_FRINGE = 1024
_HEAVY = 8 * _FRINGE


def most_frequent(items: Grouped, window: Bounds, max_length: int) -> Picked:
    """The `max_length` most frequent items of each window, most frequent first, ties to the newest.

    Args:
        items: the rows grouped by entity and item.
        window: ranges of rows; each lies within one entity.
        max_length: most items of a list.

    Raises:
        DayError: more than 2^31 - 1 items in all.
    """
    return _Search(items, window, max_length).run()


@dataclass(frozen=True)
class _Batch:
    """Heavy windows of one entity that begin in `[outer.lo, core.lo]` and end in `[core.hi, outer.hi]`."""

    probes: Int64s
    core_lo: int
    core_hi: int
    fringe: Int64s


class _Search:
    """The items so far, as entries of (probe, position in its list, row)."""

    def __init__(self, items: Grouped, window: Bounds, max_length: int) -> None:
        self._items = items
        self._window = window
        self._most = max_length
        self._counts = np.zeros(len(window), dtype=np.int64)
        self._entries: list[Entries] = []

    def run(self) -> Picked:
        length = self._window.hi - self._window.lo
        light = np.flatnonzero((length > 0) & (length < _HEAVY))
        for block in blocks_of(light, length[light], PAIR_BUDGET):
            self._count_all(block)
        for batch in self._batches(np.flatnonzero(length >= _HEAVY)):
            self._count_around(batch)
        return picked(self._entries, self._counts)

    def _count_all(self, probes: Int64s) -> None:
        """Count every item of windows that are expanded row by row."""
        items, lo, hi = self._items, self._window.lo[probes], self._window.hi[probes]
        owner = np.repeat(np.arange(len(probes), dtype=np.int64), hi - lo)
        rows = runs_down(hi - 1, hi - lo)
        newest = items.following[rows] >= hi[owner]
        owner, rows = owner[newest], rows[newest]
        frequency = items.position[rows] - items.first_position(items.group[rows], lo[owner]) + 1
        # Rows of a probe come newest first, and the sort keeps that among the equally frequent.
        order = np.lexsort((-frequency, owner))
        kept = np.bincount(owner, minlength=len(probes))
        position = np.arange(len(owner), dtype=np.int64) - np.repeat(np.cumsum(kept) - kept, kept)
        wanted = position < self._most
        self._entries.append((probes[owner][wanted], position[wanted], rows[order][wanted]))
        self._counts[probes] = np.minimum(kept, self._most)

    def _batches(self, heavy: Int64s) -> Iterator[_Batch]:
        """Neighbours of one entity, as long as their windows differ in few rows."""
        if not len(heavy):
            return
        lo, hi = self._window.lo[heavy], self._window.hi[heavy]
        entity = self._items.entity[lo]
        drift = np.cumsum(np.abs(np.diff(lo, prepend=lo[0])) + np.abs(np.diff(hi, prepend=hi[0])))
        step = drift // _FRINGE
        cuts = np.flatnonzero((np.diff(entity) != 0) | (np.diff(step) != 0)) + 1
        for probes in np.split(heavy, cuts):
            lo, hi = self._window.lo[probes], self._window.hi[probes]
            core_lo, core_hi = int(lo.max()), int(hi.min())
            fringe = np.concatenate([np.arange(lo.min(), core_lo), np.arange(core_hi, hi.max())])
            yield _Batch(probes, core_lo, core_hi, fringe)

    def _count_around(self, batch: _Batch) -> None:
        items, rows = self._items, len(self._items.following)
        moving = np.unique(items.group[batch.fringe])
        common = self._most_frequent_of(batch, moving)
        probes_at_once = max(1, PAIR_BUDGET // (len(moving) + len(common) + 1))
        for start in range(0, len(batch.probes), probes_at_once):
            probes = batch.probes[start : start + probes_at_once]
            lo, hi = self._window.lo[probes, None], self._window.hi[probes, None]
            last = items.first_position(moving[None, :], hi) - 1
            first = items.first_position(moving[None, :], lo)
            counted = np.where(last >= first, (last - first + 1) * rows + items.order[last], -1)
            ranks = np.concatenate([counted, np.broadcast_to(common, (len(probes), len(common)))], axis=1)
            ranks = _greatest(ranks, self._most)
            probe, position = np.nonzero(ranks >= 0)
            self._entries.append((probes[probe], position, ranks[probe, position] % rows))
            self._counts[probes] = (ranks >= 0).sum(axis=1)

    def _most_frequent_of(self, batch: _Batch, moving: Int64s) -> Int64s:
        """`frequency * rows + newest row` of the core's items that are not in the fringe, the greatest of them."""
        items, rows = self._items, len(self._items.following)
        core = np.arange(batch.core_lo, batch.core_hi, dtype=np.int64)
        newest = core[items.following[core] >= batch.core_hi]
        group = items.group[newest]
        least = int(items.group[core].min(initial=rows))
        frequency = np.bincount(items.group[core] - least)
        ranks = frequency[group - least] * rows + newest
        apart = ~np.isin(group, moving, assume_unique=True)
        common: Int64s = _greatest(ranks[None, apart], self._most)[0]
        return common


def _greatest(ranks: Int64s, most: int) -> Int64s:
    """The `most` greatest of each row of a matrix, the greatest first."""
    if ranks.shape[1] > most:
        ranks = np.partition(ranks, ranks.shape[1] - most, axis=1)[:, -most:]
    return np.sort(ranks, axis=1)[:, ::-1]

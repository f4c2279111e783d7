"""Where the window `[e - W, e)` of each probe begins and ends in the sorted history: e is the time of the probe, or
that rounded down and moved back.

Positions are indices into the history: a window is the half-open range `[lo, hi)` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_pipeline.windows.contract import Probes

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LEAST = -(2**63)
_GREATEST = 2**63 - 1
# Where a probe has more rows of history than these, segments are searched.
_ROWS_PER_PROBE = 16


@dataclass(frozen=True)
class Bounds:
    """The windows of the distinct probes: history rows `lo[i] <= j < hi[i]`, with `lo <= hi`."""

    lo: Int64s
    hi: Int64s

    def __len__(self) -> int:
        return len(self.lo)

    @staticmethod
    def joined(windows: Sequence[Bounds]) -> Bounds:
        """Several windows of the distinct probes, one after another."""
        lo = np.concatenate([window.lo for window in windows])
        return Bounds(lo, np.concatenate([window.hi for window in windows]))


@dataclass(frozen=True)
class DistinctProbes:
    """Each (entity, time) once; `inverse` has the index here for each value of a result, None if it is its own."""

    entity: Int64s
    time: Int64s
    inverse: Int64s | None


@dataclass(frozen=True)
class Segments:
    """The entities of the history in order: their codes and where each begins and ends."""

    codes: Int64s
    begin: Int64s
    end: Int64s

    def ranks(self) -> Int64s:
        """For each history row the index of its entity in `codes`."""
        return np.repeat(np.arange(len(self.codes), dtype=np.int64), self.end - self.begin)


def distinct_probes(probes: Probes) -> DistinctProbes:
    """Merge neighbours that share entity and time, as the rows of one impression list do.

    >>> distinct_probes(Probes(np.array([1, 1, 2]), np.array([5, 5, 5]))).inverse
    array([0, 0, 1])
    """
    entity, time = probes.entity, probes.time
    if not len(entity):
        return DistinctProbes(entity, time, probes.order)
    new = np.concatenate([[True], (entity[1:] != entity[:-1]) | (time[1:] != time[:-1])])
    if new.all():
        return DistinctProbes(entity, time, probes.order)
    return DistinctProbes(entity[new], time[new], probes.ordered(np.cumsum(new, dtype=np.int64) - 1))


def segments_of(entity: Int64s) -> Segments:
    """Cut non-decreasing entity codes into their runs."""
    if not len(entity):
        empty = np.zeros(0, dtype=np.int64)
        return Segments(empty, empty, empty)
    begin = np.concatenate([[0], np.flatnonzero(entity[1:] != entity[:-1]) + 1]).astype(np.int64)
    return Segments(entity[begin], begin, np.append(begin[1:], len(entity)))


class BoundFinder:
    """Finds the bounds of any number of windows over one history and one set of distinct probes.

    Upper bounds are found once for all windows that end alike. Where entity and time fit together in 63 bits and the
    probes are many, they become one sorted key and `np.searchsorted` does the work; elsewhere a binary search runs
    within the segments of all probes at once.
    """

    def __init__(
        self,
        segments: Segments,
        time: Int64s,
        probes: DistinctProbes,
        *,
        packed: bool | None = None,
        span: tuple[int, int] | None = None,
    ) -> None:
        """`time` is the history's, ascending within each segment; `packed` forces one of the two searches.

        All times of the segments lie in the `span`, its ends included, where it is known.
        """
        self._probe_time = probes.time
        self._time = time
        self._segments = segments
        self._span = span
        self._rank, self._known = _rank_among(segments.codes, probes.entity)
        if packed is None:
            # A key for each row takes longer than a few probes take to step.
            packed = len(time) <= _ROWS_PER_PROBE * len(probes.time)
        packed = packed and len(time) > 0 and len(segments.codes) * (int(time.max()) - int(time.min()) + 2) <= _GREATEST
        self._keys = self._key(segments.ranks(), time) if packed else None
        self._ends: dict[tuple[int | None, int], tuple[Int64s, Int64s]] = {}

    def find(self, window: int | None, aligned_to: int | None = None, offset: int = 0) -> Bounds:
        """Bounds of `[e - window, e)`, in the unit of the times; None looks back without end.

        `e` is the time of the probe, rounded down to a whole `aligned_to`, then moved back by `offset`.
        """
        end, hi = self._end(aligned_to, offset)
        since = None if window is None else _earlier(end, window)
        if since is not None:
            return Bounds(self._first_not_before(since), hi)
        begin = np.zeros(len(hi), dtype=np.int64)
        begin[self._known] = self._segments.begin[self._rank[self._known]]
        return Bounds(begin, hi)

    def _end(self, aligned_to: int | None, offset: int) -> tuple[Int64s, Int64s]:
        """The instants at which windows end, and their upper bounds. What int64 does not reach has no row before it."""
        if (aligned_to, offset) not in self._ends:
            end = self._probe_time if aligned_to is None else _rounded_down(self._probe_time, aligned_to)
            moved = _earlier(end, offset)
            end = np.full_like(end, _LEAST) if moved is None else moved
            self._ends[aligned_to, offset] = end, self._first_not_before(end)
        return self._ends[aligned_to, offset]

    def _first_not_before(self, instant: Int64s) -> Int64s:
        """Per probe, the first row of its entity at or after `instant`; 0 for an entity without history."""
        if not len(self._time):
            return np.zeros(len(instant), dtype=np.int64)
        if self._keys is not None:
            rows = np.searchsorted(self._keys, self._key(self._rank, instant), side="left").astype(np.int64, copy=False)
        else:
            rows = self._stepped_to(instant)
        rows[~self._known] = 0
        return rows

    def _stepped_to(self, instant: Int64s) -> Int64s:
        if not len(self._segments.codes):
            return np.zeros(len(instant), dtype=np.int64)
        begin, end = self._segments.begin[self._rank], self._segments.end[self._rank]
        if self._span is not None and len(instant):
            if self._span[1] < int(instant.min()):
                return end
            if self._span[0] >= int(instant.max()):
                return begin
        return search_segments(self._time, begin, end, instant)

    def _key(self, rank: Int64s, instant: Int64s) -> Int64s:
        """Order of (entity, time) in one integer; instants outside the history's span are moved next to it.

        An instant after the last one gets the offset `span + 1`, which no row has and which is still below the stride
        `span + 2`: it sorts behind its entity and before the next one.
        """
        least, greatest = int(self._time.min()), int(self._time.max())
        key = np.clip(instant, least, greatest)
        key -= least
        key += instant > greatest
        key += rank * (greatest - least + 2)
        return key


def _rank_among(codes: Int64s, wanted: Int64s) -> tuple[Int64s, Bools]:
    """The index of each wanted code in the sorted `codes` (0 if absent), and whether it is there."""
    if not len(codes):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
    rank = np.searchsorted(codes, wanted)
    rank[rank == len(codes)] = 0
    known: Bools = codes[rank] == wanted
    rank[~known] = 0
    return rank.astype(np.int64, copy=False), known


def _rounded_down(time: Int64s, grid: int) -> Int64s:
    """The greatest whole number of `grid` that is not after each time, at least the least int64."""
    if grid > _GREATEST:
        return np.where(time < 0, _LEAST, 0).astype(np.int64)
    over = np.mod(time, np.int64(grid))
    rounded: Int64s = np.maximum(time, _LEAST + over) - over
    return rounded


def _earlier(time: Int64s, window: int) -> Int64s | None:
    """`time - window`, at least the least int64; None where every result would be below it."""
    floor = _LEAST + window
    if floor > _GREATEST:
        return None
    # A window can be wider than int64: subtract modulo 2^64, which is exact because the results are in range.
    floored = np.maximum(time, floor).view(np.uint64)
    return (floored - np.uint64(window)).view(np.int64)


def search_segments(time: Int64s, begin: Int64s, end: Int64s, instant: Int64s) -> Int64s:
    """Per probe, the first j in `[begin, end)` with `time[j] >= instant`, else `end`; all probes step together."""
    found = begin.copy()
    open_ = np.flatnonzero(begin < end)
    left = (end - begin)[open_]
    while len(open_):
        at, wanted = found[open_], instant[open_]
        unfinished = len(open_)
        # Those that are done step along, without effect, until they are half of all: to leave them out costs a step.
        while 2 * unfinished > len(open_):
            half = left >> 1
            before = time.take(at + half, mode="clip") < wanted
            before &= left > 0
            step = (half + 1) * before
            at += step
            left -= step
            np.copyto(left, half, where=~before)
            unfinished = int(np.count_nonzero(left))
        found[open_] = at
        some = np.flatnonzero(left)
        open_, left = open_[some], left[some]
    return found

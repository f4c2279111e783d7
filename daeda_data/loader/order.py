"""In which order the rows of an epoch come, and which of them a worker has: whole numbers, and no file.

The unit is a row group of a part. What data, seed, epoch and workers fix is the sequence of rows of each worker,
whatever the size of batches; where a worker stands is one number, the rows that it has given.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# What a stream of random numbers is for; part of what seeds it.
_ROW_GROUPS, _ROWS = 0, 1
# Rows that stand together where none are shuffled: enough that no time is lost between them.
_TOGETHER = 1 << 16


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a part: `part` counts the parts of the data, `number` the row groups of the part."""

    part: int
    number: int
    rows: int
    day: dt.date


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows `first` to `last` (without it) of a row group, counted in that row group."""

    group: RowGroup
    first: int
    last: int

    @property
    def rows(self) -> int:
        """How many they are."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Order:
    """What decides the order: without a seed, rows come as they lie."""

    seed: int | None
    window_rows: int
    epoch: int
    worker: int
    workers: int


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that are read together. With `shuffled` they are permuted by the numbers of this window."""

    number: int
    segments: tuple[Segment, ...]
    shuffled: bool

    @property
    def rows(self) -> int:
        """How many they are."""
        return sum(segment.rows for segment in self.segments)


def share(rows: int, worker: int, workers: int) -> tuple[int, int]:
    """First row and the one behind the last of a worker; shares differ by one row at most.

    >>> [share(10, worker, 4) for worker in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return rows * worker // workers, rows * (worker + 1) // workers


def rows_of_worker(groups: Sequence[RowGroup], order: Order) -> list[Segment]:
    """The rows of a worker in the order in which they are read; all workers together have each row once.

    With a seed the row groups are put in a random order, and a worker has a range of that. Without one a worker has a
    range of each day, so that all workers go through the days side by side.
    """
    if order.seed is not None:
        shuffled = permutation(len(groups), (order.seed, order.epoch, _ROW_GROUPS))
        ordered = [groups[position] for position in shuffled.tolist()]
        first, last = share(sum(group.rows for group in groups), order.worker, order.workers)
        return _cut(ordered, first, last)
    segments, before = [], 0
    for _, of_day in itertools.groupby(groups, key=lambda group: group.day):
        day = list(of_day)
        rows = sum(group.rows for group in day)
        # A worker whose share of the days before was a row too small gets that row of this one.
        first, last = (_dealt(before + rows, workers, order.workers) - _dealt(before, workers, order.workers)
                       for workers in (order.worker, order.worker + 1))  # fmt: skip
        segments += _cut(day, first, last)
        before += rows
    return segments


def windows(segments: Sequence[Segment], order: Order, given: int = 0) -> Iterator[tuple[Window, int]]:
    """What is read together, behind the first `given` rows: each window, and the row in it to begin with."""
    if order.seed is None:
        rest = _cut_segments(segments, given, sum(segment.rows for segment in segments))
        yield from ((Window(number, tuple(part), False), 0) for number, part in enumerate(_together(rest)))
        return
    rows = sum(segment.rows for segment in segments)
    if given >= rows:
        return
    first = given // order.window_rows
    start = first * order.window_rows
    parts = _in_pieces(_cut_segments(segments, start, rows), order.window_rows)
    for number, part in enumerate(parts, first):
        yield Window(number, tuple(part), True), given - start if number == first else 0


def permutation_of(window: Window, order: Order) -> npt.NDArray[np.int64]:
    """Which of the rows of a window comes first, second, …"""
    if order.seed is None:
        raise ValueError("without a seed nothing is shuffled")
    key = (order.seed, order.epoch, _ROWS, order.worker, order.workers, window.number)
    return permutation(window.rows, key)


def permutation(count: int, key: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """A random order of `count` things, the same for the same key on every machine and with every version of numpy.

    The bits of PCG64 are fixed for ever, what numpy makes of them is not: a random number and a position share 64
    bits, which are sorted. Each order is equally likely but for ties among the random numbers, of at least 32 bits.

    >>> permutation(5, (7, 0))
    array([3, 4, 0, 2, 1])
    """
    bits = max(1, (count - 1).bit_length())
    if bits > 32:
        raise ValueError(f"{count:,} rows are more than can be shuffled together")
    random = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    keys = np.asarray(random, dtype=np.uint64)
    keys >>= np.uint64(bits)
    keys <<= np.uint64(bits)
    keys |= np.arange(count, dtype=np.uint64)
    keys.sort()
    keys &= np.uint64((1 << bits) - 1)
    return keys.view(np.int64)


def _dealt(rows: int, first: int, workers: int) -> int:
    """How many of the first `rows` rows the `first` workers have together if rows are dealt one by one.

    >>> [_dealt(5, first, 3) for first in range(4)]
    [0, 2, 4, 5]
    """
    return first * (rows // workers) + min(first, rows % workers)


def _cut(groups: Sequence[RowGroup], first: int, last: int) -> list[Segment]:
    return _cut_segments([Segment(group, 0, group.rows) for group in groups], first, last)


def _cut_segments(segments: Sequence[Segment], first: int, last: int) -> list[Segment]:
    """Rows `first` to `last` (without it) of a sequence of segments."""
    found, before = [], 0
    for segment in segments:
        start = max(first, before) - before + segment.first
        stop = min(last, before + segment.rows) - before + segment.first
        if start < stop:
            found.append(Segment(segment.group, start, stop))
        before += segment.rows
        if before >= last:
            break
    return found


def _in_pieces(segments: Sequence[Segment], rows: int) -> Iterator[list[Segment]]:
    """The same rows, so many at a time."""
    piece: list[Segment] = []
    room = rows
    for segment in segments:
        first = segment.first
        while first < segment.last:
            last = min(segment.last, first + room)
            piece.append(Segment(segment.group, first, last))
            room -= last - first
            first = last
            if not room:
                yield piece
                piece, room = [], rows
    if piece:
        yield piece


def _together(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Neighbours that are read together, a row group that is large by itself."""
    waiting: list[Segment] = []
    rows = 0
    for segment in segments:
        if waiting and rows + segment.rows > _TOGETHER:
            yield waiting
            waiting, rows = [], 0
        waiting.append(segment)
        rows += segment.rows
    if waiting:
        yield waiting

"""How many different items each window has.

Row j is the oldest of its item in `[lo, hi)` exactly when the row of the same item before it lies before `lo`. So the
number of items is that of the rows in `[lo, hi)` whose predecessor is below `lo`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.distinct import Grouped


def distinct_counts(items: Grouped, windows: Sequence[Bounds]) -> list[Int64s]:
    """The number of different items of each window; each window lies within one entity."""
    rows, following = len(items.following), items.following
    before = np.zeros(rows, dtype=np.int64)
    repeated = np.flatnonzero(following < rows)
    # Counted from 1, so that 0 stands for "none".
    before[following[repeated]] = repeated + 1
    every = Bounds.joined(windows)
    # From the beginning of an entity on, a row is the oldest of its item if it has no predecessor at all.
    firsts = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(before == 0, out=firsts[1:])
    counts = firsts[every.hi] - firsts[every.lo]
    begins = np.concatenate([[True], items.entity[1:] != items.entity[:-1], [True]])
    inner = np.flatnonzero((every.lo < every.hi) & ~begins[every.lo])
    if len(inner):
        lo = every.lo[inner]
        counts[inner] = _counts_below(before, rows + 1, Bounds(lo, every.hi[inner]), lo + 1)
    return np.split(counts, np.cumsum([len(window) for window in windows])[:-1])


def _counts_below(values: Int64s, limit: int, window: Bounds, threshold: Int64s) -> Int64s:
    """Per window, how many of `values[lo:hi]` are below its threshold; both are in `[0, limit]`.

    A wavelet matrix (F. Claude and G. Navarro, "The wavelet matrix", SPIRE 2012) that keeps one level at a time: from
    the highest bit down, the values are parted into those whose bit is 0 and those whose bit is 1, each in their
    order, so that every window stays one range. Where the threshold's bit is 1, the zeros of the range are below it,
    and the search goes on among the ones; elsewhere it goes on among the zeros.
    """
    lo, hi = window.lo, window.hi
    counts = np.zeros(len(window), dtype=np.int64)
    zeros_before = np.zeros(len(values) + 1, dtype=np.int64)
    for bit in range(limit.bit_length() - 1, -1, -1):
        zero = (values >> bit) & 1 == 0
        np.cumsum(zero, out=zeros_before[1:])
        zeros = int(zeros_before[-1])
        low, high = zeros_before[lo], zeros_before[hi]
        up = (threshold >> bit) & 1 == 1
        counts += np.where(up, high - low, 0)
        lo = np.where(up, zeros + lo - low, low)
        hi = np.where(up, zeros + hi - high, high)
        values = np.concatenate([values[zero], values[~zero]])
    return counts

"""The value at a rank of each window, in the order of values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.distinct import grouped


def rows_of_quantiles(
    ranks: Int64s, codes: Int64s, windows: Sequence[Bounds], quantiles: Sequence[Decimal]
) -> list[Int64s]:
    """For each pair of windows and a quantile the row of the value at rank ceil(q * n); any row for an empty window.

    Args:
        ranks: of the entities, one per row, non-decreasing.
        codes: of the values, in the order of the values.
        windows: each lies within one entity.
        quantiles: one for each of the windows.
    """
    every = Bounds.joined(windows)
    place = np.concatenate([_place(window.hi - window.lo, q) for window, q in zip(windows, quantiles, strict=True)])
    rows = _selected(_order_within(ranks, codes), every, place)
    return np.split(rows, np.cumsum([len(window) for window in windows])[:-1])


def _place(counts: Int64s, q: Decimal) -> Int64s:
    """The rank ceil(q * n), from 0: in whole numbers, of any size, once for each count that there is."""
    share = Fraction(q)
    different, inverse = np.unique(counts, return_inverse=True)
    places = [max(-(-share.numerator * int(count) // share.denominator) - 1, 0) for count in different]
    result: Int64s = np.array(places, dtype=np.int64)[inverse]
    return result


def _order_within(ranks: Int64s, codes: Int64s) -> Int64s:
    """Small numbers from 0 that are ordered, among the rows of one entity, as the codes are."""
    if not len(codes):
        return codes
    different, dense = np.unique(codes, return_inverse=True)
    groups = grouped(ranks, dense.astype(np.int64, copy=False), len(different))
    number = groups.group
    begins = np.concatenate([[True], ranks[1:] != ranks[:-1]])
    first = np.minimum.reduceat(number, np.flatnonzero(begins))
    smallest: Int64s = number - first[np.cumsum(begins) - 1]
    return smallest


def _selected(values: Int64s, window: Bounds, place: Int64s) -> Int64s:
    """Per window a row of the value that has so many of the window's before it.

    A wavelet matrix, see `distinct_count`: from the highest bit down, a window's values whose bit is 0 come before
    those whose bit is 1. In the end those that are left of a window are equal.
    """
    if not len(values):
        return np.zeros(len(window), dtype=np.int64)
    lo, hi, place = window.lo, window.hi, place.copy()
    rows = np.arange(len(values), dtype=np.int64)
    zeros_before = np.zeros(len(values) + 1, dtype=np.int64)
    for bit in range(int(values.max()).bit_length() - 1, -1, -1):
        zero = (values >> bit) & 1 == 0
        np.cumsum(zero, out=zeros_before[1:])
        zeros = int(zeros_before[-1])
        low, high = zeros_before[lo], zeros_before[hi]
        up = place >= high - low
        place -= np.where(up, high - low, 0)
        lo = np.where(up, zeros + lo - low, low)
        hi = np.where(up, zeros + hi - high, high)
        values = np.concatenate([values[zero], values[~zero]])
        rows = np.concatenate([rows[zero], rows[~zero]])
    found: Int64s = rows[np.minimum(lo, len(rows) - 1)]
    return found

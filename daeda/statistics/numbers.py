"""The summary of numbers that come in chunks: moments, bins and what is not finite, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda.statistics.bins import (
    MANTISSA,
    Doubles,
    Integers,
    added,
    coarsened,
    edges,
    keys_of,
    relative_width,
    shift_for,
    shifted,
)
from daeda.statistics.model import QUANTILES, Histogram, Numbers

# Bins that quantiles are found in, which always leaves one for each power of 2, and bins that are kept.
_BINS_AT_WORK = 4_100
_BINS_KEPT = 128
# Numbers beyond are halved, or doubled, so often before they are added up or squared.
_GREAT, _SMALL, _HALVINGS = 2.0**480, 2.0**-480, 600


class NumberSummary:
    """Takes each value once, in order, with how often it is there."""

    def __init__(self) -> None:
        self._nan = self._below = self._above = self._zeros = 0
        self._moments = _Moments()
        self._sum: int | None = 0
        self._shift = 0
        self._bins: Integers = np.empty(0, np.int64)
        self._counts: Integers = np.empty(0, np.int64)
        self._least, self._greatest = math.inf, -math.inf
        self._rounded = False

    def add(self, values: npt.NDArray[np.generic], counts: Integers) -> None:
        """Count numbers of any type; they are in order, NaN last."""
        doubles = values.astype(np.float64) + 0.0
        finite = np.isfinite(doubles)
        if not finite.all():
            self._nan += int(counts[np.isnan(doubles)].sum())
            self._below += int(counts[doubles == -np.inf].sum())
            self._above += int(counts[doubles == np.inf].sum())
            doubles, counts, values = doubles[finite], counts[finite], values[finite]
        if not len(doubles):
            return
        self._least = min(self._least, float(doubles[0]))
        self._greatest = max(self._greatest, float(doubles[-1]))
        self._zeros += int(counts[doubles == 0.0].sum())
        self._add_sum(values, counts)
        self._moments.add(doubles, counts)
        self._add_bins(doubles, counts)

    def _add_sum(self, values: npt.NDArray[np.generic], counts: Integers) -> None:
        """Whole numbers are added up exactly: the halves of a word times the rows of a chunk fit into a word."""
        if values.dtype.kind not in "iu" or self._sum is None:
            self._sum = None
            return
        self._rounded |= max(abs(int(values[0])), abs(int(values[-1]))) > 2**53
        wide: Any = values if values.dtype == np.uint64 else values.astype(np.int64)
        half = wide.dtype.type(32)
        low, high = (wide & wide.dtype.type(2**32 - 1)).astype(np.int64), (wide >> half).astype(np.int64)
        self._sum += int((low * counts).sum()) + (int((high * counts).sum()) << 32)

    def _add_bins(self, doubles: Doubles, counts: Integers) -> None:
        bins = np.concatenate((self._bins, shifted(keys_of(doubles), self._shift)))
        counts = np.concatenate((self._counts, counts))
        if len(self._bins):
            order = np.argsort(bins, kind="stable")
            bins, counts = bins[order], counts[order]
        bins, counts = added(bins, counts)
        if more := shift_for(bins, self._shift, _BINS_AT_WORK):
            self._shift += more
            bins, counts = added(shifted(bins, more), counts)
        self._bins, self._counts = bins, counts

    @property
    def result(self) -> Numbers:
        """What was found so far."""
        count = int(self._counts.sum())
        if not count:
            return Numbers(nan=self._nan, below=self._below, above=self._above)
        whole = Histogram(self._shift, tuple(self._bins.tolist()), tuple(self._counts.tolist()))
        mean = self._sum / count if self._sum is not None else self._moments.mean
        return Numbers(
            finite=count,
            nan=self._nan,
            below=self._below,
            above=self._above,
            zeros=self._zeros,
            minimum=self._least,
            maximum=self._greatest,
            mean=min(max(mean, self._least), self._greatest),
            deviation=self._moments.deviation,
            quantiles=dict(zip(QUANTILES, self._quantiles(count), strict=True)),
            quantile_error=max(relative_width(self._shift), 2.0 ** -(MANTISSA + 1) if self._rounded else 0.0),
            histogram=coarsened(whole, self._shift + shift_for(self._bins, self._shift, _BINS_KEPT)),
        )

    def _quantiles(self, count: int) -> Sequence[float]:
        """The middle of the bin in which each lies, or the value itself where bins have one value each."""
        ranks = [-(-count * round(float(q) * 100) // 100) for q in QUANTILES]
        places = np.searchsorted(np.cumsum(self._counts), ranks)
        found = []
        for place in places:
            low, high = edges(int(self._bins[place]), self._shift)
            middle = low if low == high else low / 2 + high / 2
            found.append(min(max(middle, self._least), self._greatest))
        return found


class _Moments:
    """Mean and sum of squared differences, merged chunk by chunk (Chan and others), far from overflow and underflow."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = 0.0
        self._halvings = -_HALVINGS

    def add(self, doubles: Doubles, counts: Integers) -> None:
        """Count finite numbers."""
        greatest = max(abs(doubles[0]), abs(doubles[-1]))
        more = (_HALVINGS if greatest > _GREAT else 0 if greatest >= _SMALL else -_HALVINGS) - self._halvings
        if more > 0:
            self._halvings += more
            self._mean, self._squares = math.ldexp(self._mean, -more), math.ldexp(self._squares, -2 * more)
        scaled = np.ldexp(doubles, -self._halvings) if self._halvings else doubles
        count = int(counts.sum())
        weights = counts.astype(np.float64)
        # From the middle of the chunk, so that numbers far from 0 and close to each other keep their differences.
        origin = float(scaled[len(scaled) // 2])
        mean = origin + float(((scaled - origin) * weights).sum()) / count
        squares = float(((scaled - mean) ** 2 * weights).sum())
        total = self._count + count
        difference = mean - self._mean
        self._squares += squares + difference * difference * (self._count * count / total)
        self._mean += difference * (count / total)
        self._count = total

    @property
    def mean(self) -> float:
        """The mean."""
        return math.ldexp(self._mean, self._halvings)

    @property
    def deviation(self) -> float:
        """The standard deviation of the population."""
        return math.ldexp(math.sqrt(self._squares / self._count), self._halvings)

"""How often each value is there, and how many there are, in bounded memory.

Up to _MOST values are counted exactly. Then the rarest are let go by the rule of Misra and Gries, so that each count is
too low by at most `error`, which is known; and the number of values is told by the _SMALLEST least hashes (KMV).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.statistics.hashing import Hashes, hashes_of
from daeda.statistics.model import TOP_VALUES, Distinct, Top
from daeda.statistics.values import as_array, shown

_MOST = 8_192
_SMALLEST = 16_384
_ALL_HASHES = 2.0**64


class Tally:
    """Counts values as they come."""

    def __init__(self, kind: pa.DataType) -> None:
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._counts: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._values: pa.Array = pa.nulls(0, kind)
        self._lost = 0
        self._cut = False
        self._smallest: Hashes = np.empty(0, np.uint64)
        self._estimated = False

    def add(self, values: pa.Array, counts: npt.NDArray[np.int64]) -> None:
        """Count values, each of which stands once here, without NULLs."""
        if not len(values):
            return
        hashes = hashes_of(values)
        self._add_smallest(hashes)
        if len(hashes) > _MOST:
            hashes, counts, chosen = self._most_frequent(hashes, counts)
            values = values.take(as_array(chosen, pa.int64()))
        hashes = np.concatenate((self._hashes, hashes))
        counts = np.concatenate((self._counts, counts))
        hashes, first, place = np.unique(hashes, return_index=True, return_inverse=True)
        summed = np.zeros(len(hashes), np.int64)
        np.add.at(summed, place, counts)
        both = pa.concat_arrays([self._values, values])
        if len(hashes) > _MOST:
            hashes, summed, chosen = self._most_frequent(hashes, summed)
            first = first[chosen]
        self._hashes, self._counts, self._values = hashes, summed, both.take(as_array(first, pa.int64()))

    def _most_frequent(
        self, hashes: Hashes, counts: npt.NDArray[np.int64]
    ) -> tuple[Hashes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Those that stay, and their places: the greatest count that goes is taken off all others."""
        self._cut = True
        lost = int(np.partition(counts, len(counts) - _MOST - 1)[len(counts) - _MOST - 1])
        self._lost += lost
        chosen = np.flatnonzero(counts > lost)
        return hashes[chosen], counts[chosen] - lost, chosen

    def _add_smallest(self, hashes: Hashes) -> None:
        if len(self._smallest) == _SMALLEST:
            hashes = hashes[hashes < self._smallest[-1]]
        if not len(hashes):
            return
        if len(hashes) > 2 * _SMALLEST:
            self._estimated = True
            hashes = np.partition(hashes, _SMALLEST)[:_SMALLEST]
        smallest = np.unique(np.concatenate((self._smallest, hashes)))
        self._estimated |= len(smallest) > _SMALLEST
        self._smallest = smallest[:_SMALLEST]

    @property
    def distinct(self) -> Distinct:
        """How many values there are."""
        found = len(self._smallest)
        if not self._estimated:
            return Distinct(found)
        estimate = (found - 1) / ((float(self._smallest[-1]) + 1.0) / _ALL_HASHES)
        return Distinct(round(estimate), 1 / math.sqrt(found - 2))

    @property
    def top(self) -> Top:
        """The most frequent values; of those that are as frequent, the first ones as text."""
        cut = len(self._counts) - TOP_VALUES
        places = np.arange(len(self._counts))
        if cut > 0:
            places = np.flatnonzero(self._counts >= np.partition(self._counts, cut)[cut])
        texts = [shown(value) for value in self._values.take(as_array(places, pa.int64()))]
        named = sorted(zip(texts, self._counts[places].tolist(), strict=True), key=lambda each: (-each[1], each[0]))
        return Top(tuple(named[:TOP_VALUES]), self._lost, not self._cut and cut <= 0)

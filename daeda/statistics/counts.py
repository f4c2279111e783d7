"""Numbers with how often each is there, put together over many chunks before anything else looks at them.

Chunks of a column mostly have the same numbers: to rank, hash and bin each of them once, and not once a chunk, is most
of what makes statistics cheap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daeda.statistics.bins import Integers

Values = npt.NDArray[np.generic]
# Each number once, in order, NaN last, with how often it is there.
Counted = tuple[Values, Integers]
# So many whole numbers next to each other are counted in a table in any case.
_NARROW = 1 << 16
# Numbers that wait at most to be counted, and about as many different ones; and rows, of which the sums of 32 bits each
# fit into a word.
_MOST_HELD = 1 << 20
_MOST_ROWS = 1 << 30


class Counts:
    """Counts numbers of many chunks at once; what was found is taken when it is full, and in the end."""

    def __init__(self) -> None:
        self._chunks: list[Values] = []
        self._held: Counted | None = None
        self._waiting = self._rows = 0

    def add(self, numbers: Values) -> None:
        """Take a chunk of one type, without NULLs, whose memory stays as it is."""
        self._chunks.append(numbers)
        self._waiting += len(numbers)
        self._rows += len(numbers)

    def full(self) -> bool:
        """Whether it is time to take what there is: for memory, or since no greater sum is exact."""
        if self._waiting <= _MOST_HELD:
            return False
        self._count()
        return (self._held is not None and len(self._held[0]) > _MOST_HELD // 2) or self._rows > _MOST_ROWS

    def taken(self) -> Counted | None:
        """What there is, which is forgotten; None of nothing."""
        self._count()
        found, self._held, self._rows = self._held, None, 0
        return found if found is not None and len(found[0]) else None

    def _count(self) -> None:
        if not self._chunks:
            return
        fresh = counted(self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks))
        self._held = fresh if self._held is None else _together([self._held, fresh])
        self._chunks, self._waiting = [], 0


def counted(numbers: Values) -> Counted:
    """Each number once; -0.0 is 0.0.

    >>> [each.tolist() for each in counted(np.array([3, 1, 3]))]
    [[1, 3], [1, 2]]
    """
    if numbers.dtype.kind in "iu" and len(numbers):
        least, greatest = int(numbers.min()), int(numbers.max())
        if greatest - least < max(_NARROW, 2 * len(numbers)) and greatest < 2**62 and least > -(2**62):
            # Close to each other: they are places of a table, which is faster than to sort them.
            given: Any = numbers
            found = np.bincount(np.subtract(given, least, dtype=np.int64, casting="unsafe"))
            places = np.flatnonzero(found)
            return (places + least).astype(numbers.dtype), found[places].astype(np.int64, copy=False)
    if numbers.dtype.kind == "f":
        positive: Any = numbers
        numbers = positive + numbers.dtype.type(0)
    values, counts = np.unique(numbers, return_counts=True)
    return values, counts.astype(np.int64)


def _together(held: list[Counted]) -> Counted:
    """The sums of several counts."""
    values = np.concatenate([values for values, _ in held])
    counts = np.concatenate([counts for _, counts in held])
    order = np.argsort(values, kind="stable")  # which puts runs that are in order together
    values, counts = values[order], counts[order]
    fresh = np.ones(len(values), bool)
    fresh[1:] = values[1:] != values[:-1]
    if values.dtype.kind == "f":
        nans = np.isnan(values)
        fresh[1:] &= ~(nans[1:] & nans[:-1])
    starts = np.flatnonzero(fresh)
    return values[starts], np.add.reduceat(counts, starts) if len(starts) else counts

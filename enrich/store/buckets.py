"""Where integers are among sorted ones, found through buckets of their leading bits: a tenth of a binary search's time.

    keys 3, 10, 17, 24 in buckets of 8      starts 0 1 2 3 4      17 - 3 = 14 is in bucket 1, which begins at position 1

A number is compared with the keys of its bucket one after another. There are about twice as many buckets as keys, so
most numbers are compared once, whether the keys are counted up or hashed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from enrich.arrays import ABSENT, Integers, Positions
from enrich.store.sorting import position_type

# Keys in the fullest bucket, above which they lie too unevenly: a binary search is used then.
MOST_IN_BUCKET = 16


@dataclass(frozen=True, eq=False)
class Buckets:
    """An index of ascending, distinct keys, at least one. Bucket b holds the keys from position `starts[b]` on."""

    keys: Integers
    shift: int
    starts: npt.NDArray[np.int32] | Positions

    @classmethod
    def of(cls, keys: Integers) -> Buckets | None:
        """The index of the keys; None where they lie too unevenly."""
        distances = _distances(keys, keys)
        shift = max(0, int(distances[-1]).bit_length() - len(keys).bit_length() - 1)
        counts = np.bincount((distances >> np.uint64(shift)).view(np.int64))
        if counts.max() > MOST_IN_BUCKET:
            return None
        starts = np.zeros(len(counts) + 1, position_type(len(keys)))
        np.cumsum(counts, out=starts[1:])
        return cls(keys, shift, starts)

    def find(self, numbers: Integers) -> Positions:
        """The position of each number, which is of the type of the keys, -1 for none."""
        distances = _distances(numbers, self.keys)
        # One below the lowest key is far above the highest, modulo 2^64.
        last = np.uint64(len(self.starts) - 2)
        bucket = np.minimum(distances >> np.uint64(self.shift), last).view(np.int64)
        at, end = self.starts[bucket], self.starts[bucket + 1]
        # A bucket without keys may begin past the last of them.
        hits = self.keys[np.minimum(at, len(self.keys) - 1)] == numbers
        positions: Positions = np.where(hits, at, ABSENT).astype(np.int64)
        left = np.flatnonzero(~hits & (at + 1 < end))
        # The second and further keys of their buckets, for the numbers that are left.
        step = 1
        while len(left):
            at = self.starts[bucket[left]] + step
            hits = self.keys[at] == numbers[left]
            positions[left[hits]] = at[hits]
            step += 1
            left = left[~hits & (at + 1 < self.starts[bucket[left] + 1])]
        return positions


def _distances(numbers: Integers, keys: Integers) -> npt.NDArray[np.uint64]:
    """How far numbers are from the lowest key, modulo 2^64."""
    low = np.uint64(int(keys[0]) % 2**64)
    distances: npt.NDArray[np.uint64] = numbers.view(np.uint64) - low
    return distances

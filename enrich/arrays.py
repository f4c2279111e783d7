"""The arrays of the enrichment: positions of vectors, integer ids, vectors as they are kept, and as they are added."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int64] | npt.NDArray[np.uint64]
Halves = npt.NDArray[np.float16]
Singles = npt.NDArray[np.float32]

# A position that says: the store has no vector.
ABSENT = -1

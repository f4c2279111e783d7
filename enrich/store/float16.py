"""Vectors of a store as float16, with the first that cannot be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enrich.arrays import Halves

OVERFLOW = "and float16, in which vectors are loaded, ends at 65504; scale the vectors of the store"
PARTLY_NULL = "has elements that are NULL; write a number for each, or NULL for the whole vector"


def cast_block(column: pa.FixedSizeListArray, matrix: Halves, present: npt.NDArray[np.bool_]) -> tuple[int, str] | None:
    """Fill `matrix` and `present` with one batch of vectors; the first row that is no vector of float16, and why."""
    size = column.type.list_size
    elements = column.values.slice(column.offset * size, len(column) * size)
    # The buffer holds something for NULLs too, which no conversion through pyarrow would leave in place.
    raw = np.frombuffer(elements.buffers()[1], elements.type.to_pandas_dtype())
    source = raw[elements.offset : elements.offset + len(elements)].reshape(len(column), size)
    present[:] = column.is_valid().to_numpy(zero_copy_only=False)
    if elements.null_count:
        whole = elements.is_valid().to_numpy(zero_copy_only=False).reshape(source.shape).all(axis=1)
        if (present & ~whole).any():
            return int(np.flatnonzero(present & ~whole)[0]), PARTLY_NULL
    # Overflow is looked for below, where it can be told from an infinity of the store; NULLs hold any bits.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        matrix[:] = source
    if not present.all():
        matrix[~present] = 0
    if source.dtype == np.float16:
        return None
    infinite = np.isinf(matrix)
    if not infinite.any() or not (infinite & np.isfinite(source)).any():
        return None
    row, element = np.argwhere(infinite & np.isfinite(source))[0].tolist()
    return row, f"holds {source[row, element]:g}, {OVERFLOW}"

"""Columns of Arrow as one array each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import Int64s

# Text of a column that is one array has to fit Arrow's offsets.
MOST_BYTES = (1 << 31) - 1


def numbers(column: pa.ChunkedArray) -> Int64s:
    """A column of integers without NULLs as one array."""
    return np.ascontiguousarray(column.to_numpy(), dtype=np.int64)


def combined(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; where it has one chunk, that one, mapped or not: `combine_chunks` would copy it."""
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)

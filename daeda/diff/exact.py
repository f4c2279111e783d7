"""Whether all values of a column are exact in the type in which they are compared with those of another type.

Bounds in the footers tell it, so nothing is read for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.diff.values import is_list

# Whole numbers up to here are doubles, each of them.
_MOST_IN_A_DOUBLE = 2**53
_MOST_NANOS = 2**63 - 1
_NANOS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


def all_exact(paths: Sequence[Path], column: str, own: pa.DataType, common: pa.DataType) -> bool:
    """Whether the values of a column of Parquet files, which are of the type `own`, are exact in the type `common`."""
    own, common = _leaf(own), _leaf(common)
    if pa.types.is_integer(own) and pa.types.is_floating(common):
        factor, most = 1, _MOST_IN_A_DOUBLE
    elif pa.types.is_timestamp(own) and own.unit != common.unit:
        factor, most = _NANOS[own.unit] // _NANOS[common.unit], _MOST_NANOS
    else:
        return True
    return all(abs(bound) * factor <= most for path in paths for bound in _bounds(path, column))


def _leaf(dtype: pa.DataType) -> pa.DataType:
    while is_list(dtype):
        dtype = dtype.value_type
    return dtype


def _bounds(path: Path, column: str) -> Iterator[float]:
    """The least and the greatest value of each group of rows; infinity where a footer does not tell them."""
    footer = pq.read_metadata(path)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for place in range(group.num_columns):
            chunk = group.column(place)
            if chunk.path_in_schema.partition(".")[0] != column:
                continue
            found = chunk.statistics
            if found is not None and found.has_min_max:
                yield from (_number(found.min_raw), _number(found.max_raw))
            elif found is None or found.null_count != chunk.num_values:
                yield float("inf")


def _number(raw: object) -> float:
    return raw if isinstance(raw, int) else float("inf")

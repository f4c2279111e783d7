"""Which types columns of Arrow have in pandas: no whole number becomes a rounded double."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def mapper_of(pandas: Any, table: pa.Table) -> Callable[[pa.DataType], Any]:
    """The type of pandas for one of Arrow in this table; None for what pandas makes of it by itself.

    Numpy has no list of whole numbers with NULL among them: where a column has one, its type stays Arrow's. So do lists
    of structs: a dictionary for each of millions of entries would take gigabytes.
    """
    nullable = _nullable(pandas)
    stay = {column.type for column in table.columns if _has_structs(column.type) or _has_null_among_integers(column)}
    return lambda dtype: pandas.ArrowDtype(dtype) if dtype in stay else nullable.get(dtype)


def _is_list(dtype: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(dtype) for is_list in lists)


def _has_structs(dtype: pa.DataType) -> bool:
    return pa.types.is_struct(dtype) or (_is_list(dtype) and _has_structs(dtype.value_type))


def _has_null_among_integers(column: pa.ChunkedArray) -> bool:
    """Whether lists of the column, or those within its lists, have whole numbers and NULL."""
    dtype, items = column.type, column
    while _is_list(dtype):
        dtype, items = dtype.value_type, pc.list_flatten(items)
    return items is not column and pa.types.is_integer(dtype) and items.null_count > 0


def _nullable(pandas: Any) -> dict[pa.DataType, Any]:
    """The types of pandas that hold NULL without becoming floats or objects."""
    return {
        pa.bool_(): pandas.BooleanDtype(),
        pa.int8(): pandas.Int8Dtype(),
        pa.int16(): pandas.Int16Dtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.int64(): pandas.Int64Dtype(),
        pa.uint8(): pandas.UInt8Dtype(),
        pa.uint16(): pandas.UInt16Dtype(),
        pa.uint32(): pandas.UInt32Dtype(),
        pa.uint64(): pandas.UInt64Dtype(),
    }

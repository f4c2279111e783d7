"""Training data as a frame of pandas, all of it in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import InputError, UsageError, cut, first_line
from daeda.process.extras import require
from daeda_data.readers.arrow import as_arrow

if TYPE_CHECKING:
    from daeda_data.published_data import PublishedData

_EXACT = 2**53


def as_pandas(data: PublishedData, dtype_backend: str) -> Any:
    """The rows as columns of Arrow types, or of numpy's."""
    require("pandas frames")
    import pandas as pd

    if dtype_backend not in ("pyarrow", "numpy"):
        raise UsageError(f'dtype_backend= is "pyarrow" or "numpy", not {cut(repr(dtype_backend))}')
    try:
        table = as_arrow(data).to_table()
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"a part is damaged ({first_line(error)}): verify=True says which, build its day again"
        ) from error
    if dtype_backend == "pyarrow":
        return table.to_pandas(types_mapper=pd.ArrowDtype)
    for field in table.schema:
        _refuse_rounding(field.name, table.column(field.name))
    return table.to_pandas()


def _refuse_rounding(name: str, column: pa.ChunkedArray) -> None:
    """Integers with NULLs become double in pandas, which has no room for some, in lists and in structs as well."""
    dtype = column.type
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        _refuse_rounding(name, pc.list_flatten(column))
    elif pa.types.is_struct(dtype):
        for number, field in enumerate(dtype):
            # As pandas takes them: the values of a field below a struct that is NULL are among them.
            values = pa.chunked_array([chunk.field(number) for chunk in column.chunks], field.type)
            _refuse_rounding(f"{name}.{field.name}", values)
    elif pa.types.is_integer(dtype) and column.null_count:
        bounds = pc.min_max(column)
        if any(abs(bound.as_py() or 0) > _EXACT for bound in (bounds["min"], bounds["max"])):
            raise InputError(
                f"'{name}' has NULLs and integers beyond 2**53, which numpy's double would round: read it with "
                'dtype_backend="pyarrow"'
            )

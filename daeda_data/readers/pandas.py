"""Training data as a frame of pandas, all of it in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import InputError, UsageError, cut
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
    table = as_arrow(data).to_table()
    if dtype_backend == "pyarrow":
        return table.to_pandas(types_mapper=pd.ArrowDtype)
    for field in table.schema:
        _refuse_rounding(field, table.column(field.name))
    return table.to_pandas()


def _refuse_rounding(field: pa.Field, column: pa.ChunkedArray) -> None:
    """An integer column with NULLs becomes double in pandas, which has no room for some integers."""
    if not pa.types.is_integer(field.type) or not column.null_count:
        return
    bounds = pc.min_max(column)
    if any(abs(bound.as_py() or 0) > _EXACT for bound in (bounds["min"], bounds["max"])):
        raise InputError(
            f"'{field.name}' has NULLs and integers beyond 2**53, which numpy's double would round: read it with "
            'dtype_backend="pyarrow"'
        )

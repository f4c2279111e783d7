"""Training data: published days as one table, and what opens it in each library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from daeda.process.interrupts import kept
from daeda_data.batched_data import BatchedData

if TYPE_CHECKING:
    import polars as pl


class TrainingData(BatchedData):
    """Published days of one version of a service, in the order of days, parts and rows; made by `daeda.dataset`.

    It is what was there when it was made. A day that is built again afterwards is not read as if it were the same one:
    `arrow`, `pandas` and `huggingface` raise ChangedMeanwhile at its first part, and `daeda.dataset(...)` has it anew.
    Polars and DuckDB open files by their paths, and read what is there then.
    """

    def arrow(self) -> Any:
        """A `pyarrow.dataset.Dataset` of `schema`, which reads columns and days as they are asked for.

        Rows come in order from `to_table`, `to_batches` and `head`. A filter on the column of the day opens the parts
        of these days alone.
        """
        from daeda_data.readers.arrow import as_arrow

        with kept():
            return as_arrow(self)

    def polars(self) -> pl.LazyFrame:
        """A `polars.LazyFrame`; float16 elements stay what they are. Needs the extra `polars`."""
        from daeda_data.readers.polars import as_polars

        with kept():
            return as_polars(self)

    def duckdb(self, connection: Any = None) -> Any:
        """A `duckdb.DuckDBPyRelation` over the parts, on a connection of yours or on DuckDB's default one.

        DuckDB has no float16: elements of vectors are FLOAT there, which holds each of them exactly.
        """
        from daeda_data.readers.duckdb import as_duckdb

        with kept():
            return as_duckdb(self, connection)

    def pandas(self, dtype_backend: Literal["pyarrow", "numpy"] = "pyarrow") -> Any:
        """A `pandas.DataFrame` with all rows in memory.

        Columns are of Arrow types, as `pandas.read_parquet(..., dtype_backend="pyarrow")` has them. With `"numpy"` they
        are what pandas makes of them without that, where an integer column with NULLs becomes double, and one with a
        NULL and an integer beyond 2**53 is refused.
        """
        from daeda_data.readers.pandas import as_pandas

        with kept():
            return as_pandas(self, dtype_backend)

    def huggingface(self) -> Any:
        """A streaming `datasets.IterableDataset`, a shard for each part. Needs the extra `huggingface`."""
        from daeda_data.readers.huggingface import as_huggingface

        with kept():
            return as_huggingface(self)

    def __repr__(self) -> str:
        from daeda_data.shown import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from daeda_data.shown import as_html

        return as_html(self)

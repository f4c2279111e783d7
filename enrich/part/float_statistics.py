"""What a footer may say of columns of floating point: least and greatest value where no NaN is, the number of NULLs.

pyarrow passes over NaN and writes the bounds of the numbers beside it. In DuckDB, and in every order in which NaN is
ordered, it lies outside of them, so that readers that prune by the footer lose its rows: `x = 'nan'` and `x > 'inf'`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from daeda.dataset.thrift import BINARY, I64, TRUE, Struct


@dataclass(frozen=True)
class FloatStatistics:
    """Of one column of one row group: its NULLs, as pyarrow counts them, and the bounds as Parquet stores them."""

    nulls: int
    least: bytes | None
    greatest: bytes | None

    @property
    def statistics(self) -> Struct:
        """The `Statistics` of a footer."""
        fields: Struct = {3: (I64, self.nulls)}
        if self.least is not None and self.greatest is not None:
            fields |= {5: (BINARY, self.greatest), 6: (BINARY, self.least), 7: (TRUE, True), 8: (TRUE, True)}
        return fields


def float_leaves(schema: pa.Schema) -> Iterator[int]:
    """The numbers of the columns of floating point, as Parquet counts columns: those in lists and structs apart."""
    kinds = (leaf for field in schema for leaf in _types_in(field.type))
    return (number for number, kind in enumerate(kinds) if pa.types.is_floating(kind))


def float_statistics(rows: pa.Table) -> dict[int, FloatStatistics]:
    """The statistics of all columns of floating point of some rows, by the number of the column."""
    leaves = (leaf for column in rows.columns for leaf in _leaves_in(column.combine_chunks()))
    return {number: _statistics(leaf) for number, leaf in enumerate(leaves) if pa.types.is_floating(leaf.type)}


def _types_in(kind: pa.DataType) -> Iterator[pa.DataType]:
    if pa.types.is_nested(kind):
        for number in range(kind.num_fields):
            yield from _types_in(kind.field(number).type)
    else:
        yield kind


def _leaves_in(values: pa.Array) -> Iterator[pa.Array]:
    """The values of the columns that Parquet makes of an array. What lies behind a NULL is NULL."""
    if pa.types.is_struct(values.type):
        for field in values.flatten():
            yield from _leaves_in(field)
    elif pa.types.is_nested(values.type):
        yield from _leaves_in(values.flatten())
    else:
        yield values


def _statistics(leaf: pa.Array) -> FloatStatistics:
    known = leaf.drop_null().to_numpy(zero_copy_only=False)
    if not len(known) or np.isnan(known.min()):
        return FloatStatistics(leaf.null_count, None, None)
    # Zeros of both signs are equal: the bounds take them all in, as the format wants it.
    least, greatest = known.min() or -0.0, known.max() or 0.0
    little = known.dtype.newbyteorder("<")
    return FloatStatistics(leaf.null_count, np.asarray(least, little).tobytes(), np.asarray(greatest, little).tobytes())

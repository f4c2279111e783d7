"""Parquet: groups of rows, read a batch at a time in the types of the file; the number of a row stands for its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dtypes import describe_arrow
from daeda.errors import InputError, first_line, refusal
from daeda.importing.blocks import Block, most_rows
from daeda.importing.spark_times import INT96, SparkTimes, int96_names, unreadable


class ParquetRows:
    """A Parquet file. `typed` has the type of each column as our names have it, or Arrow's where we have none."""

    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    optional = False
    nulls: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        with _opened(path) as file:
            schema, spark = file.schema_arrow, int96_names(file)
            self._rows = file.metadata.num_rows
        self.names: Sequence[str] = schema.names
        self.typed: Sequence[str] | None = [
            describe_arrow(column.type).replace("halffloat", "float") if column.name not in spark
            else INT96 if pa.types.is_timestamp(column.type)
            else str(column.type).replace("timestamp[us]", INT96)
            for column in schema
        ]  # fmt: skip

    def blocks(self, picked: Sequence[int], lists: Sequence[bool], start: int = 0) -> Iterator[Block]:
        """The rows behind a row, in blocks; groups of rows that lie before it are not read."""
        assert self.typed is not None
        names = [self.names[number] for number in picked]
        with _opened(self._path) as file:
            groups, passed = list(range(file.num_row_groups)), 0
            while groups and passed + file.metadata.row_group(groups[0]).num_rows <= start:
                passed += file.metadata.row_group(groups.pop(0)).num_rows
            number = passed
            times = [name for name, place in zip(names, picked, strict=True) if self.typed[place] == INT96]
            try:
                spark = SparkTimes(self._path, times, groups) if times else None
                for batch in file.iter_batches(most_rows(len(picked)), groups, columns=names):
                    skipped = max(0, start - number)
                    taken = batch.slice(skipped)
                    whole = spark.take(len(batch)) if spark is not None and len(batch) else {}
                    number += len(batch)
                    if len(taken):
                        lines = pa.array(range(number - len(taken) + 1, number + 1), pa.int64())
                        columns = tuple(
                            whole[name].slice(skipped) if name in whole else _plain(taken.column(name))
                            for name in names
                        )
                        yield Block(columns, lines, (), number, number / self._rows)
            except (OSError, pa.ArrowException) as error:
                raise unreadable(self._path, error) from error


def _plain(column: pa.Array) -> pa.Array:
    """Without a dictionary, instants without their zone, which DuckDB would cut at the microsecond, and wider halves.

    DuckDB takes no half floats from Arrow; as floats they are the same numbers.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp(column.type.unit))
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if "halffloat" in str(column.type):
        return column.cast(pa.list_(pa.float32()))
    return column


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
    except pa.ArrowException as error:
        raise InputError(f"{path}: it is no readable Parquet file ({first_line(error)})") from error
    except OSError as error:
        raise InputError(refusal(error)) from error

"""What a footer says of the columns that a view declares: each is there once, by its very name, in its type.

DuckDB folds the case of ASCII letters in names, and numbers columns that it cannot tell apart then: `x`, `X`, `x`
become `x`, `X_1`, `x_2`. Whoever reads such a file by name may get another column: names that this touches are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dtypes import DType, describe_arrow, is_known
from daeda.errors import did_you_mean
from daeda.operators.relational import Scan, ScanColumn
from daeda.storage.parquet import open_parquet
from daeda.storage.state import FileState

Mistake = tuple[str, str]
INT96 = "INT96"
_INT96_TYPES = ("timestamp[ns]", "timestamp[us]")
# The last microsecond that nanoseconds reach, on either side of 1970.
_NANOSECONDS_REACH = (2**63 - 1) // 1000


class _Footer:
    """What the footer of a file says of its columns; pyarrow makes it anew whenever it is asked."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self.schema: pa.Schema = file.schema_arrow
        self.names = tuple(self.schema.names)
        self._stored = file.schema
        self._int96: dict[str, bool] = {}

    @cached_property
    def _leaves(self) -> list[int]:
        return list(accumulate((_leaves(kind) for kind in self.schema.types), initial=0))

    def leaf_of(self, source: str) -> int:
        return self._leaves[self.names.index(source)]

    def is_int96(self, source: str) -> bool:
        if source not in self._int96:
            self._int96[source] = str(self._stored.column(self.leaf_of(source)).physical_type) == INT96
        return self._int96[source]


_footers: WeakKeyDictionary[pq.ParquetFile, _Footer] = WeakKeyDictionary()


def _footer_of(file: pq.ParquetFile) -> _Footer:
    footer = _footers.get(file)
    if footer is None:
        footer = _footers[file] = _Footer(file)
    return footer


def check_columns(scan: Scan, path: str, file: pq.ParquetFile, version: FileState | None) -> list[Mistake]:
    """The kinds of mistakes in the columns of a file that is open, each with its sentence."""
    mistakes: list[Mistake] = []
    for column in scan.columns:
        mistake = _check_column(scan, column, path, file)
        if mistake is None and is_int96(file, column.source):
            mistake = _check_int96(scan, column, path, version)
        mistakes += [mistake] if mistake is not None else []
    return mistakes


def check_unread(scan: Scan, unread: Sequence[ScanColumn], path: str, file: pq.ParquetFile) -> list[Mistake]:
    """The same for fields of the Scan's view that nothing reads, by the footer alone."""
    mistakes = (_check_column(scan, column, path, file) for column in unread)
    return [mistake for mistake in mistakes if mistake is not None]


def name_mistake(source: str, names: Sequence[str]) -> str | None:
    """Why a column cannot be read by its name from a file or table of these columns; None where it can.

    >>> name_mistake("amount", ["Amount", "amount"])
    "has the columns 'Amount' and 'amount', which DuckDB does not tell apart: leave one of them out, or rename it"
    """
    return _name_mistake(source, tuple(names))


@lru_cache(maxsize=1024)
def _name_mistake(source: str, names: tuple[str, ...]) -> str | None:
    # Most files of a view have the columns of the one before.
    if source not in names:
        return f"has no column '{source}'"
    if names.count(source) > 1:
        return f"has the column '{source}' twice: keep one of them, or rename one"
    alike = [name for name in names if folded(name) == folded(source)]
    if len(alike) > 1:
        both = " and ".join(f"'{name}'" for name in alike)
        return f"has the columns {both}, which DuckDB does not tell apart: leave one of them out, or rename it"
    bare = folded(re.sub(r"(_\d+)+$", "", source))
    numbered = [name for name in names if folded(name) == bare]
    if len(numbered) > 1:
        both = " and ".join(f"'{name}'" for name in numbered)
        return f"has the columns {both}, and DuckDB names one of them like '{source}': leave one out, or rename it"
    return None


def folded(name: str) -> str:
    """The name as DuckDB compares it: ASCII letters in lower case, all others as they are.

    >>> folded("Ämount")
    'Ämount'
    """
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def leaf_of(file: pq.ParquetFile, source: str) -> int:
    """The number of a column in a group of rows, where lists and structs count by their leaves; of a list, its item."""
    return _footer_of(file).leaf_of(source)


def is_int96(file: pq.ParquetFile, source: str) -> bool:
    """Whether a column holds times as Spark and Impala write them."""
    return _footer_of(file).is_int96(source)


def finest_int96(scan: Scan, file: pq.ParquetFile) -> frozenset[str]:
    """The columns in nanoseconds that a file holds as INT96, which DuckDB reads in microseconds."""
    in_nanoseconds = (column.source for column in scan.columns if _item(column.dtype).name == "timestamp[ns]")
    names = _footer_of(file).names
    return frozenset(source for source in in_nanoseconds if source in names and is_int96(file, source))


def mixed_times(scan: Scan, int96: Mapping[str, frozenset[str]]) -> Mistake | None:
    """Times that some of the files, by path, hold as INT96 (`finest_int96`), and others as nanoseconds.

    DuckDB reads all files of a list in the type of the first one: digits of the others would be cut.
    """
    for source in sorted(frozenset().union(*int96.values())):
        spark = next(path for path, columns in int96.items() if source in columns)
        other = next((path for path, columns in int96.items() if source not in columns), None)
        if other is not None:
            return f"mixed {source}", (
                f"view '{scan.view}': the column '{source}' is {INT96} in {spark}, as Spark writes it, and "
                f"TIMESTAMP(NANOS) in {other}, and DuckDB reads both in one unit: write all files alike"
            )
    return None


def _leaves(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    if pa.types.is_nested(kind):
        return sum(_leaves(kind.field(index).type) for index in range(kind.num_fields))
    return 1


def _check_column(scan: Scan, column: ScanColumn, path: str, file: pq.ParquetFile) -> Mistake | None:
    footer = _footer_of(file)
    schema, names = footer.schema, footer.names
    mapped = "" if column.source == column.name else f" (field '{column.name}')"
    mistake = _name_mistake(column.source, names)
    if column.source not in names:
        return f"missing {column.source}", (
            f"view '{scan.view}': {path} {mistake}{mapped}: "
            f"{did_you_mean(column.source, names)}; correct fields or field_mapping of the view"
        )
    if mistake is not None:
        return f"name {column.source}", f"view '{scan.view}': {path} {mistake}"
    stored = describe_arrow(schema.field(column.source).type)
    if stored == column.dtype.name or (is_int96(file, column.source) and _item(column.dtype).name in _INT96_TYPES):
        return None
    todo = "correct the view or the file"
    if is_int96(file, column.source):
        todo = f"its times are {INT96}, as Spark writes them: declare {' or '.join(_INT96_TYPES)}"
    elif not is_known(stored):
        todo = f"daeda does not read {stored}, so write the column as {column.dtype}, or leave the field out"
    return f"type {column.source}", (
        f"view '{scan.view}': in {path} the column '{column.source}'{mapped} is {stored}, "
        f"and the view declares {column.dtype}: {todo}"
    )


def _item(dtype: DType) -> DType:
    return dtype if dtype.item is None else _item(dtype.item)


def _check_int96(scan: Scan, column: ScanColumn, path: str, version: FileState | None) -> Mistake | None:
    """DuckDB reads INT96 in microseconds: refused where that loses digits, or where nanoseconds do not reach.

    The column is read twice, in units that wrap around alike, so that a difference is a digit below the microsecond.
    """
    import pyarrow.compute as pc

    what = f"view '{scan.view}': in {path} the column '{column.source}' is {INT96}, as Spark writes it, with"
    with open_parquet(path, version) as fine, open_parquet(path, version, int96="us") as coarse:
        for ns, us in zip(_times(fine, column.source), _times(coarse, column.source), strict=True):
            if pc.any(pc.not_equal(ns, pc.multiply(us, 1000))).as_py():
                return f"digits {column.source}", (
                    f"{what} digits below the microsecond, which DuckDB does not read: write TIMESTAMP(NANOS) and "
                    "declare timestamp[ns], or write microseconds (spark.sql.parquet.outputTimestampType: "
                    "TIMESTAMP_MICROS) and declare timestamp[us]"
                )
            beyond = pc.or_(pc.less(us, -_NANOSECONDS_REACH), pc.greater(us, _NANOSECONDS_REACH))
            if _item(column.dtype).name == "timestamp[ns]" and pc.any(beyond).as_py():
                return f"reach {column.source}", (
                    f"{what} times before 1677 or after 2262, where timestamp[ns] does not reach: declare timestamp[us]"
                )
    return None


def _times(file: pq.ParquetFile, source: str) -> Iterator[pa.Int64Array]:
    """The times of a column or of its lists, without NULLs, group by group."""
    for group in range(file.num_row_groups):
        values = file.read_row_group(group, columns=[source]).column(source)
        for chunk in values.chunks:
            while pa.types.is_nested(chunk.type):
                chunk = chunk.flatten()
            yield chunk.drop_null().cast(pa.int64())

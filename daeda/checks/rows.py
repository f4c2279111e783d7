"""What checks ask of the rows of one day: how many rows break them, and which is the first, from the parts alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from daeda.dtypes import DType
from daeda.errors import cut
from daeda.settings.checks import Check
from daeda.sql.files import file_list
from daeda.sql.handle import PLACE, column, read_parquet
from daeda.sql.literal import literal
from daeda.statistics.values import shown
from daeda.storage.parquet import open_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = "__number"


@dataclass(frozen=True)
class Broken:
    """So many rows break a check; `row` tells the first of them, `value` what it has."""

    count: int
    row: str = ""
    value: str = ""


@dataclass(frozen=True)
class Rows:
    """The rows of a day in its parts, of which each has its number of rows beside it.

    `connect` opens a connection that reaches the parts. `labels` are columns that tell a row from others.
    """

    parts: Sequence[tuple[str, int]]
    types: Mapping[str, str]
    labels: tuple[str, ...]
    connect: Callable[[], duckdb.DuckDBPyConnection]

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self.connect()

    def outside(self, check: Check) -> Broken:
        """The rows whose value is not between the ends of a check, or not among its values; NULL is."""
        name = check.column or ""
        dtype, value = DType.parse(self.types[name]), column(name)
        if check.between is not None:
            low, high = (literal(end, dtype) for end in check.between)
            broken: exp.Expr = exp.or_(
                exp.LT(this=value.copy(), expression=low), exp.GT(this=value.copy(), expression=high)
            )
        else:
            known = [literal(each, dtype) for each in check.among or ()]
            broken = exp.Not(this=exp.In(this=value.copy(), expressions=known))
        if dtype.is_float and not _has_nan(check.among or ()):
            # Bounds in footers leave NaN out, and DuckDB passes over groups of rows by them: it has to be asked for.
            broken = exp.or_(broken, exp.IsNan(this=value.copy()))
        # A column that is called so hides the numbers of rows: which is the first is not told then.
        numbered = PLACE not in map(str.lower, self.types)
        place = exp.Min(this=column(PLACE)) if numbered else exp.Literal.number(-1)
        count, first = 0, None
        for number, (path, _) in enumerate(self.parts):
            read = read_parquet(file_list([path]), numbered=numbered)
            query = exp.select(exp.Count(this=exp.Star()), place.copy()).from_(read).where(broken.copy())
            found, at = self._one(query)
            if found and first is None:
                first = (number, at)
            count += found
        if first is None or not numbered:
            return Broken(count)
        return Broken(count, *self._row(*first, name))

    def repeated(self, names: tuple[str, ...]) -> Broken:
        """The rows that have the same in all columns as a row before them; NULLs are the same."""
        keys = [column(name) for name in names]
        paths = [path for path, _ in self.parts]
        groups = (
            exp.select(*(key.copy() for key in keys), exp.alias_(exp.Count(this=exp.Star()), _NUMBER, quoted=True))
            .from_(read_parquet(file_list(paths)))
            .group_by(*(key.copy() for key in keys))
            .having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
            .subquery("g")
        )
        more = exp.Sub(this=column(_NUMBER), expression=exp.Literal.number(1))
        (count,) = self._one(exp.select(exp.Sum(this=more)).from_(groups.copy()))
        if not count:
            return Broken(0)
        query = (
            exp.select(*keys)
            .from_(groups)
            .order_by(*(exp.Ordered(this=key.copy(), nulls_first=True) for key in keys))
            .limit(1)
        )
        first = self._connection.execute(query.sql("duckdb")).to_arrow_table()
        told = (_labelled(name, value) for name, value in zip(names, first.columns, strict=True))
        return Broken(int(count), ", ".join(told))

    def without_value(self, name: str, count: int) -> Broken:
        """The rows that are NULL in a column, of which there are so many."""
        import pyarrow.compute as pc

        for number, (path, _) in enumerate(self.parts):
            place = 0
            with open_parquet(path) as file:
                for batch in file.iter_batches(columns=[name]):
                    at = pc.index(pc.is_null(batch.column(0)), True).as_py()
                    if at >= 0:
                        return Broken(count, self._row(number, place + at, name)[0])
                    place += batch.num_rows
        return Broken(count)

    def _row(self, part: int, place: int, name: str) -> tuple[str, str]:
        """A row by its number in a part: `row 17 (user_id 3)`, and what it has in a column."""
        path = self.parts[part][0]
        labels = [label for label in self.labels if label in self.types and label != name]
        with open_parquet(path) as file:
            passed = 0
            for batch in file.iter_batches(columns=[*labels, name]):
                if place < passed + batch.num_rows:
                    row = batch.slice(place - passed, 1)
                    break
                passed += batch.num_rows
        told = ", ".join(_labelled(label, row.column(label)) for label in labels)
        number = sum(rows for _, rows in self.parts[:part]) + place
        return f"row {number}{f' ({told})' if told else ''}", _said(row.column(name))

    def _one(self, query: exp.Select) -> tuple[int, ...]:
        answer = self._connection.execute(query.sql("duckdb")).fetchone()
        assert answer is not None
        return answer


def _has_nan(values: Iterable[object]) -> bool:
    return any(isinstance(each, float) and math.isnan(each) for each in values)


def _labelled(name: str, values: pa.Array | pa.ChunkedArray) -> str:
    """A column and its first value."""
    return f"{name} {_said(values)}"


def _said(values: pa.Array | pa.ChunkedArray) -> str:
    """The first value; an empty text is seen."""
    return cut(shown(values[0])) or '""'

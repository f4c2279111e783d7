"""Columns that stay in Arrow until the Sink, and the facts that footers hold."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.day.column_statistics import column_statistics
from beam_pipeline.session.arrow_columns import ArrowColumns
from daeda.dataset.manifest import ColumnStatistics
from daeda.dtypes import DType
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Sink
from daeda.sql import statements
from daeda.sql.handle import ColumnTable, Materialised, column

SINK = Sink(name="sink", inputs=("rows",), output="day", dataset="skeleton")
TYPES = {"k": "int64", "a": "int32", "b": "list<int64>", "c": "double", "d": "uint64", "e": "int64"}


class Resources:
    """A connection, and Arrow columns beside it."""

    def __init__(self, spill: Path) -> None:
        self.connection = duckdb.connect(config={"threads": 2})
        self.arrow_columns = ArrowColumns(self.connection, 1 << 20, spill)


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    return Resources(tmp_path / "spill")


def numbered(resources: Resources, rows: int) -> Materialised:
    """k in a table of DuckDB's, a and b, and d and e in Arrow beside it, c in a table."""
    resources.connection.execute(f"CREATE TEMP TABLE spine AS SELECT i AS k FROM range({rows}) AS r(i)")
    resources.arrow_columns.add("one", pa.table({
        "a": pa.array([None if i % 3 == 0 else -i for i in range(rows)], pa.int32()),
        "b": pa.array([None if i % 5 == 0 else [i, None] for i in range(rows)], pa.list_(pa.int64())),
    }))  # fmt: skip
    resources.connection.execute(f"CREATE TEMP TABLE doubles AS SELECT i / 3 AS c FROM range({rows}) AS r(i)")
    resources.arrow_columns.add("two", pa.table({
        "d": pa.array([2**64 - 1 - i for i in range(rows)], pa.uint64()), "e": pa.nulls(rows, pa.int64()),
    }))  # fmt: skip
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in TYPES.items()), ("k",))
    tables = (
        ColumnTable("spine", ("k",)), ColumnTable("one", ("a", "b"), numbered=False), ColumnTable("doubles", ("c",)),
        ColumnTable("two", ("d", "e"), numbered=False),
    )  # fmt: skip
    return Materialised(relation, rows, tables, {name: column(name).sql("duckdb") for name in TYPES})


@pytest.mark.parametrize("room", [True, False])
def test_arrow_columns_stand_beside_tables_row_by_row(resources: Resources, room: bool, tmp_path: Path) -> None:
    given = numbered(resources, 10_000)
    if not room:
        resources.arrow_columns.add("more", pa.table({"more": pa.nulls(resources.arrow_columns.room // 8, pa.int64())}))
    given = resources.arrow_columns.side_by_side(given)
    assert len(given.tables) == 1
    assert (tmp_path / "spill").exists() is not room
    for first, last in ((0, None), (0, 2_500), (2_500, 7_000), (7_000, None)):
        resources.arrow_columns.show(first, last)
        table = resources.connection.execute(statements.assembly(given.relation, given, first, last)).to_arrow_table()
        rows = range(first, 10_000 if last is None else last)
        assert table["k"].to_pylist() == list(rows)
        assert table["a"].to_pylist() == [None if i % 3 == 0 else -i for i in rows]
        assert table["b"].to_pylist() == [None if i % 5 == 0 else [i, None] for i in rows]
        assert table["d"].to_pylist() == [2**64 - 1 - i for i in rows]


def test_a_relation_without_numbers_is_numbered_by_the_spine(resources: Resources) -> None:
    given = numbered(resources, 5_000)
    table = resources.connection.execute(given.select(["d"]).sql("duckdb")).to_arrow_table()
    assert table["__row"].to_pylist() == list(range(5_000))
    assert table["d"].to_pylist() == [2**64 - 1 - i for i in range(5_000)]


@pytest.mark.parametrize("rows", [0, 1, 2_000])
def test_facts_of_footers_are_those_that_are_counted(resources: Resources, rows: int, tmp_path: Path) -> None:
    given = resources.arrow_columns.side_by_side(numbered(resources, rows))
    cut = rows // 2
    footers = []
    for first, last in ((0, cut), (cut, None)):
        path = tmp_path / f"part-{first}-{last}.parquet"
        resources.arrow_columns.show(first, last)
        query = statements.assembly(given.relation, given, first, last)
        resources.connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        footers.append(pq.read_metadata(path))
    statistics = column_statistics(
        resources,  # type: ignore[arg-type]
        given.relation,
        given,
        footers,
        SINK,
        {},
    )
    resources.arrow_columns.show()
    counted = resources.connection.execute(statements.column_statistics(given.relation, given)).fetchone()
    assert counted is not None
    values = iter(counted[1:])
    for each in statistics:
        nulls = rows - next(values)
        low, high = (None, None) if each.name == "b" else (next(values), next(values))
        assert each == ColumnStatistics(each.name, TYPES[each.name], nulls, low, high)

"""Columns in a file are those that were in memory, however they come in and wherever they are cut."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipeline.session import block_file, spilled_columns
from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.block_file import BlockReader
from beam_pipeline.session.row_stream import RowStream
from beam_pipeline.session.spilled_columns import SpilledColumns
from daeda.dtypes import DType
from daeda.errors import DayError
from daeda.operators.relation import Column, Relation
from daeda.sql.handle import ROW, ColumnTable, Materialised


def columns_of(rows: int) -> dict[str, list[Any]]:
    return {
        "n": [None if i % 3 == 0 else i for i in range(rows)],
        "list": [None if i % 5 == 0 else [f"w{i}"] * (i % 4) for i in range(rows)],
        "nested": [[[i], None, []] if i % 2 else None for i in range(rows)],
    }


SCHEMA = pa.schema([
    (ROW, pa.int64()), ("n", pa.int64()), ("list", pa.list_(pa.string())), ("nested", pa.list_(pa.list_(pa.int64()))),
])  # fmt: skip


def piece(rows: list[int], columns: dict[str, list[Any]]) -> pa.Table:
    return pa.table({ROW: rows, **{name: [of[row] for row in rows] for name, of in columns.items()}}, schema=SCHEMA)


def spilled(path: Path, rows: int, pieces: list[list[int]]) -> SpilledColumns:
    made = SpilledColumns(path, rows)
    for each in pieces:
        made.append(piece(each, columns_of(rows)))
    made.finish()
    return made


@given(data=st.data())
def test_whatever_comes_in_is_read_in_row_order(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = data.draw(st.integers(0, 60))
    order = data.draw(st.permutations(range(rows)))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    pieces = [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, rows], strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        least = data.draw(st.integers(1, 20))
        patch.setattr(spilled_columns, "_LEAST_ROWS", least)
        patch.setattr(spilled_columns, "_MOST_ROWS", least)
        made = spilled(tmp_path_factory.mktemp("spill") / "0.arrow", rows, pieces)
    names = data.draw(st.lists(st.sampled_from(["n", "list", "nested"]), min_size=1, unique=True))
    first = data.draw(st.integers(0, rows))
    last = data.draw(st.integers(first, rows))
    stream = RowStream(dict.fromkeys(names, made), first, last, [])
    for _ in range(2):
        read = pa.RecordBatchReader.from_stream(stream).read_all()
        assert read.to_pydict() == {name: columns_of(rows)[name][first:last] for name in names}


@pytest.mark.parametrize("pieces", [[[0, 1], [3]], [[0, 1, 2], [2, 3]], [[0, 1, 1, 3]]])
def test_rows_that_are_missing_or_come_twice_are_no_day(tmp_path: Path, pieces: list[list[int]]) -> None:
    made = spilled(tmp_path / "0.arrow", 4, pieces)
    failures: list[Exception] = []
    connection = duckdb.connect()
    connection.register("day", RowStream({"n": made}, 0, 4, failures))
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT count(*) FROM day")
    [failure] = failures
    assert isinstance(failure, DayError)
    assert str(failure) == "of rows 0 to 3 some were computed twice, or not at all"


def test_a_file_without_rows_is_no_day_of_some(tmp_path: Path) -> None:
    with pytest.raises(DayError, match=r"^of 4 rows none were computed$"):
        spilled(tmp_path / "0.arrow", 4, [[]])


def test_blocks_of_wide_rows_are_small(tmp_path: Path) -> None:
    wide = pa.table({ROW: np.arange(3_000), "x": pa.array(["x" * 20_000] * 3_000)})
    made = SpilledColumns(tmp_path / "0.arrow", 3_000)
    made.append(wide)
    made.finish()
    assert made.block_rows == 2_048
    assert len(made._file.batches) == 2


def test_a_block_is_read_once_for_all_parts_that_have_rows_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilled_columns, "_LEAST_ROWS", 50)
    monkeypatch.setattr(spilled_columns, "_MOST_ROWS", 50)
    made = spilled(tmp_path / "0.arrow", 120, [list(range(120))])
    numbers: list[int] = []
    read = BlockReader.read

    def noted(self: BlockReader, blocks: Sequence[int]) -> pa.Table:
        numbers.extend(blocks)
        return read(self, blocks)

    monkeypatch.setattr(BlockReader, "read", noted)
    for first in range(0, 120, 4):
        part = RowStream({"n": made, "list": made}, first, first + 4, [])
        rows = pa.RecordBatchReader.from_stream(part).read_all()
        assert rows.to_pydict() == {name: columns_of(120)[name][first : first + 4] for name in ("n", "list")}
    assert numbers == [0, 1, 2]


def test_more_blocks_than_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_file, "_COUNTED_BITS", 1)
    monkeypatch.setattr(spilled_columns, "_LEAST_ROWS", 1)
    monkeypatch.setattr(spilled_columns, "_MOST_ROWS", 2)
    made = spilled(tmp_path / "0.arrow", 9, [[8, 0, 3, 1], [2, 7, 6, 5, 4]])
    read = pa.RecordBatchReader.from_stream(RowStream({"n": made}, 0, 9, [])).read_all()
    assert read.to_pydict() == {"n": columns_of(9)["n"]}


@pytest.fixture
def no_larger_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_larger_files")
def test_a_file_that_cannot_grow_is_named(tmp_path: Path) -> None:
    made = SpilledColumns(tmp_path / "0.arrow", 100_000)
    with pytest.raises(OSError, match="File too large") as raised:
        made.append(pa.table({ROW: np.arange(100_000), "n": np.arange(100_000)}))
    assert raised.value.filename == str(tmp_path / "0.arrow")


def test_a_file_that_is_gone_or_cut_is_told(tmp_path: Path) -> None:
    made = spilled(tmp_path / "0.arrow", 5_000, [list(range(5_000))])
    (tmp_path / "0.arrow").unlink()
    failures: list[Exception] = []
    connection = duckdb.connect()
    connection.register("day", RowStream({"n": made}, 0, 4, failures))
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT count(*) FROM day")
    assert [type(failure) for failure in failures] == [FileNotFoundError]
    assert failures[0].filename == str(tmp_path / "0.arrow")  # type: ignore[attr-defined]


def test_parts_of_a_spilled_day_are_byte_for_byte_those_of_one_in_memory(tmp_path: Path) -> None:
    rows, types = 300_000, {"k": "int64", "a": "int64", "b": "list<int64>"}
    written = []
    for limit in (1 << 30, 1 << 16):
        connection = duckdb.connect(config={"threads": 3})
        held = ArrowColumns(connection, limit, tmp_path / "spill")
        columns = pa.table(
            {ROW: np.arange(rows), "a": np.arange(rows) % 1_000, "b": pa.array([[i, None] for i in range(rows)])}
        )
        if limit > columns.nbytes:
            held.add("one", columns.remove_column(0))
        else:
            shuffled = columns.take(pa.array(np.random.default_rng(0).permutation(rows)))
            held.spill("one", rows, iter([shuffled.slice(0, 70_000), shuffled.slice(70_000)]))
        connection.execute(f"CREATE TEMP TABLE spine AS SELECT i AS k FROM range({rows}) AS r(i)")
        relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in types.items()), ("k",))
        tables = (ColumnTable("spine", ("k",)), ColumnTable("one", ("a", "b"), numbered=False))
        whole = held.side_by_side(Materialised(relation, rows, tables, {name: f'"{name}"' for name in relation.names}))
        assert held.in_memory(whole) is (limit > columns.nbytes)
        for first, last in ((0, 130_000), (130_000, 260_000), (260_000, None)):
            held.show(first, last)
            path = tmp_path / f"{limit}-{first}.parquet"
            query = f"SELECT k, a, b FROM ({whole.select_text(relation.names, first, last)})"
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)")
        written.append([(tmp_path / f"{limit}-{first}.parquet").read_bytes() for first in (0, 130_000, 260_000)])
    assert written[0] == written[1]
    assert pq.read_table(tmp_path / "65536-130000.parquet").column("k").to_pylist() == list(range(130_000, 260_000))

"""Each library reads the same rows in the same order: part 10 after 9, day after day."""

from __future__ import annotations

import datetime as dt
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from daeda.dataset.layout import Layout
from daeda.errors import InputError, UsageError
from daeda.installed import install_command
from daeda.process import extras
from daeda_data import dataset
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand, publish_rows, rows_of


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Below it: the rows of three days, in twelve parts each, and what is no data."""
    made = tmp_path_factory.mktemp("readers") / "output [1]"
    layout = Layout(made / "service")
    publish_rows(layout, 3)
    (Path(str(layout.day_dir("skeleton", day_of(1)))) / "notes.parquet").write_text("of somebody")
    return made


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """What was published, in order."""
    return publish_rows(Layout(tmp_path_factory.mktemp("rows") / "service"), 3)


@pytest.fixture
def data(root: Path) -> TrainingData:
    return dataset(root, "service")


def plain(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()  # type: ignore[no-any-return]


def test_arrow(data: TrainingData, rows: pa.Table) -> None:
    made = data.arrow()
    assert made.schema == data.schema == rows.schema
    assert made.to_table() == rows
    assert pa.Table.from_batches(made.to_batches()) == rows
    assert made.head(40) == rows.slice(0, 40)
    assert len(list(made.get_fragments())) == 36
    of_one = ds.field("dt") == day_of(1)
    assert made.to_table(columns=["row", "dt"], filter=of_one) == rows.select(["row", "dt"]).slice(36, 36)
    assert [Path(one.path).parent.name for one in made.get_fragments(of_one)] == ["dt=2024-01-02"] * 12
    with pytest.raises(OSError, match="published days are read, and not written"):
        made.filesystem.delete_file(made.files[0])


def test_polars(data: TrainingData, rows: pa.Table) -> None:
    frame = data.polars()
    assert frame.collect_schema()["vector"] == pl.List(pl.Float16)
    assert frame.collect_schema()["dt"] == pl.Date
    assert frame.collect().rows(named=True) == plain(rows)
    chosen = frame.filter(pl.col("dt") == day_of(2)).select("row", "dt")
    assert chosen.collect().rows(named=True) == plain(rows.select(["row", "dt"]).slice(72, 36))


def test_duckdb(data: TrainingData, rows: pa.Table) -> None:
    relation = data.duckdb()
    assert (relation.columns, relation.types[-1], relation.types[-2]) == (rows.schema.names, "DATE", "FLOAT[]")
    names = relation.columns
    assert [dict(zip(names, row, strict=True)) for row in relation.fetchall()] == plain(rows)
    assert relation.filter("dt = DATE '2024-01-02'").aggregate("count(*), min(dt)").fetchall() == [(36, day_of(1))]
    connection = duckdb.connect()
    data.duckdb(connection).create("kept")
    assert connection.table("kept").count("*").fetchall() == [(108,)]


def test_days_that_a_filter_leaves_out_are_not_opened(root: Path, rows: pa.Table, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "output")
    data = dataset(tmp_path / "output", "service")
    frame, relation = data.polars(), data.duckdb()
    for part in data.parts():
        if part.day == day_of(2):
            Path(part.path).write_bytes(b"")
    assert frame.filter(pl.col("dt") == day_of(1)).collect().height == 36
    assert relation.filter("dt = DATE '2024-01-02'").select("row").fetchall() == [(row,) for row in range(36)]


def test_pandas(data: TrainingData, rows: pa.Table) -> None:
    frame = data.pandas()
    assert str(frame.dtypes["item"]) == "int64[pyarrow]"
    assert frame.dtypes["dt"] == pd.ArrowDtype(pa.date32())
    assert pa.Table.from_pandas(frame, schema=rows.schema, preserve_index=False) == rows
    chosen = dataset(data.path.rpartition("/service/")[0], "service", columns=["row", "category", "vector"])
    numpy = chosen.pandas(dtype_backend="numpy")
    assert (numpy["row"].dtype, numpy["row"].tolist()) == (np.dtype("int64"), rows.column("row").to_pylist())
    assert numpy["vector"][1].dtype == np.float16
    with pytest.raises(InputError, match=r"'item' has NULLs and integers beyond 2\*\*53, which numpy's"):
        data.pandas(dtype_backend="numpy")
    with pytest.raises(UsageError, match='dtype_backend= is "pyarrow" or "numpy", not \'float\''):
        data.pandas(dtype_backend="float")  # type: ignore[arg-type]


@pytest.mark.parametrize("begin", [0, 4])
def test_a_damaged_part_is_told_by_pandas(tmp_path: Path, begin: int) -> None:
    day = day_of(0)
    parts = [rows_of(day, 0, 3), rows_of(day, 3, 3)]
    directory = publish_by_hand(Layout(tmp_path / "service"), day, parts)
    # All of it, or its first pages and not the footer.
    part, end = directory / "part-1-0.parquet", None if begin == 0 else 300
    content = part.read_bytes()
    there = content[begin:end]
    part.write_bytes(content[:begin] + b"\xff" * len(there) + content[begin + len(there) :])
    with pytest.raises(InputError, match=r"^a part is damaged \(.*\): verify=True says which, build its day again$"):
        dataset(tmp_path, "service").pandas()
    with pytest.raises(InputError, match=r"part-1-0\.parquet is not the file that was published"):
        dataset(tmp_path, "service", verify=True)


NESTED = {
    "values": pa.array([[2**53 + 1, None]]),
    "values.a": pa.array([{"a": 2**53 + 1}, {"a": None}]),
    "lists": pa.array([[[2**53 + 1], [None]]]),
    "structs.a": pa.array([[{"a": 2**53 + 1}, {"a": None}]]),
    "deep.a": pa.array([{"a": [2**53 + 1, None]}]),
}


@pytest.mark.parametrize("name", NESTED)
def test_integers_below_a_column_are_not_rounded_either(tmp_path: Path, name: str) -> None:
    column = name.partition(".")[0]
    publish_by_hand(Layout(tmp_path / "service"), day_of(0), [pa.table({column: NESTED[name]})])
    data = dataset(tmp_path, "service", day_column=None)
    with pytest.raises(InputError, match=rf"^'{name}' has NULLs and integers beyond 2\*\*53"):
        data.pandas(dtype_backend="numpy")
    assert (
        pa.Table.from_pandas(data.pandas(), preserve_index=False).column(column).to_pylist() == NESTED[name].to_pylist()
    )


def test_names_of_directories_above_are_no_columns(root: Path, rows: pa.Table, tmp_path: Path) -> None:
    """`category=x` in the path would become a column of Polars and DuckDB, in place of that in the files."""
    shutil.copytree(root, tmp_path / "category=x")
    data = dataset(tmp_path / "category=x", "service")
    expected = plain(rows)
    assert data.polars().collect().rows(named=True) == expected
    assert data.duckdb().order("dt, row").fetchall() == [tuple(row.values()) for row in expected]
    assert data.arrow().to_table() == rows
    assert plain(pa.Table.from_pandas(data.pandas(), schema=rows.schema, preserve_index=False)) == expected


@pytest.mark.parametrize("name", ["day", None])
def test_the_column_of_the_day_has_the_name_that_is_given_or_is_left_out(tmp_path: Path, name: str | None) -> None:
    layout = Layout(tmp_path / "output" / "service")
    for number in (0, 1):
        publish_by_hand(layout, day_of(number), [pa.table({"dt": ["own"], "row": [number]})])
    data = dataset(tmp_path / "output", "service", day_column=name)
    expected = [{"dt": "own", "row": number, **({name: day_of(number)} if name else {})} for number in (0, 1)]
    assert data.polars().collect().rows(named=True) == expected
    relation = data.duckdb()
    assert [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()] == expected
    assert data.arrow().to_table().to_pylist() == data.pandas().to_dict("records") == expected


def test_what_is_not_installed_is_named_with_its_extra(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    wanted = {
        "polars": "a frame of Polars needs polars",
        "pandas": "a frame of pandas needs pandas",
        "huggingface": "a dataset of HuggingFace needs datasets",
    }
    for extra, told in wanted.items():
        with pytest.raises(UsageError) as raised:
            getattr(data, extra)()
        advice = f"install the extra with `{install_command(extra)}`"
        assert str(raised.value) == f"{told}, not installed here: {advice}"


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="`make readers` has it in its environment")
def test_huggingface(data: TrainingData, rows: pa.Table) -> None:
    made = data.huggingface()
    assert made.num_shards == 36
    expected = plain(rows)
    assert list(made) == expected
    assert [row["row"] for row in made.skip(3).take(2)] == [3, 4]
    state = None
    for number, _ in enumerate(made):
        if number == 49:
            state = made.state_dict()
            break
    again = data.huggingface()
    again.load_state_dict(state)
    assert list(again) == expected[50:]
    shards = [row for index in range(4) for row in made.shard(4, index)]
    assert sorted(shards, key=lambda row: (row["dt"], row["row"])) == expected
    assert dt.date(2024, 1, 1) == expected[0]["dt"]

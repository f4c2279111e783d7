"""What a footer says of the columns that a view declares: names letter by letter, and types where libraries differ."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.errors import InputError
from daeda.operators.dag import Dag
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from daeda.sources.columns import name_mistake
from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of
from tests.projects import TinyProject

HOUR = 3_600_000_000_000


def _checked(made: TinyProject) -> None:
    project = made.load()
    dag: Dag = made.compile().skeleton()
    check_sources(project, dag, find_sources(project, dag), [DAY])


def _items(root: Path, names: list[str]) -> TinyProject:
    """The file of the static view has columns of these names."""
    made = TinyProject(root).without("item_vector").write().write_data()
    values: list[Any] = [pa.array([10, 11]) if name == "item_id" else pa.array([name, name]) for name in names]
    pq.write_table(pa.table(values, names=names), root / "data/items.parquet")
    return made


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["item_id", "Category", "category"], "has the columns 'Category' and 'category', which DuckDB does not tell "
         "apart: leave one of them out, or rename it"),
        (["item_id", "category", "category"], "has the column 'category' twice: keep one of them, or rename one"),
        (["item_id", "Category"], "has no column 'category': did you mean 'Category'? Known: Category, item_id; "
         "correct fields or field_mapping of the view"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_once_is_refused(names: list[str], told: str, tmp_path: Path) -> None:
    made = _items(tmp_path, names)
    with pytest.raises(InputError) as caught:
        _checked(made)
    assert str(caught.value) == f"view 'items': {tmp_path}/data/items.parquet {told}"


@pytest.mark.parametrize("others", [["a", "A"], ["é", "É"], ["e\u0301", "é"], ["category.x"], ["filename", "rowid"]])
def test_names_beside_the_declared_ones_do_not_matter(
    others: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _items(tmp_path, [*others, "item_id", "category"])
    _checked(made)
    build(made, days=[DAY])
    assert [row["category"] for row in rows_of(made)] == ["category", "unknown"]
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()


def test_a_name_that_duckdb_gives_to_another_column_is_refused() -> None:
    assert name_mistake("x_1", ["x", "X", "x_1"]) == (
        "has the columns 'x' and 'X', and DuckDB names one of them like 'x_1': leave one out, or rename it"
    )
    assert name_mistake("x_1", ["x", "x_1"]) is None
    assert name_mistake("É", ["É", "é"]) is None


def test_the_audit_refuses_names_by_a_rule_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = _items(tmp_path, ["item_id", "category"])
    build(made, days=[DAY])
    _items(tmp_path, ["item_id", "category", "CATEGORY"])
    assert audit(words(made, "--probe", "recompute")) == 2
    assert (
        "items.parquet has the columns 'category' and 'CATEGORY', of which 'category' may be either: keep one of them"
        in capsys.readouterr().err
    )


def int96_project(root: Path, dtype: str, times: list[int], unit: str = "ns") -> TinyProject:
    """`prices`, one flat file as Spark writes it, with rows at these times, the value of each being its place."""
    made = TinyProject(root).without("item_vector")
    made.views["prices"]["source"]["path"] = "prices.parquet"
    del made.views["prices"]["ttl"]
    made.views["prices"]["fields"][1]["dtype"] = dtype
    made.write()
    made.data = {**made.data, "prices": []}
    made.write_data()
    stored = pa.table({
        "item_id": pa.array([11] * len(times), pa.int64()),
        "event_timestamp": pa.array(times, pa.timestamp(unit)),
        "price": pa.array([float(index) for index in range(len(times))]),
    })  # fmt: skip
    pq.write_table(stored, root / "data/prices.parquet", use_deprecated_int96_timestamps=True)
    return made


# 2024-01-02 09:00, when user 1 sees item 11.
NOW = int(dt.datetime(2024, 1, 2, 9, tzinfo=dt.UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize("dtype", ["timestamp[ns]", "timestamp[us]"])
def test_spark_times_are_read_to_the_microsecond(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = int96_project(tmp_path, dtype, [NOW - HOUR, NOW - 1000, NOW])
    _checked(made)
    build(made, days=[DAY])
    assert rows_of(made)[0]["price"] == 1.0
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()


@pytest.mark.parametrize("dtype", ["timestamp[ns]", "timestamp[us]"])
def test_spark_times_with_more_digits_are_refused(dtype: str, tmp_path: Path) -> None:
    made = int96_project(tmp_path, dtype, [NOW - HOUR, NOW - 500])
    with pytest.raises(InputError) as caught:
        _checked(made)
    assert str(caught.value) == (
        f"view 'prices': in {tmp_path}/data/prices.parquet the column 'event_timestamp' is INT96, as Spark writes it, "
        "with digits below the microsecond, which DuckDB does not read: write TIMESTAMP(NANOS) and declare "
        "timestamp[ns], or write microseconds (spark.sql.parquet.outputTimestampType: TIMESTAMP_MICROS) and declare "
        "timestamp[us]"
    )


def test_spark_times_of_any_year_are_declared_in_microseconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = -62_135_596_800_000_000, 253_402_214_400_000_000
    made = int96_project(tmp_path / "ns", "timestamp[ns]", [first, last], "us")
    with pytest.raises(InputError) as caught:
        _checked(made)
    assert str(caught.value) == (
        f"view 'prices': in {tmp_path}/ns/data/prices.parquet the column 'event_timestamp' is INT96, as Spark writes "
        "it, with times before 1677 or after 2262, where timestamp[ns] does not reach: declare timestamp[us]"
    )
    made = int96_project(tmp_path / "us", "timestamp[us]", [first, last], "us")
    _checked(made)
    build(made, days=[DAY])
    assert rows_of(made)[0]["price"] == 0.0
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()


def test_spark_times_of_another_type_say_what_to_declare(tmp_path: Path) -> None:
    made = int96_project(tmp_path, "timestamp[ms]", [NOW])
    with pytest.raises(InputError) as caught:
        _checked(made)
    assert str(caught.value).endswith(
        "the column 'event_timestamp' is timestamp[ns], and the view declares timestamp[ms]: its times are INT96, as "
        "Spark writes them: declare timestamp[ns] or timestamp[us]"
    )


def _two_files(root: Path, spark_first: bool) -> TinyProject:
    made = int96_project(root, "timestamp[ns]", [NOW - HOUR])
    made.views["prices"]["source"]["path"] = "more"
    made.write()
    (root / "data/more").mkdir()
    (root / "data/prices.parquet").rename(root / f"data/more/{'a' if spark_first else 'c'}.parquet")
    stored = pa.table({
        "item_id": pa.array([11], pa.int64()), "event_timestamp": pa.array([NOW + 1], pa.timestamp("ns")),
        "price": pa.array([9.0]),
    })  # fmt: skip
    pq.write_table(stored, root / "data/more/b.parquet")
    return made


@pytest.mark.parametrize("spark_first", [True, False])
def test_spark_times_beside_nanoseconds_are_refused(spark_first: bool, tmp_path: Path) -> None:
    made = _two_files(tmp_path, spark_first)
    with pytest.raises(InputError) as caught:
        _checked(made)
    spark = "a" if spark_first else "c"
    assert str(caught.value) == (
        f"view 'prices': the column 'event_timestamp' is INT96 in {tmp_path}/data/more/{spark}.parquet, as Spark "
        f"writes it, and TIMESTAMP(NANOS) in {tmp_path}/data/more/b.parquet, and DuckDB reads both in one unit: write "
        "all files alike"
    )
    (tmp_path / f"data/more/{spark}.parquet").unlink()
    _checked(made)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_two_names_of_one_file_are_refused(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    made = TinyProject(tmp_path).without("item_vector").write().write_data()
    day = tmp_path / "data/events/dt=2024-01-02"
    link(day / "part-0.parquet", day / "latest.parquet")
    with pytest.raises(InputError) as caught:
        _checked(made)
    assert str(caught.value) == (
        f"view 'events': {day}/latest.parquet and {day}/part-0.parquet are one file, and its rows would be there "
        "twice: remove the link, or rename it (a name that begins with _ or . is known to be no data)"
    )
    (day / "latest.parquet").rename(day / "_latest.parquet")
    _checked(made)


def test_partitions_may_share_a_file_without_rows(tmp_path: Path) -> None:
    made = TinyProject(tmp_path).without("item_vector").write().write_data()
    prices = tmp_path / "data/prices"
    empty = prices / "dt=2024-01-02/empty.parquet"
    pq.write_table(pq.read_table(next(prices.glob("dt=2024-01-02/part*"))).slice(0, 0), empty)
    os.link(empty, prices / "dt=2024-01-01/empty.parquet")
    _checked(made)

"""Checks of footers before the first day, for the types and shapes that the tiny project does not have."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import InputError
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from tests.projects import TinyProject, moment, write_parquet

DAY = dt.date(2024, 1, 2)
MIDNIGHT = 1_704_153_600


def with_time(tmp_path: Path, dtype: str, unit: str | None, times: list[Any], **options: Any) -> TinyProject:
    """A project whose prices of the day have these times."""
    project = TinyProject(tmp_path)
    del project.views["prices"]["ttl"]
    project.views["prices"]["fields"][1]["dtype"] = dtype
    if unit is not None:
        project.views["prices"]["source"]["timestamp_unit"] = unit
    del project.data["prices"]
    project.write().write_data()
    count = len(times)
    columns = [pa.array([10] * count, pa.int64()), pa.array(times, DType.parse(dtype).arrow())]
    columns.append(pa.array([1.0] * count, pa.float64()))
    path = tmp_path / "data/prices/dt=2024-01-02/part.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns, names=["item_id", "event_timestamp", "price"]), path, **options)
    return project


def check(project: TinyProject) -> str | None:
    loaded, dag = project.load(), project.compile().skeleton()
    try:
        check_sources(loaded, dag, find_sources(loaded, dag), [DAY])
    except InputError as error:
        return str(error).replace(str(project.root), "{root}")
    return None


UNITS = [("timestamp[ms]", None, 10**3), ("timestamp[us]", None, 10**6), ("timestamp[ns]", None, 10**9),
         ("timestamp[us, UTC]", None, 10**6), ("int64", "s", 1), ("int32", "s", 1), ("int64", "ms", 10**3),
         ("int64", "ns", 10**9)]  # fmt: skip


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(("dtype", "unit", "per_second"), UNITS)
def test_a_partition_holds_the_rows_of_its_day_to_the_last_unit(
    tmp_path: Path, dtype: str, unit: str | None, per_second: int, statistics: bool
) -> None:
    first, after = MIDNIGHT * per_second, (MIDNIGHT + 86_400) * per_second
    options = {"write_statistics": statistics}
    assert check(with_time(tmp_path / "in", dtype, unit, [first, after - 1], **options)) is None
    for name, times in (("late", [first, after]), ("early", [first - 1, first])):
        sentence = check(with_time(tmp_path / name, dtype, unit, times, **options))
        assert sentence is not None
        assert sentence.startswith(
            "view 'prices': {root}/data/prices/dt=2024-01-02/part.parquet has rows outside of 2024-01-02"
        )


@pytest.mark.parametrize("statistics", [True, False])
def test_rows_without_a_time_are_counted(tmp_path: Path, statistics: bool) -> None:
    times = [None, dt.datetime(2024, 1, 2), None]
    assert check(with_time(tmp_path, "timestamp[us]", None, times, write_statistics=statistics)) == (
        "view 'prices': {root}/data/prices/dt=2024-01-02/part.parquet has 2 rows without 'event_timestamp', which "
        "belong "
        "to no day: repair them, or say source.null_timestamps: drop"
    )


@pytest.mark.parametrize("statistics", [True, False])
def test_rows_without_a_time_may_be_dropped(tmp_path: Path, statistics: bool) -> None:
    project = with_time(tmp_path, "timestamp[us]", None, [None, None], write_statistics=statistics)
    project.views["prices"]["source"]["null_timestamps"] = "drop"
    assert check(project.write()) is None


def test_a_date_is_its_midnight(tmp_path: Path) -> None:
    assert check(with_time(tmp_path / "in", "date", None, [DAY])) is None
    assert check(with_time(tmp_path / "late", "date", None, [DAY, dt.date(2024, 1, 3)])) == (
        "view 'prices': {root}/data/prices/dt=2024-01-02/part.parquet has rows outside of 2024-01-02 (its "
        "'event_timestamp' goes from 2024-01-02 00:00:00 to 2024-01-03 00:00:00 UTC): move them, or declare "
        "source.partition_slack"
    )


def test_slack_lets_a_partition_hold_rows_of_its_neighbours(tmp_path: Path) -> None:
    project = with_time(tmp_path, "timestamp[us]", None, [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 3, 23)])
    project.views["prices"]["source"]["partition_slack"] = 1
    assert check(project.write()) is None


def test_a_file_without_rows_is_fine(tmp_path: Path) -> None:
    assert check(with_time(tmp_path, "timestamp[us]", None, [])) is None


def test_a_wrong_type_is_told_once_and_not_for_every_partition(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().write_data()
    types = {"item_id": "int64", "event_timestamp": "timestamp[us]", "price": "float"}
    for number in (1, 2):
        path = tmp_path / f"data/prices/dt=2024-01-0{number}/part-0.parquet"
        write_parquet(path, types, [(10, moment(f"0{number} 08:00"), 1.0)])
    assert check(project) == (
        "view 'prices': in {root}/data/prices/dt=2024-01-01/part-0.parquet the column 'price' is float, and the view "
        "declares double: correct the view or the file"
    )


def test_types_that_hold_the_same_values_are_the_same(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().write_data()
    category = pa.array(["toys", "books"]).dictionary_encode()
    pq.write_table(pa.table({"item_id": [10, 11], "category": category}), tmp_path / "data/items.parquet")
    assert check(project) is None


def test_partitions_outside_of_the_window_are_not_looked_at(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().write_data()
    (tmp_path / "data/prices/dt=2023-12-31").mkdir()
    (tmp_path / "data/prices/dt=2023-12-31/part.parquet").write_text("not Parquet")
    assert check(project) is None

"""Files of many kinds become projects that compile, and whose data is that of the files."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.cli.main import main
from daeda.compiler.column_roles import column_kinds
from daeda.compiler.compile import compile_runnable, project_dag
from tests.daeda.init_project import tables

Files = Callable[[Path], list[Path]]


def init(root: Path, files: list[Path], *words: str) -> int:
    return main(["init", str(root), "--from", *map(str, files), "--yes", *words])


def project_of(root: Path) -> Project:
    return load_project(ProjectPaths(root / "config/training/runtime.yaml"))


EXPECTED: Mapping[str, tuple[Files, dict[str, str]]] = {
    "flights": (tables.flights, {
        "tailnum": "key", "origin": "key", "time_hour": "timestamp", "tail_again_1d": "label", "temp": "point_in_time",
        "tail_events_1d": "rolling", "tail_events_7d": "rolling", "tail_dep_delay_mean_7d": "rolling",
        "sched_dep_time": "spine", "hour_of_day": "derived", "weekday": "derived",
    }),
    "sensors": (tables.sensors, {
        "sensor": "key", "ts": "timestamp", "sensor_next_temperature_1d": "label", "sensor_events_1d": "rolling",
        "sensor_events_7d": "rolling", "sensor_temperature_mean_1d": "rolling", "sensor_temperature_mean_7d": "rolling",
        "hour_of_day": "derived", "weekday": "derived",
    }),
    "log": (tables.log, {
        "user_id": "key", "event_id": "spine", "at": "timestamp", "user_again_1d": "label", "user_events_1d": "rolling",
        "user_events_7d": "rolling", "user_price_mean_1d": "rolling", "user_price_mean_7d": "rolling",
        "hour_of_day": "derived", "weekday": "derived",
    }),
    "orders": (tables.orders, {
        "customer_id": "key", "Order_ID": "spine", "ordered_at": "timestamp", "customer_again_1d": "label",
        "country": "static", "customer_events_1d": "rolling", "customer_events_7d": "rolling",
        "customer_total_mean_1d": "rolling", "customer_total_mean_7d": "rolling", "hour_of_day": "derived",
        "weekday": "derived",
    }),
    "ratings": (tables.ratings, {
        "userId": "key", "movieId": "key", "timestamp": "timestamp", "user_again_1d": "label", "genre": "static",
        "user_events_1d": "rolling", "user_events_7d": "rolling", "user_rating_mean_1d": "rolling",
        "user_rating_mean_7d": "rolling", "hour_of_day": "derived", "weekday": "derived",
    }),
    "sales": (tables.shops, {
        "store": "key", "event_time": "timestamp", "store_next_sales_1d": "label", "store_events_1d": "rolling",
        "store_events_7d": "rolling", "store_sales_mean_1d": "rolling", "store_sales_mean_7d": "rolling",
        "hour_of_day": "derived", "weekday": "derived",
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_project_is_proposed_that_compiles_and_nothing_of_the_event_leaks(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, expected = EXPECTED[name]
    files = make(tmp_path / "files")
    assert init(tmp_path / "made", files, "--no-build") == 0
    told = capfd.readouterr()
    assert told.out == f"{tmp_path}/made\n"
    assert all(len(line) <= 80 or str(tmp_path) in line for line in told.err.splitlines())
    project = project_of(tmp_path / "made")
    assert {column.name: column.kind for column in project.service.columns} == expected
    compile_runnable(project)
    assert project.service.name == f"{name}_training"
    assert _days_of(tmp_path / "made" / "data" / name) == _expected_days(files[0])


def _days_of(directory: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in directory.glob("dt=*/*.parquet"):
        found[path.parent.name.removeprefix("dt=")] += pq.read_metadata(path).num_rows
    return found


def _expected_days(path: Path) -> Counter[str]:
    """How many rows each UTC day has, by Python's own readers."""
    return Counter(str(at.astimezone(dt.UTC).date()) for at in _times(path))


def _times(path: Path) -> Iterator[dt.datetime]:
    if path.suffix == ".jsonl":
        yield from (dt.datetime.fromisoformat(json.loads(line)["at"]) for line in path.read_text().splitlines())
        return
    with path.open() as file:
        for row in csv.DictReader(file):
            match row:
                case {"ts": seconds} | {"timestamp": seconds}:
                    yield dt.datetime.fromtimestamp(int(seconds), dt.UTC)
                case {"date": date, "hhmm": clock}:
                    yield dt.datetime.strptime(f"{date} {clock}", "%Y-%m-%d %H%M").replace(tzinfo=dt.UTC)
                case {"ordered_at": text}:
                    yield dt.datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=dt.UTC)
                case {"time_hour": text}:
                    yield dt.datetime.fromisoformat(text)


def test_the_day_that_is_built_has_the_windows_and_the_label_of_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = tables.flights(tmp_path / "files")
    assert init(tmp_path / "made", files) == 0
    said = capfd.readouterr().err
    day = "2024-03-11"
    assert f"building {day}, to try it" in said
    with files[0].open() as file:
        flown = [(row["tailnum"], dt.datetime.fromisoformat(row["time_hour"])) for row in csv.DictReader(file)]
    expected = []
    for tail, at in flown:
        if str(at.date()) == day:
            others = [other - at for name, other in flown if name == tail != "NA"]
            before = sum(dt.timedelta(days=-7) <= age < dt.timedelta() for age in others)
            again = any(dt.timedelta() < age <= dt.timedelta(days=1) for age in others)
            expected.append((None if tail == "NA" else tail, at.replace(tzinfo=None), before, again))
    parts = f"{tmp_path}/made/output/flights_training/skeleton/dt={day}/*.parquet"
    columns = "tailnum, time_hour, tail_events_7d, tail_again_1d"
    built = duckdb.sql(f"SELECT {columns} FROM read_parquet('{parts}', hive_partitioning = false)").fetchall()
    assert Counter(built) == Counter(expected)
    assert len(built) == 30


def test_a_row_that_became_known_later_is_seen_no_sooner(tmp_path: Path) -> None:
    assert init(tmp_path / "made", tables.log(tmp_path / "files"), "--no-build") == 0
    project = project_of(tmp_path / "made")
    assert project.views["log"].source.created_field == "received_at"
    assert project.views["log"].dtype("page_id").name == "int64"
    [label] = project.aggregations.label_specs
    assert str(label.matures_after) == "1h"


def test_an_outcome_counts_a_day_late_and_a_table_without_a_time_by_a_key_that_is_not_its_own_is_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "flights", tables.flights(tmp_path / "files"), "--no-build") == 0
    text = (tmp_path / "flights/config/training/aggregations.yaml").read_text()
    assert "column: dep_delay, kind: mean, windows: [7d], available: {after: 1d}}" in text
    service = (tmp_path / "flights/feature_services/flights_training.yaml").read_text()
    assert "  # - {name: arr_delay, kind: spine, dtype: int64}   # named like an outcome\n" in service
    capfd.readouterr()
    assert init(tmp_path / "orders", tables.orders(tmp_path / "files"), "--no-build") == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "items.csv has no time, and several rows for each Order ID: a table without a time is looked up by" in said


def test_parquet_is_read_where_it_lies(tmp_path: Path) -> None:
    [csv_file] = tables.shops(tmp_path / "files")
    made = tmp_path / "made"
    (made / "input").mkdir(parents=True)
    query = f"SELECT store, CAST(date AS TIMESTAMP) AS sold_time, sales FROM read_csv('{csv_file}')"
    duckdb.sql(f"COPY ({query}) TO '{made}/input/sales.parquet'")
    assert init(made, [made / "input/sales.parquet"], "--no-build") == 0
    project = project_of(made)
    source = project.views["sales"].source
    assert (source.reference, source.timestamp_field) == ("input/sales.parquet", "sold_time")
    assert not (made / "data").exists()
    compile_runnable(project)
    assert init(made, [made / "input/sales.parquet"], "--no-build") == 2


def test_a_key_of_another_type_is_made_that_of_the_events(tmp_path: Path) -> None:
    [sales] = tables.shops(tmp_path / "files")
    columns = "CAST(substr(store, 5) AS INTEGER) AS shop_id, CAST(date AS TIMESTAMP) AS sold_time, sales"
    duckdb.sql(f"COPY (SELECT {columns} FROM read_csv('{sales}')) TO '{tmp_path}/sales.parquet'")
    duckdb.sql(f"COPY (SELECT range AS shop_id, 'x' || range % 2 AS town FROM range(5)) TO '{tmp_path}/shops.parquet'")
    assert init(tmp_path / "made", [tmp_path / "sales.parquet", tmp_path / "shops.parquet"], "--no-build") == 0
    project = project_of(tmp_path / "made")
    assert project.views["shops"].dtype("shop_id").name == project.views["sales"].dtype("shop_id").name == "int32"
    assert pq.read_schema(next((tmp_path / "made/data/shops").glob("*.parquet"))).field("shop_id").type == "int32"
    assert project.service.column("town").kind == "static"


def test_local_times_become_utc_in_their_zone(tmp_path: Path) -> None:
    files = tables.orders(tmp_path / "files")
    answers = tmp_path / "answers.yaml"
    answers.write_text("timezone: America/New_York\nknown: {orders: 2h}\npredict: total\n")
    # Clocks of that zone skip an hour of 10 March.
    allowed = ["--answers", str(answers), "--max-rejected", "4"]
    assert init(tmp_path / "made", files, "--no-build", *allowed) == 0
    first = duckdb.sql(f"SELECT min(ordered_at) FROM read_parquet('{tmp_path}/made/data/orders/dt=*/*.parquet')")
    assert first.fetchall() == [(dt.datetime(2024, 3, 1, 5),)]
    project = project_of(tmp_path / "made")
    label = project.service.column("label_total")
    assert (label.expression, label.label) == ("total", True)
    assert column_kinds(project.service, project_dag(project))["label_total"] == "label"
    spec = next(one for one in project.aggregations.aggregation_specs if one.column == "total")
    assert spec.available is not None
    assert str(spec.available.after) == "1d"
    available = project.views["orders"].source.available
    assert available is not None
    assert str(available.after) == "2h"


def test_what_does_not_fit_is_kept_aside_and_the_exit_code_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    [path] = tables.sensors(tmp_path / "files")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "s1,,4.5", "s2"]) + "\n")
    assert init(tmp_path / "made", [path], "--no-build") == 1
    said = capfd.readouterr()
    place = tmp_path / "made/data/sensors/_rejected"
    assert f"sensors.csv: 2 rows kept aside in {place}/" in said.err
    assert said.err.splitlines()[-1] == (
        f"error: 2 rows do not fit, and what fits is imported: they are in {place}, with line and reason; go on "
        "without, or repair the files and import them again; --max-rejected 2 does without them"
    )
    assert said.out == f"{tmp_path}/made\n"
    assert sum(_days_of(tmp_path / "made/data/sensors").values()) == len(lines) - 1
    compile_runnable(project_of(tmp_path / "made"))
    assert init(tmp_path / "allowed", [path], "--no-build", "--max-rejected", "2") == 0
    assert sum(_days_of(tmp_path / "allowed/data/sensors").values()) == len(lines) - 1
    capfd.readouterr()
    assert init(tmp_path / "strict", [path], "--no-build", "--max-rejected", "1") == 1
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: 2 rows do not fit, and nothing was written: repair the files, or say how they are read; "
        "--max-rejected 2 does without them"
    )
    assert not (tmp_path / "strict").exists()


def test_a_large_file_is_looked_at_in_pieces_from_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    [path] = tables.sensors(tmp_path / "files")
    monkeypatch.setattr("daeda.init_project.sampling.WHOLE_BYTES", 10_000)
    monkeypatch.setattr("daeda.init_project.sampling._PIECE_BYTES", 600)
    assert init(tmp_path / "made", [path], "--no-build") == 0
    said = capfd.readouterr().err
    looked_at = re.search(r"^sensors.csv  (\d+) rows looked at, of ", said, re.MULTILINE)
    assert looked_at is not None
    assert 100 < int(looked_at[1]) < 800
    # The range is that of all rows, and no more than the sample shows is told of the rhythm.
    assert "windows   1d and 7d\n" in said
    assert str(project_of(tmp_path / "made").runtime.feed_end) == "2024-03-11"

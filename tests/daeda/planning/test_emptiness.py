"""A range in which the spine has no row, and times in a wrong unit, are told before the first day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline import command
from daeda.cli.main import main
from tests.daeda.cli.test_bad_input import everything_below
from tests.projects import TinyProject, moment, write_parquet

EVENTS = {"user_id": "int64", "item_id": "int64", "event_timestamp": "timestamp[us]", "amount": "double"}
ADVICE = "choose days that have rows, or correct source.path of the view\n"
WHERE = "(feed_start and feed_end of config/training/runtime.yaml)"


def project_of(root: Path, *, flat: bool = False, **runtime: Any) -> TinyProject:
    made = TinyProject(root).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3}
    made.runtime |= runtime
    return made.write().write_data(flat=flat)


def told(made: TinyProject, command: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    words = ["pipeline", command, "ranking", "--runtime-config-path", str(made.runtime_path), *more]
    code = main(words)
    return code, capsys.readouterr().err


def refused(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What `train` and the skeleton alone say, which exit with 2 and write nothing."""
    before = everything_below(made.root)
    code, said = told(made, "train", capsys, *more)
    assert code == 2
    assert command.main(["--runtime-config-path", str(made.runtime_path), *more]) == 2
    assert capsys.readouterr().err == said
    assert everything_below(made.root) == before
    return said.replace(str(made.root), "{root}")


def test_a_range_behind_all_rows_of_flat_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path, flat=True, feed_start="2025-01-01", feed_end="2025-01-31")
    assert refused(made, capsys) == (
        f"error: view 'events', the spine, has no row from 2025-01-01 to 2025-01-31 {WHERE}: it has rows from "
        "2024-01-01 12:00:00 to 2024-01-03 08:00:00 UTC: " + ADVICE
    )


def test_a_range_in_a_hole_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path, flat=True)
    rows = [(1, 10, moment("01 12:00"), 1.0), (1, 10, moment("04 00:00"), 1.0)]
    write_parquet(tmp_path / "data/events/all.parquet", EVENTS, rows)
    assert refused(made, capsys) == (
        f"error: view 'events', the spine, has no row from 2024-01-02 to 2024-01-03 {WHERE}: it has rows from "
        "2024-01-01 12:00:00 to 2024-01-04 00:00:00 UTC: " + ADVICE
    )
    write_parquet(tmp_path / "data/events/all.parquet", EVENTS, [*rows, (1, 10, moment("03 23:59:59.999999"), 1.0)])
    assert told(made, "plan", capsys)[1] == ""


def test_a_range_without_partitions_that_may_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path, feed_start="2024-02-01", feed_end="2024-02-02")
    for view in ("events", "prices"):
        made.views[view]["source"]["missing_partitions"] = "empty"
    made.write()
    assert refused(made, capsys) == (
        f"error: view 'events', the spine, has no row from 2024-02-01 to 2024-02-02 {WHERE}: its partitions have rows "
        "from 2024-01-01 to 2024-01-03: " + ADVICE
    )


@pytest.mark.parametrize("days", [("2023-12-01", "2023-12-02"), ("2024-02-01", "2024-02-02")])
def test_a_range_whose_partitions_are_missing(
    days: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path, feed_start=days[0], feed_end=days[1])
    assert refused(made, capsys) == (
        f"error: view 'events', the spine, has no row from {days[0]} to {days[1]} {WHERE}: its partitions have rows "
        "from 2024-01-01 to 2024-01-03: " + ADVICE
    )


def test_a_range_of_empty_partitions_and_a_view_without_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path)
    for day in ("02", "03"):
        write_parquet(tmp_path / f"data/events/dt=2024-01-{day}/part-0.parquet", EVENTS, [])
    assert "its partitions have rows from 2024-01-01 to 2024-01-01: " in refused(made, capsys)
    write_parquet(tmp_path / "data/events/dt=2024-01-01/part-0.parquet", EVENTS, [])
    assert "from 2024-01-02 to 2024-01-03 " + WHERE + ": no partition has a row: " in refused(made, capsys)


def test_one_empty_day_stays_a_day_also_where_it_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path)
    write_parquet(tmp_path / "data/events/dt=2024-01-02/part-0.parquet", EVENTS, [])
    words = ["--runtime-config-path", str(made.runtime_path), "--target-date", "2024-01-02"]
    assert command.main(words) == 0
    assert pq.read_table(tmp_path / "output/ranking/skeleton/dt=2024-01-02/part-0-0.parquet").num_rows == 0


def test_the_plan_blocks_the_days_of_an_empty_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path, flat=True, feed_start="2025-01-01", feed_end="2025-01-02")
    assert main(["pipeline", "plan", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert shown.count("blocked") == 2
    assert "the spine, has no row from 2025-01-01 to 2025-01-02".replace(" ", "") in shown.replace("│", "")


def test_rows_without_a_time_are_no_rows_of_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path, flat=True)
    made.views["events"]["source"]["null_timestamps"] = "drop"
    made.write()
    write_parquet(tmp_path / "data/events/all.parquet", EVENTS, [(1, 10, None, 1.0)])
    assert f"{WHERE}: it has no row at all: " in refused(made, capsys)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(("unit", "factor"), [("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
def test_integer_times_in_another_unit_than_the_declared_one(
    unit: str, factor: int, statistics: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = whole_numbers(tmp_path, "events", factor, statistics=statistics)
    low, high = 1704196800 * factor, 1704240000 * factor
    assert refused(made, capsys) == (
        f"error: view 'events', the spine, has no row from 2024-01-02 to 2024-01-03 {WHERE}: no row lies in a "
        "plausible year, and timestamp_unit s may be wrong (feature_views/events.yaml:8): its times go from "
        f"{low} s after 1970 to {high} s after 1970; in {unit} they go from 2024-01-02 12:00:00 to "
        "2024-01-03 00:00:00: declare that unit\n"
    )


def whole_numbers(root: Path, view: str, factor: int, *, statistics: bool = True) -> TinyProject:
    """A project whose view has integer times, declared as seconds and written in another unit, in one file."""
    made = project_of(root, flat=True)
    made.views[view]["source"] |= {"timestamp_unit": "s"}
    next(field for field in made.views[view]["fields"] if field["name"] == "event_timestamp")["dtype"] = "int64"
    if view == "events":
        made.column("event_timestamp")["dtype"] = "int64"
    made.write()
    path = root / "data" / view / "all.parquet"
    table = pq.read_table(path).slice(0, 2)
    times = pa.array([1704196800 * factor, 1704240000 * factor], pa.int64())
    index = table.schema.get_field_index("event_timestamp")
    pq.write_table(table.set_column(index, "event_timestamp", times), path, write_statistics=statistics)
    return made


def test_a_look_up_with_times_in_another_unit_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = whole_numbers(tmp_path, "prices", 1_000)
    sentence = (
        "warning: view 'prices': no row lies in a plausible year, and timestamp_unit s may be wrong "
        "(feature_views/prices.yaml:7): its times go from 1704196800000 s after 1970 to 1704240000000 s after 1970; "
        "in ms they go from 2024-01-02 12:00:00 to 2024-01-03 00:00:00: declare that unit\n"
    )
    assert told(made, "plan", capsys) == (0, sentence)
    assert command.main(["--runtime-config-path", str(made.runtime_path)]) == 0
    assert capsys.readouterr().err.startswith(sentence)


def test_a_first_day_of_the_calendar_is_a_range_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path, flat=True, feed_start=dt.date(1, 1, 1), feed_end=dt.date(1, 1, 2))
    assert "has no row from 0001-01-01 to 0001-01-02 " in refused(made, capsys)


@pytest.mark.parametrize("view", ["events", "prices"])
def test_integer_times_of_another_unit_in_partitions(
    view: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path)
    made.views[view]["source"]["timestamp_unit"] = "s"
    names = {field["name"]: field for field in made.views[view]["fields"]}
    names["event_timestamp"]["dtype"] = "int64"
    if view == "events":
        made.column("event_timestamp")["dtype"] = "int64"
    made.write()
    for number in (1, 2, 3):
        values = {"user_id": 1, "item_id": 10, "amount": 1.0, "price": 1.0}
        values["event_timestamp"] = (1704110400 + (number - 1) * 86_400) * 1000
        columns = {name: field["dtype"] for name, field in names.items()}
        rows = [tuple(values[name] for name in columns)]
        write_parquet(tmp_path / f"data/{view}/dt=2024-01-0{number}/part-0.parquet", columns, rows)
    said = refused(made, capsys)
    if view == "prices":
        assert said == (
            "error: view 'prices': {root}/data/prices/dt=2024-01-01/part-0.parquet has rows outside of 2024-01-01 (its "
            "'event_timestamp' goes from 1704110400000 to 1704110400000 UTC): move them, or declare "
            "source.partition_slack; or timestamp_unit s is wrong, as in ms they begin with 2024-01-01 12:00:00\n"
        )
    else:
        assert (
            "no row lies in a plausible year, and timestamp_unit s may be wrong (feature_views/events.yaml:8)" in said
        )


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("us", 1_000_000), ("ms", 1_000)])
def test_a_created_field_in_another_unit_than_the_times_is_warned_of(
    unit: str, factor: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = whole_numbers(tmp_path, "prices", 1_000)
    source = made.views["prices"]["source"]
    source |= {"timestamp_unit": "ms", "created_field": "known_at"}
    made.views["prices"]["fields"].append({"name": "known_at", "dtype": "int64"})
    made.write()
    path = tmp_path / "data/prices/all.parquet"
    known = pa.array([1704196860 * factor, 1704240060 * factor], pa.int64())
    pq.write_table(pq.read_table(path).append_column("known_at", known), path)
    code, said = told(made, "plan", capsys)
    assert code == 0
    if unit == "ms":
        assert "known_at" not in said
        return
    assert said.startswith("warning: view 'prices': created_field 'known_at' may not be in timestamp_unit ms (")
    assert said.endswith(
        "and the times of the rows from 2024-01-02 12:00:00 to 2024-01-03 00:00:00; "
        f"in {unit} it goes from 2024-01-02 12:01:00 to 2024-01-03 00:01:00: write it in ms, or as a timestamp\n"
    )

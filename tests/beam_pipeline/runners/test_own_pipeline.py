"""The PTransforms in a pipeline of one's own: the example, the names, and what goes wrong without a Sink."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.beam_pipeline.runners.conftest import REPOSITORY, left_in_staging
from tests.oracle.point_in_time import point_in_time
from tests.oracle.rolling import rolling

EXAMPLE = REPOSITORY / "examples" / "own_pipeline"
DAYS = ("2024-03-02", "2024-03-03")


def python(directory: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code that can import the example, in a process of its own."""
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(EXAMPLE)!r})\n{code}"]
    return subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the example ran, and its stdout in a file."""
    directory = tmp_path_factory.mktemp("own")
    words = [sys.executable, EXAMPLE / "own_pipeline.py", "--directory", directory]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (directory / "stdout").write_text(done.stdout)
    return directory


def expected(directory: Path) -> list[dict[str, Any]]:
    """The rows of both days, in their order, by the oracle."""
    readings = rows_of(*sorted((directory / "readings").rglob("*.parquet")))
    calibrations = rows_of(directory / "calibrations.parquet")
    time, keys = "event_timestamp", ["sensor_id"]
    spine = [row for row in readings if str(row[time].date()) in DAYS]
    spine.sort(key=lambda row: (row[time], row["sensor_id"], row["celsius"]))
    shared = {"declared": ("sensor_id", time, "celsius")}
    sides = (spine, readings, keys, time, time)
    counts = rolling(*sides, "count", window=dt.timedelta(days=1), **shared)
    sums = rolling(*sides, "sum", column="celsius", window=dt.timedelta(days=1), **shared)
    newest = rolling(*sides, "list", column="celsius", window=dt.timedelta(hours=6), max_length=3, **shared)
    offsets = point_in_time(
        spine, calibrations, keys, time, time, columns=("offset",), declared=("sensor_id", time, "offset")
    )
    return [
        {**row, "readings_1d": count, "sum_1d": total, "newest_6h": values, **offset}
        for row, count, total, values, offset in zip(spine, counts, sums, newest, offsets, strict=True)
    ]


def rows_of(*paths: Path) -> list[dict[str, Any]]:
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def test_the_example_equals_the_oracle(example: Path) -> None:
    base = example / "output" / "sensors" / "skeleton"
    assert sorted(path.name for path in base.iterdir()) == [f"dt={day}" for day in DAYS]
    rows = rows_of(*(base / f"dt={day}" / "part-0-0.parquet" for day in DAYS))
    wanted = expected(example)
    assert len(rows) == len(wanted) == 120
    assert any(row["offset"] is None for row in wanted)
    assert any(row["offset"] is not None for row in wanted)
    for row, right in zip(rows, wanted, strict=True):
        total, right_total = row.pop("sum_1d"), right.pop("sum_1d")
        assert row == right
        # One unit in the last place of the exact sum.
        assert total == right_total or total == pytest.approx(float(right_total), rel=2**-52)


def test_the_rows_after_the_sink_go_on_in_the_pipeline(example: Path) -> None:
    values = defaultdict(list)
    for row in expected(example):
        values[row["sensor_id"]].append(row["celsius"] + (row["offset"] or 0.0))
    wanted = [f"sensor {sensor}: {sum(readings) / len(readings):.2f}" for sensor, readings in sorted(values.items())]
    assert (example / "stdout").read_text().splitlines() == wanted


def test_the_manifest_says_what_each_operator_does(example: Path) -> None:
    day = example / "output" / "sensors" / "skeleton" / f"dt={DAYS[0]}"
    fingerprint = json.loads((day / "_manifest.json").read_text())["fingerprint"]
    assert set(fingerprint["operators"]) == {
        "readings_of_the_day", "readings_before", "calibrations", "last_day", "offset_then", "write",
    }  # fmt: skip
    assert set(fingerprint["inputs"]) == {"readings_of_the_day", "readings_before", "calibrations"}


def test_public_names_are_there_and_nothing_heavy_is_imported_for_them(tmp_path: Path) -> None:
    code = """
import json, sys
import beam_pipeline
import beam_pipeline.command
before = sorted({name.partition(".")[0] for name in sys.modules} & {"apache_beam", "duckdb", "grpc", "pyarrow"})
found = [getattr(beam_pipeline, name).__name__ for name in beam_pipeline.__all__]
try:
    beam_pipeline.Scann
except AttributeError as error:
    told = str(error)
hidden = sorted(set(beam_pipeline.__all__) - set(dir(beam_pipeline)))
print(json.dumps([before, found, beam_pipeline.__all__, told, hidden]))
"""
    done = python(tmp_path, code)
    assert done.returncode == 0, done.stderr
    before, imported, names, told, hidden = json.loads(done.stdout)
    assert before == []
    assert imported == names
    assert hidden == []
    assert told == f"module 'beam_pipeline' has no attribute 'Scann': it has {', '.join(names)}"


WITHOUT_SINK = """
import apache_beam as beam
from beam_pipeline import Days, Scan, open_run
try:
    with open_run("output", "sensors") as run, beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | Days({days}) | Scan(own_pipeline.TODAY, run)
except Exception as error:
    print(type(error).__name__, error)
"""
LABELLED = """
import beam_pipeline
with beam_pipeline.open_run("output", "sensors") as run:
    print(beam_pipeline.RollingAggregate(own_pipeline.LAST_DAY, run).label, beam_pipeline.Days(["2024-03-02"]).label)
"""
OUT_OF_ORDER = """
import apache_beam as beam
from beam_pipeline import Days, PointInTimeJoin, Scan, Sink, open_run
try:
    with open_run("output", "sensors") as run, beam.Pipeline(runner="FnApiRunner") as pipeline:
        days = pipeline | Days(["2024-03-02"]) | Scan(own_pipeline.TODAY, run)
        _ = days | PointInTimeJoin(own_pipeline.OFFSET, run) | Sink(own_pipeline.WRITTEN, run)
except Exception as error:
    print(str(error).splitlines()[0])
"""
CHANGED = """
import datetime
import pyarrow.parquet as pq
path = "readings/dt=2024-03-02/" + pathlib.Path("readings/dt=2024-03-02").glob("*.parquet").__next__().name
rows = pq.read_table(path, partitioning=None)
names, times = rows.column_names, rows.column("event_timestamp").to_pylist()
{change}
place = names.index("event_timestamp")
rows = rows.set_column(place, rows.schema.field(place), [times]).rename_columns(names)
pq.write_table(rows, path)
try:
    own_pipeline.build(pathlib.Path("."), [datetime.date(2024, 3, 2)])
except Exception as error:
    print(error)
"""
# What the files become, and what is told of them.
CHANGES = {
    "another day": (
        "times = [one + datetime.timedelta(days=1) for one in times]",
        "has rows outside of 2024-03-02 (its 'event_timestamp' goes from 2024-03-03",
    ),
    "no time": ("times[0] = None", "has 1 row without 'event_timestamp', which belong to no day"),
    "no column": ("names[2] = 'fahrenheit'", "has no column 'celsius'"),
}
PIPELINES = {
    "labelled": LABELLED,
    "without a sink": WITHOUT_SINK.format(days=["2024-03-02"]),
    "two days without a sink": WITHOUT_SINK.format(days=list(DAYS)),
    "out of order": OUT_OF_ORDER,
    **{name: CHANGED.format(change=change) for name, (change, _) in CHANGES.items()},
}
# Runs them one after another, since Beam takes a second or two to import; each in a directory with data of its own.
EACH = """
import contextlib, io, json, os, pathlib, sys, traceback
sys.path.insert(0, sys.argv[1])
import own_pipeline
told = {}
for name, code in json.loads(sys.argv[2]).items():
    os.mkdir(name)
    os.chdir(name)
    own_pipeline.make_data(pathlib.Path("."), 3)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"own_pipeline": own_pipeline, "pathlib": pathlib})
    os.chdir("..")
    told[name] = printed.getvalue()
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Pipelines:
    """What each pipeline printed, and the directory that it had."""

    directory: Path
    printed: dict[str, str]

    def output(self, name: str) -> Path:
        return self.directory / name / "output" / "sensors"


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Pipelines:
    directory = tmp_path_factory.mktemp("pipelines")
    words = [sys.executable, "-c", EACH, str(EXAMPLE), json.dumps(PIPELINES)]
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return Pipelines(directory, json.loads(done.stdout.splitlines()[-1]))


def test_a_transform_is_labelled_with_the_name_of_its_operator(pipelines: Pipelines) -> None:
    assert pipelines.printed["labelled"] == "last_day Days\n"


def test_a_chain_without_a_sink_is_an_error_and_waits_for_nothing(pipelines: Pipelines) -> None:
    told = pipelines.printed["without a sink"]
    assert told == "DayError 2024-03-02: not written: let the chain of operators end with a Sink\n"
    assert left_in_staging(pipelines.output("without a sink")) == []


def test_a_second_day_does_not_wait_for_one_without_a_sink(pipelines: Pipelines) -> None:
    assert pipelines.printed["two days without a sink"].startswith(
        "DayError day 2024-03-03: the day 2024-03-02 before it has not been ended: let the chain of operators end with "
        "a Sink, and put nothing between them that breaks fusion"
    )
    assert left_in_staging(pipelines.output("two days without a sink")) == []


@pytest.mark.parametrize("name", CHANGES)
def test_what_no_run_has_checked_is_checked_by_the_day(pipelines: Pipelines, name: str) -> None:
    told = pipelines.printed[name]
    assert "day 2024-03-02, operator 'readings_of_the_day': view 'readings': " in told
    assert CHANGES[name][1] in told
    assert not list(pipelines.output(name).glob("skeleton/dt=*"))
    assert left_in_staging(pipelines.output(name)) == []


def test_an_operator_out_of_order_is_told_by_name(pipelines: Pipelines) -> None:
    assert pipelines.printed["out of order"].startswith(
        "day 2024-03-02, operator 'offset_then': operator 'offset_then' (pit_join): no relation 'with_history' has "
        "been made before it: today"
    )
    assert left_in_staging(pipelines.output("out of order")) == []

"""Operators of daeda in a Beam pipeline of your own: sensor readings with what was known just before each.

    python examples/own_pipeline/own_pipeline.py --directory own_pipeline

No YAML is read. Each operator is a description (`daeda.operators`), and its PTransform (`beam_pipeline`) runs it for
one day after another. What comes after the Sink is plain Beam.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline import Days, PointInTimeJoin, RollingAggregate, Scan, Sink, open_run
from daeda.operators import relational, temporal
from daeda.operators.operator import Instant

FIRST_DAY = dt.date(2024, 3, 1)
TIME = Instant(column="event_timestamp", unit="us")


def columns(**types: str) -> tuple[relational.ScanColumn, ...]:
    """Columns that have in the files the names that they have here."""
    return tuple(relational.ScanColumn(name=name, source=name, dtype=dtype) for name, dtype in types.items())


READING = columns(sensor_id="int64", event_timestamp="timestamp[us]", celsius="double")

# The rows of the day, in the one order in which they are written.
TODAY = relational.Scan(
    name="readings_of_the_day", output="today", view="readings", path="readings", reads="day", time=TIME,
    columns=READING, order_by=("event_timestamp", "sensor_id", "celsius"),
)  # fmt: skip
# The same files once more, as far back as the longest window looks.
HISTORY = relational.Scan(
    name="readings_before", output="history", view="readings", path="readings", reads="lookback", lookback="1d",
    time=TIME, columns=READING,
)  # fmt: skip
CALIBRATIONS = relational.Scan(
    name="calibrations", output="calibrations", view="calibrations", path="calibrations.parquet", reads="lookback",
    lookback="unbounded", time=TIME,
    columns=columns(sensor_id="int64", event_timestamp="timestamp[us]", offset="double"),
)  # fmt: skip
LAST_DAY = temporal.RollingAggregate(
    name="last_day",
    inputs=("today", "history"),
    output="with_history",
    engine="sql_arrow_udf",
    keys=("sensor_id",),
    left_time=TIME,
    history_time=TIME,
    tie_order=("celsius",),
    aggregates=(
        temporal.Aggregate(name="readings_1d", kind="count", window="1d"),
        temporal.Aggregate(name="sum_1d", kind="sum", column="celsius", window="1d"),
        temporal.Aggregate(name="newest_6h", kind="list", column="celsius", window="6h", max_length=3),
    ),
)
OFFSET = temporal.PointInTimeJoin(
    name="offset_then", inputs=("with_history", "calibrations"), output="with_offset", keys=("sensor_id",),
    left_time=TIME, right_time=TIME, columns=("offset",), tie_order=("offset",),
)  # fmt: skip
WRITTEN = relational.Sink(name="write", inputs=("with_offset",), output="written", dataset="skeleton")


def make_data(directory: Path, days: int) -> None:
    """Readings of five sensors, a partition per day, and calibrations in one file; always the same."""
    chance = random.Random(7)
    midnight = dt.datetime.combine(FIRST_DAY, dt.time())
    for day in range(days):
        readings = [
            {
                "sensor_id": chance.randrange(5),
                "event_timestamp": midnight + dt.timedelta(days=day, minutes=chance.randrange(1440)),
                "celsius": round(chance.gauss(20, 5), 1),
            }
            for _ in range(60)
        ]
        path = directory / "readings" / f"dt={FIRST_DAY + dt.timedelta(days=day)}" / "part-0.parquet"
        _write(
            path, readings, {"sensor_id": pa.int64(), "event_timestamp": pa.timestamp("us"), "celsius": pa.float64()}
        )
    calibrations = [
        {
            "sensor_id": sensor,
            "event_timestamp": midnight + dt.timedelta(hours=chance.randrange(24 * days)),
            "offset": round(chance.uniform(-1, 1), 2),
        }
        for sensor in range(4)
        for _ in range(3)
    ]
    types = {"sensor_id": pa.int64(), "event_timestamp": pa.timestamp("us"), "offset": pa.float64()}
    _write(directory / "calibrations.parquet", calibrations, types)


def _write(path: Path, rows: list[dict[str, Any]], types: dict[str, pa.DataType]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), path)


def build(directory: Path, days: list[dt.date]) -> None:
    """Build the days, and from their rows a text file with the mean of what each sensor read on all of them."""
    # The local runner by its own name: DirectRunner may choose another one, and download it.
    options = PipelineOptions(runner="FnApiRunner", direct_num_workers=2, direct_running_mode="multi_threading")
    with (
        open_run(directory / "output", "sensors", data_root=directory, day_workers=2) as run,
        beam.Pipeline(options=options) as pipeline,
    ):
        rows = (
            pipeline
            | Days(days)
            | Scan(TODAY, run)
            | Scan(HISTORY, run)
            | Scan(CALIBRATIONS, run)
            | RollingAggregate(LAST_DAY, run)
            | PointInTimeJoin(OFFSET, run)
            | Sink(WRITTEN, run)
            # From here on it is a pipeline like any other: a day handle lists the files of its day.
            | "Files" >> beam.FlatMap(lambda day: day.parts)
            | beam.io.ReadAllFromParquet()
        )
        _ = (
            rows
            | "Calibrated" >> beam.Map(lambda row: (row["sensor_id"], row["celsius"] + (row["offset"] or 0.0)))
            | beam.combiners.Mean.PerKey()
            | "Line" >> beam.MapTuple(lambda sensor, mean: f"sensor {sensor}: {mean:.2f}")
            | beam.io.WriteToText(str(directory / "means"), file_name_suffix=".txt", shard_name_template="")
        )


def main() -> None:
    """Make the data, run the pipeline, show what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where data and output go")
    parser.add_argument("--days", type=int, default=3)
    arguments = parser.parse_args()
    make_data(arguments.directory, arguments.days)
    # The first day has no day before it, so its windows would be cut.
    days = [FIRST_DAY + dt.timedelta(days=number) for number in range(1, arguments.days)]
    build(arguments.directory, days)
    means = (arguments.directory / "means.txt").read_text(encoding="utf-8")
    print("\n".join(sorted(means.splitlines())))


if __name__ == "__main__":
    main()

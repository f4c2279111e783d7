"""Flights, planes and weather in 45 lines of YAML; the same written out in full publishes the same bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest
import yaml

from daeda.catalog.project import ProjectPaths, load_project
from daeda.cli.main import main
from tests.projects import write_parquet

SHORT = {
    "config/training/runtime.yaml": """\
service: delays
output_root: output
feed_start: 2013-01-02
feed_end: 2013-01-02
""",
    "config/training/aggregations.yaml": """\
aggregation_specs:
  - {name: flights_of_tail, entity: tail, history: {view: flights}, kind: count, windows: [1d, 7d]}
  - {name: delay_of_tail, entity: tail, history: {view: flights}, column: dep_delay, kind: mean, window: 7d}
  - {name: delay_at_airport, entity: airport, history: {view: flights}, column: dep_delay, kind: max, window: 1d}
  - {name: carriers, entity: airport, history: {view: flights}, column: carrier, kind: top_k, window: 7d, max_length: 3}
label_specs:
  - {name: flies_again, entity: tail, history: {view: flights}, kind: any, window: 1d}
""",
    "feature_views/flights.yaml": """\
name: flights
entity: [{tail: tailnum}, {airport: origin}]
source: {path: data/flights, timestamp_field: time_hour}
fields: [{name: tailnum, dtype: string}, {name: origin, dtype: string}, {name: time_hour, dtype: "timestamp[us]"},
  {name: carrier, dtype: string}, {name: dep_delay, dtype: double}]
""",
    "feature_views/planes.yaml": """\
name: planes
entity: {tail: tailnum}
source: {path: data/planes.parquet}
fields: [{name: tailnum, dtype: string}, {name: seats, dtype: int32}, {name: engine, dtype: string}]
""",
    "feature_views/weather.yaml": """\
name: weather
entity: {airport: origin}
source: {path: data/weather.parquet, timestamp_field: at}
fields: [{name: origin, dtype: string}, {name: at, dtype: "timestamp[us]"}, {name: wind, dtype: double}]
""",
    "feature_services/delays.yaml": """\
name: delays
version: 1
grain: [tailnum, time_hour]
spine: {view: flights}
columns:
  - {name: tailnum, kind: key, dtype: string}
  - {name: origin, kind: key, dtype: string}
  - {name: time_hour, kind: timestamp, dtype: "timestamp[us]"}
  - {name: carrier, kind: spine, dtype: string}
  - {name: dep_delay, kind: spine, dtype: double}
  - {name: seats, kind: static, dtype: int32}
  - {name: engine, kind: static, dtype: string}
  - {name: wind, kind: point_in_time, dtype: double}
""",
}
# The rest of the columns, and what the long spelling says beside: each thing that the short one leaves out.
WINDOWS = {
    "flights_of_tail_1d": "int64", "flights_of_tail_7d": "int64", "delay_of_tail": "double",
    "delay_at_airport": "double", "carriers": "list<string>", "flies_again": "bool",
}  # fmt: skip
CALENDAR = {"hour": "hour_of(time_hour)", "weekday": "day_of_week(time_hour)"}


def write(root: Path, *, in_full: bool) -> ProjectPaths:
    """The project, with what may be left out or without it, and its data."""
    texts = dict(SHORT)
    columns = [
        f"  - {{name: {name}, kind: {'label' if name == 'flies_again' else 'rolling'}"
        f"{f', dtype: {dtype!r}' if in_full else ''}}}"
        for name, dtype in WINDOWS.items()
    ]
    columns += [
        f'  - {{name: {name}, kind: derived, dtype: int8, expression: "{text}"}}' for name, text in CALENDAR.items()
    ]
    texts["feature_services/delays.yaml"] += "".join(f"{line}\n" for line in columns)
    if not in_full:
        assert sum(text.count("\n") for text in texts.values()) <= 45
    names = [column["name"] for column in yaml.safe_load(texts["feature_services/delays.yaml"])["columns"]]
    assert len(names) == 16
    if in_full:
        texts["config/training/runtime.yaml"] += (
            f"output_columns: [{', '.join(names)}]\nfeature_refs: [planes:engine, planes:seats, weather:wind]\n"
        )
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    _write_data(root / "data")
    return ProjectPaths(root / "config/training/runtime.yaml")


def _write_data(data: Path) -> None:
    types = {"tailnum": "string", "origin": "string", "time_hour": "timestamp[us]", "carrier": "string"}
    for day in (1, 2, 3, 4, 5):
        rows = [
            (
                f"N{number % 3}",
                "JFK" if number % 2 else "EWR",
                dt.datetime(2013, 1, day, 5 + number),
                "UA",
                number - 2.0,
            )
            for number in range(6)
        ]
        write_parquet(data / f"flights/dt=2013-01-0{day}/part.parquet", {**types, "dep_delay": "double"}, rows)
    planes = {"tailnum": "string", "seats": "int32", "engine": "string"}
    write_parquet(data / "planes.parquet", planes, [("N0", 55, "Turbo-fan"), ("N1", 200, "Turbo-jet")])
    weather = [(airport, dt.datetime(2013, 1, 1, hour), hour / 2) for airport in ("JFK", "EWR") for hour in range(24)]
    write_parquet(data / "weather.parquet", {"origin": "string", "at": "timestamp[us]", "wind": "double"}, weather)


def test_both_spellings_publish_the_same_bytes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    published = []
    for in_full in (False, True):
        paths = write(tmp_path / str(in_full), in_full=in_full)
        assert [column.dtype.name for column in load_project(paths).service.columns][8:14] == list(WINDOWS.values())
        assert main(["train", "--runtime-config-path", str(paths.runtime)]) == 0
        directory = Path(capfd.readouterr().out.strip())
        parts = sorted(directory.glob("dt=*/*.parquet"))
        published.append(
            [(path.relative_to(directory), hashlib.sha256(path.read_bytes()).hexdigest()) for path in parts]
        )
    assert len(published[0]) == 1
    assert published[0] == published[1]

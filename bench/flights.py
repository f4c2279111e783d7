"""A year of flights in one file, an hourly weather view, and a service over them: what an audit of flat files meets.

Three airports have all the flights, so that a window over an airport holds thousands of rows, and 4,000 planes have few
each. Times are those of a timetable, so that rows of one airport tie. The weather view has a ttl that is shorter than
the windows that average it, and reports that became known late.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

SERVICE = "delays"
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
FIRST = dt.datetime(2013, 1, 1)

VIEWS: dict[str, dict[str, Any]] = {
    "flights": {
        "entity": ["tail", "origin"],
        "source": {"path": "flights.parquet", "timestamp_field": "scheduled_at"},
        "field_mapping": {"tailnum": "tail_id", "origin": "origin_id"},
        "fields": {
            "tail_id": "string", "origin_id": "string", "scheduled_at": "timestamp[us]", "carrier": "string",
            "flight": "int64", "dest": "string", "dep_delay": "double", "arr_delay": "double", "air_time": "double",
            "distance": "int64", "cancelled": "bool",
        },
    },
    "weather": {
        "entity": "origin",
        "ttl": "1h",
        "source": {"path": "weather.parquet", "timestamp_field": "observed_at", "created_field": "reported_at"},
        "field_mapping": {"origin": "origin_id"},
        "fields": {
            "origin_id": "string", "observed_at": "timestamp[us]", "reported_at": "timestamp[us]", "temp": "double",
            "wind_speed": "double", "visibility": "double",
        },
    },
    "planes": {
        "entity": "tail",
        "source": {"path": "planes.parquet"},
        "field_mapping": {"tailnum": "tail_id"},
        "fields": {"tail_id": "string", "maker": "string", "seats": "int64"},
    },
}  # fmt: skip

# Name, entity, kind, column, windows, what else, and the type of the column.
SPECS: tuple[tuple[str, str, str, str, tuple[str, ...], dict[str, Any], str], ...] = (
    ("tail_flights", "tail", "count", "", ("1d", "7d", "30d", "unbounded"), {}, "int64"),
    ("tail_delay", "tail", "mean", "dep_delay", ("7d", "30d"), {}, "double"),
    ("tail_worst", "tail", "max", "arr_delay", ("30d",), {}, "double"),
    ("tail_last", "tail", "last", "dest", ("7d",), {}, "string"),
    ("tail_dests", "tail", "last_distinct", "dest", ("30d",), {"max_length": 10}, "list<string>"),
    ("tail_trail", "tail", "list", "dest", ("unbounded",), {"max_length": 20}, "list<string>"),
    ("tail_wind", "tail", "mean", "wind_speed", ("30d",), {"attribute": "weather:wind_speed"}, "double"),
    ("origin_flights", "origin", "count", "", ("1h", "1d"), {}, "int64"),
    ("origin_delay", "origin", "mean", "dep_delay", ("1d", "7d"), {}, "double"),
    ("origin_spread", "origin", "std", "dep_delay", ("7d",), {}, "double"),
    ("origin_distance", "origin", "sum", "distance", ("7d",), {}, "int64"),
    ("origin_least", "origin", "min", "arr_delay", ("7d",), {}, "double"),
    ("origin_dests", "origin", "count_distinct", "dest", ("30d",), {}, "int64"),
    ("origin_busiest", "origin", "top_k", "dest", ("7d",), {"max_length": 5}, "list<string>"),
    ("origin_late", "origin", "count", "", ("1d", "unbounded"), {"where": "dep_delay > 30"}, "int64"),
    ("origin_temp", "origin", "mean", "temp", ("7d",), {"attribute": "weather:temp"}, "double"),
    ("origin_sight", "origin", "min", "visibility", ("1d",), {"attribute": "weather:visibility"}, "double"),
)
LOOKED_UP = {"temp": "double", "wind_speed": "double", "visibility": "double"}
STATIC = {"maker": "string", "seats": "int64"}
KEPT = ("tail_id", "origin_id", "scheduled_at", "carrier", "flight", "dest", "distance")


@dataclass(frozen=True)
class Size:
    """How many flights a year has, and on how many of its last days the service is built."""

    flights: int
    days: int


def make(directory: Path, size: Size) -> None:
    """Write the project and its data."""
    make_data(directory / "data", size)
    last = dt.date(2013, 12, 30)
    write_project(directory, last - dt.timedelta(days=size.days - 1), last)


def make_data(directory: Path, size: Size) -> None:
    directory.mkdir(parents=True)
    draw = np.random.default_rng(11)
    year = 365 * 86_400_000_000
    start = int(FIRST.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    count = size.flights
    # A timetable of five minutes, from 5 to 23 o'clock.
    days, slots = draw.integers(0, 365, count), draw.integers(60, 276, count)
    times = np.sort(start + days * 86_400_000_000 + slots * 300_000_000)
    planes = [f"N{number:05d}" for number in range(max(10, size.flights // 84))]
    delay = np.round(draw.gamma(1.2, 20.0, count) - 12)
    cancelled = draw.random(count) < 0.025
    flights = {
        "tailnum": _texts(draw, planes, count, missing=0.007), "origin": _texts(draw, ORIGINS, count),
        "scheduled_at": pa.array(times, pa.timestamp("us")), "carrier": _texts(draw, CARRIERS, count),
        "flight": pa.array(draw.integers(1, 6000, count)),
        "dest": _texts(draw, [f"D{number:02d}" for number in range(105)], count),
        "dep_delay": pa.array(delay, mask=cancelled),
        "arr_delay": pa.array(delay + np.round(draw.normal(-4, 15, count)), mask=cancelled),
        "air_time": pa.array(np.round(draw.gamma(3.0, 50.0, count)), mask=cancelled),
        "distance": pa.array(draw.integers(80, 4984, count)), "cancelled": pa.array(cancelled),
    }  # fmt: skip
    pq.write_table(pa.table(flights), directory / "flights.parquet")
    _write_weather(directory / "weather.parquet", draw, start, year)
    static = {
        "tailnum": pa.array(planes), "maker": _texts(draw, ("AIRBUS", "BOEING", "EMBRAER"), len(planes), missing=0.1),
        "seats": pa.array(draw.integers(2, 451, len(planes))),
    }  # fmt: skip
    pq.write_table(pa.table(static), directory / "planes.parquet")


def _write_weather(path: Path, draw: np.random.Generator, start: int, year: int) -> None:
    hours = np.arange(start, start + year, 3_600_000_000)
    count = len(hours) * len(ORIGINS)
    observed = np.repeat(hours, len(ORIGINS))
    # Most reports are there at once, some after twenty minutes, a few after a day, and some never.
    late = draw.choice([0, 20, 24 * 60], count, p=[0.9, 0.08, 0.02]) * 60_000_000
    weather = {
        "origin": pa.array(list(ORIGINS) * len(hours)), "observed_at": pa.array(observed, pa.timestamp("us")),
        "reported_at": pa.array(observed + late, pa.timestamp("us"), mask=draw.random(count) < 0.01),
        "temp": pa.array(np.round(draw.normal(55, 18, count), 2), mask=draw.random(count) < 0.01),
        "wind_speed": pa.array(draw.gamma(3.0, 3.5, count)),
        "visibility": pa.array(np.round(10 - np.minimum(draw.gamma(0.5, 1.0, count), 10), 2)),
    }  # fmt: skip
    pq.write_table(pa.table(weather).filter(pa.array(draw.random(count) < 0.98)), path)


def _texts(draw: np.random.Generator, words: Any, count: int, missing: float = 0.0) -> pa.Array:
    chosen = pa.array(draw.integers(0, len(words), count), mask=draw.random(count) < missing)
    return pa.array(list(words)).take(chosen)


def write_project(directory: Path, first: dt.date, last: dt.date) -> Path:
    """Write the YAML files; returns the path of runtime.yaml."""
    rolling = {
        name if len(windows) == 1 else f"{name}_{window}": dtype
        for name, _, _, _, windows, _, dtype in SPECS
        for window in windows
    }
    kinds = {name: ("spine", VIEWS["flights"]["fields"][name]) for name in KEPT}
    kinds |= {"tail_id": ("key", "string"), "origin_id": ("key", "string")}
    kinds |= {"scheduled_at": ("timestamp", "timestamp[us]")}
    kinds |= {name: ("point_in_time", dtype) for name, dtype in LOOKED_UP.items()}
    kinds |= {name: ("static", dtype) for name, dtype in STATIC.items()}
    kinds |= {name: ("rolling", dtype) for name, dtype in rolling.items()}
    columns: list[dict[str, Any]] = [
        {"name": name, "kind": kind, "dtype": dtype} for name, (kind, dtype) in kinds.items()
    ]
    columns.append(
        {"name": "above_mean", "kind": "derived", "dtype": "bool", "expression": "tail_delay_7d > origin_delay_7d"}
    )
    refs = [*(f"weather:{name}" for name in LOOKED_UP), *(f"planes:{name}" for name in STATIC)]
    files: dict[str, Mapping[str, Any]] = {
        "config/training/runtime.yaml": {
            "service": SERVICE, "data_root": "data", "output_root": "output", "feed_start": str(first),
            "feed_end": str(last), "feature_refs": refs, "output_columns": [column["name"] for column in columns],
            "compute": {"duckdb_config": {"threads": 2}},
        },
        "config/training/aggregations.yaml": {"aggregation_specs": [_spec(*spec[:-1]) for spec in SPECS]},
        f"feature_services/{SERVICE}.yaml": {
            "name": SERVICE, "version": 1, "grain": ["tail_id", "origin_id"],
            "spine": {"view": "flights", "filters": [{"where": "NOT cancelled"}]}, "columns": columns,
        },
    }  # fmt: skip
    for name, view in VIEWS.items():
        fields = [{"name": field, "dtype": dtype} for field, dtype in view["fields"].items()]
        files[f"feature_views/{name}.yaml"] = {"name": name, **view, "fields": fields}
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return directory / "config/training/runtime.yaml"


def _spec(
    name: str, entity: str, kind: str, column: str, windows: tuple[str, ...], more: dict[str, Any]
) -> dict[str, Any]:
    history: dict[str, Any] = {"view": "flights"}
    history |= {"attributes": [more["attribute"]]} if "attribute" in more else {}
    rest = {key: value for key, value in more.items() if key != "attribute"}
    length = {"window": windows[0]} if len(windows) == 1 else {"windows": list(windows)}
    return {"name": name, "entity": entity, "history": history, "kind": kind, **({"column": column} if column else {}),
            **length, **rest}  # fmt: skip

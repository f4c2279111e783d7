"""Whole days whose spine is a sample, and whose columns have defaults and read each other, against the oracle.

The project is drawn, built by the skeleton's own command in this process, and read from what it has published.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from beam_pipeline.command import main
from tests.beam_pipeline.windows.numpy_engine.cases import same
from tests.oracle.derived import Shown, shown
from tests.oracle.rolling import rolling
from tests.oracle.sampling import sample
from tests.projects import TinyProject, fields

Row = dict[str, Any]
_DAY = dt.date(2024, 1, 2)
_NOON = dt.datetime(2024, 1, 2, 12)
_TYPES = {
    "user_id": "int64", "row": "int64", "at": "timestamp[us]", "j": "string", "b": "bool", "born": "date", "n": "int64",
    "x": "double", "s": "string",
}  # fmt: skip
_WINDOWS = {"20s": dt.timedelta(seconds=20), "100s": dt.timedelta(seconds=100), "1h": dt.timedelta(hours=1)}
_SPECS: list[Row] = [
    {"name": "total", "kind": "sum", "column": "n"}, {"name": "newest", "kind": "last", "column": "s"},
    {"name": "some", "kind": "list", "column": "n", "max_length": 3},
]  # fmt: skip
_COLUMNS: list[Row] = [
    {"name": "user_id", "kind": "key", "dtype": "int64"}, {"name": "row", "kind": "spine", "dtype": "int64"},
    {"name": "at", "kind": "timestamp", "dtype": "timestamp[us]"},
    {"name": "n", "kind": "spine", "dtype": "int64"}, {"name": "b", "kind": "spine", "dtype": "bool"},
    {"name": "total", "kind": "rolling", "dtype": "int64"}, {"name": "newest", "kind": "rolling", "dtype": "string"},
    {"name": "some", "kind": "rolling", "dtype": "list<int64>"},
    {"name": "x", "kind": "derived", "dtype": "double", "expression": "x / 2"},
    {"name": "more", "kind": "derived", "dtype": "int64", "expression": "n + total"},
    {"name": "twice", "kind": "derived", "dtype": "int64", "expression": "more * 2"},
    {"name": "is_new", "kind": "derived", "dtype": "bool", "expression": "newest = s OR b"},
    {"name": "length", "kind": "derived", "dtype": "int64", "expression": "CASE WHEN b THEN length(newest) END"},
]  # fmt: skip
_DEFAULTS: dict[str, list[Any]] = {
    "x": [0.0, -1.5], "newest": ["", "none", "é"], **{name: [True, False] for name in ("b", "is_new")},
    **{name: [0, -7, 2**40] for name in ("n", "total", "more", "twice", "length")},
}  # fmt: skip
_WHERES: dict[str | None, Callable[[Row], bool | None] | None] = {
    None: None,
    "s = 'a'": lambda row: None if row["s"] is None else row["s"] == "a",
    "n > 2 OR b": lambda row: _either(None if row["n"] is None else row["n"] > 2, row["b"]),
}


def _either(left: bool | None, right: bool | None) -> bool | None:
    """OR as SQL has it."""
    return True if left or right else None if None in (left, right) else False


# What the expressions mean: the columns that each reads, and what it makes of them.
_MAKES: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "x": (("x",), lambda x: None if x is None else x / 2),
    "more": (("n", "total"), lambda n, total: None if None in (n, total) else n + total),
    "twice": (("more",), lambda more: None if more is None else more * 2),
    "is_new": (
        ("newest", "s", "b"), lambda newest, s, b: _either(None if None in (newest, s) else newest == s, b),
    ),
    "length": (("b", "newest"), lambda b, newest: len(newest) if b and newest is not None else None),
}  # fmt: skip


@dataclass(frozen=True)
class _Drawn:
    """A project of one day, and what its columns mean."""

    rows: list[Row]
    columns: list[Row]
    shown: dict[str, Shown]
    aggregates: list[Row]
    sample: Row


def compared_days(draw: random.Random, rows: int, rule: str, engines: Sequence[str]) -> dict[str, dict[str, int]]:
    """By engine how many values were compared, and how many were not the same.

    The rule `sample` compares which rows stay, and their weights; `default` each column that has a default, or reads
    one, in a sample that drops no row.
    """
    drawn = _drawn(draw, rows, rule)
    names = ["heft"] if rule == "sample" else [one for one in drawn.shown if one not in ("row", "at")]
    expected = _expected(drawn)
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        project = _project(Path(directory) / "project", drawn)
        for engine in engines:
            built = _built(project, Path(directory) / engine, engine)
            pairs = list(_pairs(built, expected, names))
            found[engine] = {"values": rows * len(names), "mismatches": sum(not same("", *pair) for pair in pairs)}
    return found


def _pairs(built: Sequence[Row], expected: dict[int, Row], names: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """What is there and what is to be, of each row and column; a row that should not be there, or is not, is a pair."""
    numbers = [row["row"] for row in built]
    yield from ((number, None) for number in numbers if number not in expected)
    yield from ((None, number) for number in expected.keys() - set(numbers))
    yield (len(numbers), len(set(numbers)))
    for row in built:
        if row["row"] in expected:
            yield from ((row[name], expected[row["row"]][name]) for name in names)


def _drawn(draw: random.Random, count: int, rule: str) -> _Drawn:
    rows = [_row(draw, number, count) for number in range(count)]
    specs = [{**spec, "window": draw.choice(list(_WINDOWS))} for spec in _SPECS]
    columns = [dict(column) for column in _COLUMNS]
    for column in columns:
        values = _DEFAULTS.get(column["name"])
        if values is not None and draw.random() < 0.6:
            column["default"] = draw.choice(values)
    meaning = {
        one["name"]: Shown(one["name"], *_MAKES.get(one["name"], ()), default=one.get("default")) for one in columns
    }
    sampled: Row = {"share": "1", "by": ["row"], "weight": "heft"}
    if rule == "sample":
        sampled = {
            "share": draw.choice(["0.1", "0.5", "0.333333333333333333", "0.999999999999999999999", "0.07"]),
            "by": draw.sample(["user_id", "row", "j", "b", "born"], draw.randint(1, 3)),
            "seed": draw.choice([0, 7, -3, 2**70]), "where": draw.choice(list(_WHERES)), "weight": "heft",
        }  # fmt: skip
    return _Drawn(rows, [*columns, {"name": "heft", "kind": "spine", "dtype": "double"}], meaning, specs, sampled)


def _row(draw: random.Random, number: int, count: int) -> Row:
    seconds = draw.randint(-400, 400)
    row: Row = {
        "user_id": draw.randint(0, count // 30), "row": number, "at": _NOON + dt.timedelta(seconds=seconds),
        "j": draw.choice(["", "a", "ä", "日本", "a|b", "|", "null"]), "b": draw.random() < 0.5,
        "born": dt.date(999, 12, 31) + dt.timedelta(days=draw.randint(0, 500_000)),
        "n": draw.choice([draw.randint(0, 8), draw.randint(-(2**40), 2**40)]), "x": draw.gauss(0, 1e6),
        "s": draw.choice(["", "a", "A", "é", "\U0001f600"]),
    }  # fmt: skip
    for name in ("j", "b", "born", "n", "x", "s"):
        if draw.random() < 0.15:
            row[name] = None
    if draw.random() < 0.02:
        row["user_id"] = None
    return row


def _expected(drawn: _Drawn) -> dict[int, Row]:
    """The rows that stay, by their number, with every column."""
    said = drawn.sample
    kept = sample(drawn.rows, said["share"], said["by"], said.get("seed", 0), _WHERES[said.get("where")])
    rows = [dict(row) for row, _ in kept]
    for spec in drawn.aggregates:
        values = rolling(
            rows, drawn.rows, ["user_id"], "at", "at", spec["kind"], spec["column"], _WINDOWS[spec["window"]],
            spec.get("max_length"), declared=tuple(_TYPES),
        )  # fmt: skip
        for row, value in zip(rows, values, strict=True):
            row[spec["name"]] = value
    return {
        row["row"]: {**{name: shown(drawn.shown, name, row) for name in drawn.shown}, "heft": weight}
        for row, (_, weight) in zip(rows, kept, strict=True)
    }


def _project(root: Path, drawn: _Drawn) -> TinyProject:
    project = TinyProject(root)
    source = {"path": "events", "timestamp_field": "at"}
    project.views = {"events": {"name": "events", "entity": "user", "source": source, "fields": fields(**_TYPES)}}
    project.service |= {
        "grain": ["user_id"], "spine": {"view": "events", "filters": [{"sample": drawn.sample}]},
        "columns": drawn.columns,
    }  # fmt: skip
    project.runtime |= {
        "feature_refs": [], "output_columns": [one["name"] for one in drawn.columns], "feed_start": str(_DAY),
        "feed_end": str(_DAY),
    }  # fmt: skip
    shared = {"entity": "user", "history": {"view": "events"}}
    project.aggregations = {"aggregation_specs": [{**shared, **spec} for spec in drawn.aggregates]}
    project.data = {"events": [tuple(row[name] for name in _TYPES) for row in drawn.rows]}
    return project.write().write_data(flat=True)


def _built(project: TinyProject, output: Path, engine: str) -> list[Row]:
    """The rows of the day, built in this process."""
    before, said = os.environ.get("DAEDA_COMPUTE__ENGINE"), io.StringIO()
    os.environ["DAEDA_COMPUTE__ENGINE"] = engine
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = main(["--runtime-config-path", str(project.runtime_path), "--output-root", str(output)])
    finally:
        if before is None:
            del os.environ["DAEDA_COMPUTE__ENGINE"]
        else:
            os.environ["DAEDA_COMPUTE__ENGINE"] = before
    if code:
        raise RuntimeError(f"the day was not built:\n{said.getvalue()}")
    parts = sorted((output / "ranking" / "skeleton" / f"dt={_DAY}").glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part, partitioning=None).to_pylist()]

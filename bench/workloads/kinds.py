"""Each kind of window alone, and what it takes against the plain kind that it is a relative of.

A day is built with the columns of one kind, by both engines; its seconds are those of the rolling operator: reading and
ordering the history, and the windows. Before a time counts, the engines are compared with each other, and some rows
with DuckDB, which joins them with their windows.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.equality import check_equal
from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import Bench, Outcome, Timed
from bench.own import Built, build
from bench.project import Project
from bench.workloads.five_features import EVENTS, TINY

FEED = Feed(history_days=7, rows_per_history_day=114_286, spine_rows=200_000)
ENGINES = {"duckdb": "daeda", "polars": "daeda_polars"}
_DAY_MS = 86_400_000
# Rows that are computed by a join as well.
_SAMPLE = 500
_NEWEST_FIRST = "ORDER BY h.event_timestamp DESC, h.artwork_id DESC, h.event DESC, h.aes_score DESC"


@dataclass(frozen=True)
class Measured:
    """What is built alone, over 7 days.

    Attributes:
        specs: entries of the aggregations, without what all have.
        types: of the columns that they make.
        queries: the columns in DuckDB over the rows `h` of the window of a row at `t`.
        relative: the plain kind that it is measured against.
        most: the greatest ratio that the project has set itself.
    """

    specs: tuple[Mapping[str, Any], ...]
    types: Mapping[str, str]
    queries: Mapping[str, str]
    relative: str = ""
    most: float | None = None


def _one(dtype: str, query: str, relative: str = "", most: float | None = None, **spec: Any) -> Measured:
    """One column, which is named `x`, or by the entry `named`."""
    named = spec.pop("named", "x")
    return Measured(({"name": "x", **spec},), {named: dtype}, {named: query}, relative, most)


def _lists() -> Measured:
    kept = {"artwork_id": "int64", "event": "string", "aes_score": "double", "event_timestamp": "int64"}
    specs = tuple({"name": f"x_{name}", "kind": "list", "column": name, "max_length": 32} for name in kept)
    types = {f"x_{name}": f"list<{dtype}>" for name, dtype in kept.items()}
    return Measured(specs, types, {f"x_{name}": f"list(h.{name} {_NEWEST_FIRST})[:32]" for name in kept})


def _sequence(layout: str) -> Measured:
    """The same four columns, as one list of structs or as four lists."""
    lists, names = _lists(), ["artwork_id", "event", "aes_score", "event_timestamp"]
    spec = {"name": "x", "kind": "sequence", "columns": names, "max_length": 32, "layout": layout}
    if layout == "columns":
        return Measured((spec,), lists.types, lists.queries, "list of four columns", 1.5)
    fields = ", ".join(f"{name}: {lists.types[f'x_{name}'][5:-1]}" for name in names)
    packed = ", ".join(f"{name} := h.{name}" for name in names)
    query = f"list(struct_pack({packed}) {_NEWEST_FIRST})[:32]"
    return Measured((spec,), {"x": f"list<struct<{fields}>>"}, {"x": query}, "list of four columns", 1.5)


_SCORE = "aes_score"
_WEIGHT = f"pow(2, -(t - h.event_timestamp) / {2 * _DAY_MS}.0)"
KINDS: Mapping[str, Measured] = {
    "count": _one("int64", "count(h.user_id)", kind="count"),
    "any": _one("bool", "count(h.user_id) > 0", "count", kind="any"),
    "decayed_count": _one(
        "double", f"coalesce(sum({_WEIGHT}), 0)", "count", kind="decayed_count", half_life="2d"
    ),
    "sum": _one("double", f"sum(h.{_SCORE})", kind="sum", column=_SCORE),
    "decayed_sum": _one(
        "double", f"sum(h.{_SCORE} * {_WEIGHT})", "sum", 2, kind="decayed_sum", column=_SCORE, half_life="2d"
    ),
    "count_distinct": _one("int64", f"count(DISTINCT h.{_SCORE})", kind="count_distinct", column=_SCORE),
    "quantile": _one(
        "double", f"list_sort(list(h.{_SCORE}))[(9 * count(h.{_SCORE}) + 9) // 10]", "count_distinct", 3,
        kind="quantile", column=_SCORE, q=0.9, named="x_p90",
    ),
    "last": _one("int64", f"first(h.artwork_id {_NEWEST_FIRST})", kind="last", column="artwork_id"),
    "since_last": _one("int64", "t - max(h.event_timestamp)", "last", kind="since_last"),
    "list of four columns": _lists(),
    "sequence": _sequence("struct"),
    "sequence as columns": _sequence("columns"),
}  # fmt: skip


def run(bench: Bench) -> Outcome:
    """Every kind by both engines, and its seconds over those of its relative."""
    feed = replace(FEED, **TINY) if bench.tiny else FEED
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    systems: dict[str, Timed] = {}
    for kind, measured in KINDS.items():
        with bench.scratch() as scratch:
            runtime = project(measured).write(scratch / "project", data, LAST_DAY, LAST_DAY)
            rounds: dict[str, list[Built]] = {engine: [] for engine in ENGINES}
            for engine in list(ENGINES) * bench.rounds:
                rounds[engine].append(build(bench, runtime, engine, 1))
            days = {engine: made[-1].day(LAST_DAY) for engine, made in rounds.items()}
        check_equal(days["duckdb"], days["polars"], f"{kind} by polars")
        check_sample(measured, days["duckdb"], data, kind)
        for engine, made in rounds.items():
            systems[f"{ENGINES[engine]}_{kind}"] = timed = _of_windows(made)
            bench.say(f"{kind}: {engine} {timed.seconds:.3f} s")
    figures = {
        f"{kind}/{measured.relative}, engine {engine}": systems[f"{system}_{kind}"].seconds
        / systems[f"{system}_{measured.relative}"].seconds
        for kind, measured in KINDS.items()
        if measured.relative and not bench.tiny
        for engine, system in ENGINES.items()
    }
    goals = tuple(
        f"{kind} is to take at most {measured.most:g} x {measured.relative}"
        for kind, measured in KINDS.items()
        if measured.most is not None
    )
    return Outcome({"spine": feed.spine_rows, "events": feed.events}, systems, True, figures, goals)


def project(measured: Measured) -> Project:
    """A service with the user, the time and the columns of one kind."""
    shared = {"entity": "user", "history": {"view": "events"}, "window": "7d"}
    return Project(
        views={"events": EVENTS}, kept=("user_id", "event_timestamp"), time="event_timestamp", grain=("user_id",),
        rolling=[{**shared, **spec} for spec in measured.specs], types=measured.types,
    )  # fmt: skip


def check_sample(measured: Measured, day: pa.Table, data: Path, kind: str) -> None:
    """Raise Different unless rows at even distances are what a join with their windows gives."""
    numbers = pa.array(range(0, day.num_rows, max(day.num_rows // _SAMPLE, 1)))
    asked = day.take(numbers).append_column("n", numbers)
    columns = ", ".join(f"{query} AS {name}" for name, query in measured.queries.items())
    with duckdb.connect() as connection:
        connection.register("asked", asked.select(["user_id", "event_timestamp", "n"]))
        connection.execute(f"CREATE VIEW ev AS FROM read_parquet('{data}/ev/*/*.parquet', hive_partitioning = false)")
        joined = connection.execute(f"""
            SELECT a.n, {columns} FROM (SELECT user_id, event_timestamp AS t, n FROM asked) a LEFT JOIN ev h
            ON h.user_id = a.user_id AND h.event_timestamp < t AND h.event_timestamp >= t - {7 * _DAY_MS}
            GROUP BY a.n, t ORDER BY a.n""").to_arrow_table()
    names = list(measured.queries)
    empty = joined.select(names)
    for name in names:
        if pa.types.is_list(asked[name].type):
            lists = [value or [] for value in empty[name].to_pylist()]
            filled = pa.array(lists, asked[name].type)
            empty = empty.set_column(empty.column_names.index(name), name, filled)
    check_equal(asked.select(names), empty, f"{kind} by a join of DuckDB")


def _of_windows(rounds: Sequence[Built]) -> Timed:
    """The median of what the rolling operator took."""
    windows = [sum(took for name, took in one.operators.items() if name.startswith("rolling")) for one in rounds]
    return Timed(statistics.median(windows), statistics.median(one.timed.peak_mib for one in rounds), len(rounds))

"""Each kind of window alone, and what it takes against the plain kind that it is a relative of.

A day is built with the columns of one kind, by both engines; its seconds are those of the operator of windows or
labels: reading and ordering the history, and the windows. Kinds take turns, round by round, and a ratio is the median
of those of the rounds. Before a time counts, the engines are compared with each other, and some rows with DuckDB, which
joins them with their windows.

Every day of the feed has the same number of rows, so that a label of the first day reads as many rows as a window of
the last one. The second key of an entity follows from the first: the groups are the same.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import Bench, Outcome, Timed
from bench.own import build
from bench.project import Project
from bench.workloads.five_features import EVENTS, TINY

FEED = Feed(history_days=7, rows_per_history_day=125_000, spine_rows=125_000)
ENGINES = {"duckdb": "daeda", "polars": "daeda_polars"}
_DAY_MS = 86_400_000
# Rows that are computed by a join as well.
_SAMPLE = 500
_SHOPS = 97
_NEWEST_FIRST = "ORDER BY h.event_timestamp DESC, h.artwork_id DESC, h.event DESC, h.aes_score DESC"
_OLDEST_FIRST = _NEWEST_FIRST.replace(" DESC", "")
_VIEW: Mapping[str, Any] = {
    **EVENTS, "entity": ["user", "shop"], "fields": [*EVENTS["fields"], {"name": "shop_id", "dtype": "int64"}],
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What is built alone, over 7 days.

    Attributes:
        specs: entries of the aggregations, without what all have.
        types: of the columns that they make.
        queries: the columns in DuckDB over the rows `h` of the window of a row at `t`.
        relative: the plain kind that it is measured against.
        entity: whose history it is.
        labels: whether the columns tell of the 7 days after a row.
    """

    specs: tuple[Mapping[str, Any], ...]
    types: Mapping[str, str]
    queries: Mapping[str, str]
    relative: str = ""
    entity: tuple[str, ...] = ("user",)
    labels: bool = False

    @property
    def day(self) -> dt.date:
        """The last day of the feed, or the first one, which has 7 days behind it."""
        return FEED.days[0] if self.labels else LAST_DAY


def _one(dtype: str, query: str, relative: str = "", **spec: Any) -> Measured:
    """One column, which is named `x`, or by the entry `named`."""
    named = spec.pop("named", "x")
    return Measured(({"name": "x", **spec},), {named: dtype}, {named: query}, relative)


def _label(dtype: str, query: str, relative: str, **spec: Any) -> Measured:
    return replace(_one(dtype, query, relative, **spec), labels=True)


def _two_keys(kind: str) -> Measured:
    return replace(KINDS[kind], relative=kind, entity=("user", "shop"))


def _lists() -> Measured:
    kept = {"artwork_id": "int64", "event": "string", "aes_score": "double", "event_timestamp": "int64"}
    specs = tuple({"name": f"x_{name}", "kind": "list", "column": name, "max_length": 32} for name in kept)
    types = {f"x_{name}": f"list<{dtype}>" for name, dtype in kept.items()}
    return Measured(specs, types, {f"x_{name}": f"list(h.{name} {_NEWEST_FIRST})[:32]" for name in kept})


def _sequence(layout: str, age: bool = False) -> Measured:
    """The same four columns, as one list of structs or as four lists; with the ages of the rows, or without."""
    lists, names = _lists(), ["artwork_id", "event", "aes_score", "event_timestamp"]
    spec: dict[str, Any] = {"name": "x", "kind": "sequence", "columns": names, "max_length": 32, "layout": layout}
    types, values = dict(lists.types), {name: f"h.{name}" for name in names}
    if age:
        spec["age"], values["ago"] = "ago", "t - h.event_timestamp"
        types["x_ago"] = "list<int64>"
    if layout == "columns":
        queries = {f"x_{name}": f"list({value} {_NEWEST_FIRST})[:32]" for name, value in values.items()}
        return Measured((spec,), types, queries, "list of four columns")
    fields = ", ".join(f"{name}: {types[f'x_{name}'][5:-1]}" for name in values)
    packed = ", ".join(f"{name} := {value}" for name, value in values.items())
    query = f"list(struct_pack({packed}) {_NEWEST_FIRST})[:32]"
    return Measured((spec,), {"x": f"list<struct<{fields}>>"}, {"x": query}, "list of four columns")


_SCORE = "aes_score"
_WEIGHT = f"pow(2, -(t - h.event_timestamp) / {2 * _DAY_MS}.0)"
KINDS: dict[str, Measured] = {
    "count": _one("int64", "count(h.user_id)", kind="count"),
    "any": _one("bool", "count(h.user_id) > 0", "count", kind="any"),
    "decayed_count": _one("double", f"coalesce(sum({_WEIGHT}), 0)", "count", kind="decayed_count", half_life="2d"),
    "sum": _one("double", f"sum(h.{_SCORE})", kind="sum", column=_SCORE),
    "decayed_sum": _one(
        "double", f"sum(h.{_SCORE} * {_WEIGHT})", "sum", kind="decayed_sum", column=_SCORE, half_life="2d"
    ),
    "label sum": _label("double", f"sum(h.{_SCORE})", "sum", kind="sum", column=_SCORE),
    "count_distinct": _one("int64", f"count(DISTINCT h.{_SCORE})", kind="count_distinct", column=_SCORE),
    "quantile": _one(
        "double", f"list_sort(list(h.{_SCORE}))[(9 * count(h.{_SCORE}) + 9) // 10]", "count_distinct",
        kind="quantile", column=_SCORE, q=0.9, named="x_p90",
    ),
    "label count_distinct": _label(
        "int64", f"count(DISTINCT h.{_SCORE})", "count_distinct", kind="count_distinct", column=_SCORE
    ),
    "last": _one("int64", f"first(h.artwork_id {_NEWEST_FIRST})", kind="last", column="artwork_id"),
    "since_last": _one("int64", "t - max(h.event_timestamp)", "last", kind="since_last"),
    "label until_first": _label("int64", "min(h.event_timestamp) - t", "last", kind="until_first"),
    "list": _one(
        "list<int64>", f"list(h.artwork_id {_NEWEST_FIRST})[:32]", kind="list", column="artwork_id", max_length=32
    ),
    "label list": _label(
        "list<int64>", f"list(h.artwork_id {_OLDEST_FIRST})[:32]", "list", kind="list", column="artwork_id",
        max_length=32,
    ),
    "list of four columns": _lists(),
    "sequence": _sequence("struct"),
    "sequence with ages": _sequence("struct", age=True),
    "sequence as columns with ages": _sequence("columns", age=True),
}  # fmt: skip
KINDS["sum of two keys"] = _two_keys("sum")
KINDS["list of two keys"] = _two_keys("list")


def run(bench: Bench) -> Outcome:
    """Every kind by both engines, and its seconds over those of its relative."""
    feed = replace(FEED, **TINY) if bench.tiny else FEED
    data = bench.data({**feed.parameters(), "shops": _SHOPS}, feed.nbytes, lambda path: _write(path, feed))
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    with ExitStack() as stack:
        runtimes = {
            kind: project(measured).write(stack.enter_context(bench.scratch()) / "project", data, *[measured.day] * 2)
            for kind, measured in KINDS.items()
        }
        for number in range(bench.rounds):
            for kind, measured in KINDS.items():
                built = {engine: build(bench, runtimes[kind], engine, 1) for engine in ENGINES}
                for engine, one in built.items():
                    system = f"{ENGINES[engine]}_{kind}"
                    seconds.setdefault(system, []).append(_of_windows(one.operators))
                    peaks.setdefault(system, []).append(one.timed.peak_mib)
                    bench.say(f"round {number + 1}: {kind}: {engine} {seconds[system][-1]:.3f} s")
                if number == 0:
                    days = {engine: one.day(measured.day) for engine, one in built.items()}
                    check_equal(days["duckdb"], days["polars"], f"{kind} by polars")
                    check_sample(measured, days["duckdb"], data, kind)
    systems = {
        system: Timed(statistics.median(took), statistics.median(peaks[system]), len(took))
        for system, took in seconds.items()
    }
    figures = {
        f"{kind}/{measured.relative}, engine {engine}": _ratio(
            seconds[f"{system}_{kind}"], seconds[f"{system}_{measured.relative}"]
        )
        for kind, measured in KINDS.items()
        if measured.relative and not bench.tiny
        for engine, system in ENGINES.items()
    }
    return Outcome({"spine": feed.spine_rows, "events": feed.events}, systems, True, figures)


def _write(directory: Path, feed: Feed) -> None:
    """The feed, with the shop of each user."""
    write_feed(directory, feed)
    for path in (directory / "ev").rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        shops = pa.array(table["user_id"].to_numpy() % _SHOPS)
        pq.write_table(table.append_column("shop_id", shops), path, compression="zstd")


def project(measured: Measured) -> Project:
    """A service with the user, the shop, the time and the columns of one kind."""
    shared = {"entity": list(measured.entity), "history": {"view": "events"}, "window": "7d"}
    specs = [{**shared, **spec} for spec in measured.specs]
    return Project(
        views={"events": _VIEW}, kept=("user_id", "shop_id", "event_timestamp"), time="event_timestamp",
        grain=("user_id",), types=measured.types, **{"labels" if measured.labels else "rolling": specs},
    )  # fmt: skip


def check_sample(measured: Measured, day: pa.Table, data: Path, kind: str) -> None:
    """Raise Different unless rows at even distances are what a join with their windows gives."""
    numbers = pa.array(range(0, day.num_rows, max(day.num_rows // _SAMPLE, 1)))
    asked = day.take(numbers).append_column("n", numbers)
    columns = ", ".join(f"{query} AS {name}" for name, query in measured.queries.items())
    window = f"h.event_timestamp < t AND h.event_timestamp >= t - {7 * _DAY_MS}"
    if measured.labels:
        window = f"h.event_timestamp > t AND h.event_timestamp <= t + {7 * _DAY_MS}"
    with duckdb.connect() as connection:
        connection.register("asked", asked.select(["user_id", "event_timestamp", "n"]))
        connection.execute(f"CREATE VIEW ev AS FROM read_parquet('{data}/ev/*/*.parquet', hive_partitioning = false)")
        joined = connection.execute(f"""
            SELECT a.n, {columns} FROM (SELECT user_id, event_timestamp AS t, n FROM asked) a LEFT JOIN ev h
            ON h.user_id = a.user_id AND {window}
            GROUP BY a.n, t ORDER BY a.n""").to_arrow_table()
    names = list(measured.queries)
    empty = joined.select(names)
    for name in names:
        if pa.types.is_list(asked[name].type):
            lists = [value or [] for value in empty[name].to_pylist()]
            filled = pa.array(lists, asked[name].type)
            empty = empty.set_column(empty.column_names.index(name), name, filled)
    check_equal(asked.select(names), empty, f"{kind} by a join of DuckDB")


def _of_windows(operators: Mapping[str, float]) -> float:
    """What the windows or labels took."""
    return sum(took for name, took in operators.items() if name.startswith(("rolling", "label")))


def _ratio(seconds: Sequence[float], of_relative: Sequence[float]) -> float:
    """The median of the rounds' ratios: what the machine did besides in one round, both have seen."""
    return statistics.median(own / other for own, other in zip(seconds, of_relative, strict=True))

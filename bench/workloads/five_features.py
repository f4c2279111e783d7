"""Five features of a user over one day: the 32 newest likes, the 32 newest distinct ones, count and sum over 1 and 7
days, and a point-in-time view. *small*, *large*, *skewed* and *impressions* differ in their feed alone.

The hand-written scripts do all five from one read of the input, in bench/peers/five_features.py; the window frames are
the reference script rolling.py, unchanged, its three queries one after another (no point-in-time view).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import SHARED_PEERS, THREADS, Bench, Outcome, Timed
from bench.own import Built, build, build_engines, profile
from bench.peers.reference import run_rolling
from bench.peers.script import run_script
from bench.project import Project
from daeda.settings.kinds import parse_size

SMALL = Feed(history_days=7, rows_per_history_day=114_286, spine_rows=200_000)
FEEDS = {
    "small": SMALL,
    "large": Feed(
        history_days=7, rows_per_history_day=1_142_857, spine_rows=2_000_000, users=500_000, artworks=1_000_000
    ),
    "skewed": replace(SMALL, shape="zipf"),
    "impressions": replace(SMALL, shape="impressions"),
}
TINY: dict[str, Any] = {
    "history_days": 7,
    "rows_per_history_day": 500,
    "spine_rows": 1_000,
    "users": 300,
    "artworks": 200,
}
# Of the whole day, DuckDB and the kernel together.
LIMITS = {"large": "4GiB"}
# System: input and output of the hand-written script.
HAND_WRITTEN = {
    "duckdb_io_handwritten": "duckdb",
    "polars_io_handwritten": "polars",
    "pyarrow_io_handwritten": "pyarrow",
}
_WINDOW_FRAMES = {"newest": "list32", "distinct": "dist32", "aggregates": "agg"}

LIKES = {"entity": "user", "history": {"view": "events"}, "column": "artwork_id", "where": "event = 'like'"}
SCORES = {"entity": "user", "history": {"view": "events"}, "column": "aes_score", "windows": ["1d", "7d"]}
EVENTS: dict[str, Any] = {
    "entity": "user",
    "source": {"path": "ev", "timestamp_field": "event_timestamp", "timestamp_unit": "ms"},
    "fields": [
        {"name": "user_id", "dtype": "int64"},
        {"name": "event_timestamp", "dtype": "int64"},
        {"name": "artwork_id", "dtype": "int64"},
        {"name": "event", "dtype": "string"},
        {"name": "aes_score", "dtype": "double"},
    ],
}
LEVELS: dict[str, Any] = {
    "entity": "user",
    "source": {"path": "levels.parquet", "timestamp_field": "updated_at", "timestamp_unit": "ms"},
    "fields": [{"name": name, "dtype": "int64"} for name in ("user_id", "updated_at", "level")],
}
ROLLING: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "newest": (
        {"name": "newest", **LIKES, "kind": "list", "window": "7d", "max_length": 32},
        {"newest": "list<int64>"},
    ),
    "distinct": (
        {"name": "distinct", **LIKES, "kind": "last_distinct", "window": "7d", "max_length": 32},
        {"distinct": "list<int64>"},
    ),
    "count": ({"name": "count", **SCORES, "kind": "count"}, {"count_1d": "int64", "count_7d": "int64"}),
    "sum": ({"name": "sum", **SCORES, "kind": "sum"}, {"sum_1d": "double", "sum_7d": "double"}),
}


def five_features(**more: Any) -> Project:
    """The service with all five."""
    return Project(
        views={"events": EVENTS, "levels": LEVELS},
        kept=("user_id", "event_timestamp"),
        time="event_timestamp",
        grain=("user_id",),
        rolling=[spec for spec, _ in ROLLING.values()],
        types={name: dtype for _, made in ROLLING.values() for name, dtype in made.items()},
        looked_up={"levels:level": "int64"},
        **more,
    )


def run(bench: Bench, variant: str) -> Outcome:
    """daeda with both engines, the hand-written scripts, and the window frames."""
    feed = replace(FEEDS[variant], **TINY) if bench.tiny else FEEDS[variant]
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    with bench.scratch() as scratch:
        limit = LIMITS.get(variant, "")
        runtime = five_features(memory_limit=limit).write(scratch / "project", data, LAST_DAY, LAST_DAY)
        built = build_engines(bench, runtime)
        own = built["daeda"].day(LAST_DAY)
        systems = {name: run.timed for name, run in built.items()}
        if "daeda_polars" in built:
            check_equal(own, built["daeda_polars"].day(LAST_DAY), "daeda_polars")
        for system, reader in HAND_WRITTEN.items():
            if bench.wants(system):
                answer = scratch / f"{system}.parquet"
                words = [reader, str(data), str(answer), str(bench.rounds), str(THREADS)]
                systems[system] = run_script("bench.peers.five_features", words, bench.rounds)
                check_equal(own, pq.read_table(answer), system)
        hand_written = [systems[name] for name in HAND_WRITTEN if name in systems]
        if hand_written:
            systems["best_handwritten"] = min(hand_written, key=lambda timing: timing.seconds)
        if bench.wants("window_frame") and variant != "large":
            systems |= _window_frame(bench, data, scratch, own)
        others = {} if bench.tiny else _without_start_up(bench, scratch, systems)
    rows = {"spine": feed.spine_rows, "events": feed.events}
    figures = {**_figures(systems, feed), **others}
    if limit:
        figures["memory limit in MiB"] = parse_size(limit) / 2**20
    return Outcome(rows, systems, True, figures, _notes(systems, built))


def _window_frame(bench: Bench, data: Path, scratch: Path, own: Any) -> dict[str, Timed]:
    if not SHARED_PEERS.is_dir():
        bench.skip("window_frame", f"{SHARED_PEERS} is not there")
        return {}
    rounds = min(bench.rounds, 3)
    timed = [run_rolling(data, scratch, query, "win", rounds, own) for query in _WINDOW_FRAMES.values()]
    return {"window_frame": Timed(sum(run.seconds for run in timed), max(run.peak_mib for run in timed), rounds)}


def _without_start_up(bench: Bench, scratch: Path, systems: Mapping[str, Timed]) -> dict[str, float]:
    """daeda's seconds in two other ways: wall clock and CPU time of the whole command, less those over few rows.

    CPU time is what both sides can be compared by on a machine that does other work as well.
    """
    few = replace(SMALL, **TINY)
    data = bench.data(few.parameters(), few.nbytes, lambda path: write_feed(path, few))
    runtime = five_features().write(scratch / "few", data, LAST_DAY, LAST_DAY)
    start_up = build(bench, runtime, rounds=min(bench.rounds, 3)).timed.more
    whole = systems["daeda"].more
    cpu = whole["cpu_seconds_with_start_up"] - start_up["cpu_seconds_with_start_up"]
    figures = {
        "daeda's seconds by wall clock, less those over few rows": whole["wall_seconds"] - start_up["wall_seconds"],
        "daeda's seconds of CPU, less those over few rows": cpu,
    }
    peer = systems.get("duckdb_io_handwritten")
    if peer is not None:
        figures["daeda/duckdb_io_handwritten in CPU time"] = cpu / peer.more["cpu_seconds"]
    return figures


def _figures(systems: dict[str, Timed], feed: Feed) -> dict[str, float]:
    figures = {"daeda_seconds_per_million_events": systems["daeda"].seconds / feed.events * 1e6}
    for system, peer in (("daeda", "duckdb_io_handwritten"), ("daeda_polars", "best_handwritten")):
        if system in systems and peer in systems:
            figures[f"{system}/{peer}"] = systems[system].seconds / systems[peer].seconds
    return figures


def _notes(systems: Mapping[str, Timed], built: dict[str, Built]) -> tuple[str, ...]:
    notes = [profile(run, system=name) for name, run in built.items()]
    if "window_frame" in systems:
        notes.append(
            "window_frame: rolling.py win, its three queries one after another, without the point-in-time view"
        )
    return tuple(notes)

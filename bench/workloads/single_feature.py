"""One feature at a time, 200k spine rows over 1.6M rows of history, against the reference script rolling.py.

The script runs unchanged; it packs ids or sums plainly where that is quicker, and writes its rows in the order of the
spine, which is the order of time.
"""

from __future__ import annotations

from dataclasses import replace

from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import SHARED_PEERS, Bench, Outcome
from bench.own import build_engines, profile
from bench.peers.reference import run_rolling
from bench.project import Project
from bench.workloads.five_features import EVENTS, ROLLING, TINY

FEED = Feed(history_days=7, rows_per_history_day=200_000, spine_rows=200_000)
# Workload: the script's name of it, and the specs of daeda.
QUERIES = {
    "newest": ("list32", ("newest",)),
    "distinct": ("dist32", ("distinct",)),
    "aggregates": ("agg", ("count", "sum")),
}
# System: the script's name of the way.
WAYS = {
    "window_frame": "win",
    "range_join": "join",
    "duckdb_asof": "asof",
    "polars_rolling": "polars",
    "numpy_duckdb_io": "numpy",
    "numpy_pyarrow_io": "numpypa",
    "numpy_polars_io": "numpypl",
}
_SLOW = ("window_frame", "range_join")
_TINY_WAYS = ("window_frame", "numpy_duckdb_io")


def project(specs: tuple[str, ...]) -> Project:
    """A service with the user, the time and the features of some specs."""
    chosen = [ROLLING[name] for name in specs]
    return Project(
        views={"events": EVENTS},
        kept=("user_id", "event_timestamp"),
        time="event_timestamp",
        grain=("user_id",),
        rolling=[spec for spec, _ in chosen],
        types={name: dtype for _, made in chosen for name, dtype in made.items()},
    )


def run(bench: Bench, variant: str) -> Outcome:
    """daeda with both engines, and the script's ways."""
    feed = replace(FEED, **TINY) if bench.tiny else FEED
    query, specs = QUERIES[variant]
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    with bench.scratch() as scratch:
        runtime = project(specs).write(scratch / "project", data, LAST_DAY, LAST_DAY)
        built = build_engines(bench, runtime)
        own = built["daeda"].day(LAST_DAY)
        systems = {name: run.timed for name, run in built.items()}
        ways = {name: way for name, way in WAYS.items() if bench.wants(name)}
        if not SHARED_PEERS.is_dir():
            bench.skip("rolling.py", f"{SHARED_PEERS} is not there")
            ways = {}
        for system, way in ways.items():
            if not bench.tiny or system in _TINY_WAYS:
                rounds = min(bench.rounds, 3) if system in _SLOW else bench.rounds
                systems[system] = run_rolling(data, scratch, query, way, rounds, own)
    figures = {}
    if "window_frame" in systems:
        figures["window_frame/daeda"] = systems["window_frame"].seconds / systems["daeda"].seconds
    quickest = min(
        (name for name in systems if not name.startswith("daeda")), key=lambda name: systems[name].seconds, default=""
    )
    if quickest:
        systems["best_handwritten"] = systems[quickest]
        figures["daeda/best_handwritten"] = systems["daeda"].seconds / systems[quickest].seconds
    notes = (f"best_handwritten is {quickest}", *(profile(run, system=name) for name, run in built.items()))
    return Outcome({"spine": feed.spine_rows, "events": feed.events}, systems, True, figures, notes)

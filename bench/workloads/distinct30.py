"""The 32 newest distinct likes of 30 days, against the range join that one writes first.

The join pairs every row with every like of its window, keeps the newest of each item, and sorts; it runs in DuckDB,
with both threads, and writes in the order of the spine.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import THREADS, Bench, Outcome
from bench.own import build_engines, profile
from bench.peers.script import run_script
from bench.workloads.five_features import LIKES, TINY
from bench.workloads.single_feature import project

FEED = Feed(history_days=30, rows_per_history_day=200_000, spine_rows=200_000)
_DAYS = 30


def run(bench: Bench) -> Outcome:
    """daeda with both engines, and the range join."""
    feed = replace(FEED, **{**TINY, "history_days": _DAYS}) if bench.tiny else FEED
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    spec = {"name": "distinct", **LIKES, "kind": "last_distinct", "window": f"{_DAYS}d", "max_length": 32}
    with bench.scratch() as scratch:
        service = replace(project(("distinct",)), rolling=[spec])
        built = build_engines(bench, service.write(scratch / "project", data, LAST_DAY, LAST_DAY))
        own = built["daeda"].day(LAST_DAY)
        systems = {name: run.timed for name, run in built.items()}
        rounds = min(bench.rounds, 3)
        answer = scratch / "range_join.parquet"
        words = [str(data), str(answer), str(_DAYS), str(rounds), str(THREADS)]
        systems["range_join"] = run_script("bench.peers.range_join", words, rounds)
        check_equal(own, pq.read_table(answer), "range_join", sort=("event_timestamp", "user_id"))
    figures = {"range_join/daeda": systems["range_join"].seconds / systems["daeda"].seconds}
    notes = tuple(profile(run, system=name) for name, run in built.items())
    return Outcome({"spine": feed.spine_rows, "events": feed.events}, systems, True, figures, notes)

"""A year of small days in one run, and the memory of 3 days against 30 days of the same size, of both halves.

A day is 4,000 rows with the five features of *small*. What a day costs is the difference between the runs of many and
of three days, divided by the difference in days: starting, and what a run does once, are in neither.
"""

from __future__ import annotations

import datetime as dt
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path

from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import Bench, Outcome, Timed
from bench.own import Built, build, profile
from bench.process_tree import run_measured
from bench.vectors_project import SERVICE, Size, day_after, runtime, write_project
from bench.workloads.five_features import five_features

YEAR = 365
# The seven days before the year have events too, so that no window is cut short.
FEED = Feed(history_days=YEAR + 7, rows_per_history_day=4_000, spine_rows=4_000, users=5_000, artworks=10_000)
TINY_DAYS = 12
_FEW, _MONTH = 3, 30
# A day of the enrichment: 64 MiB of vectors out of which it pools, 4 MiB that it writes.
ENRICHED = Size(rows=2_000, length=32, stored=60_000, distinct=30_000, dimension=1024, part=500)


def write_days(directory: Path, feed: Feed) -> None:
    """The feed, all of whose days have the same size."""
    write_feed(directory, feed)


def run(bench: Bench) -> Outcome:
    """Runs of 3, of 30 and of 365 days, one day worker."""
    few, month, year = (1, 2, 3) if bench.tiny else (_FEW, _MONTH, YEAR)
    feed = replace(FEED, history_days=year + 7)
    if bench.tiny:
        feed = replace(feed, rows_per_history_day=200, spine_rows=200)
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_days(path, feed))
    with bench.scratch() as scratch:
        rounds = min(bench.rounds, 3)
        built = {
            "daeda_3_days": _build(bench, scratch, data, few, rounds),
            "daeda_30_days": _build(bench, scratch, data, month, rounds),
            "daeda_365_days": _build(bench, scratch, data, year, 1),
        }
    systems = {name: run.timed for name, run in built.items()}
    systems |= _enriched(bench)
    walls = {name: run.timed.more["wall_seconds"] for name, run in built.items()}
    peaks = {name: timed.peak_mib for name, timed in systems.items()}
    figures = {"seconds per day in a run of 365": (walls["daeda_365_days"] - walls["daeda_3_days"]) / (year - few)}
    if not bench.tiny:
        figures["memory of 30 days/3 days"] = peaks["daeda_30_days"] / peaks["daeda_3_days"]
        figures["memory of 365 days/3 days"] = peaks["daeda_365_days"] / peaks["daeda_3_days"]
    if "enrich_30_days" in systems:
        figures["memory of 30 days/3 days, enrichment"] = peaks["enrich_30_days"] / peaks["enrich_3_days"]
    notes = (profile(built["daeda_365_days"], year),)
    return Outcome({"per day": feed.spine_rows, "days": year}, systems, True, figures, notes)


def _build(bench: Bench, scratch: Path, data: Path, days: int, rounds: int) -> Built:
    first = LAST_DAY - dt.timedelta(days=days - 1)
    return build(bench, five_features().write(scratch / f"project_{days}", data, first, LAST_DAY), rounds=rounds)


def _enriched(bench: Bench) -> dict[str, Timed]:
    """Runs of the enrichment of 3 and of 30 days. Both start Ray, and have the same store."""
    if bench.tiny and "enrich_3_days" not in bench.only:
        bench.skip("enrich_3_days", "at the smallest size it is Ray's start and nothing else; ask for it by its name")
        return {}
    size = replace(ENRICHED, rows=200, stored=300, distinct=100, dimension=8, part=50) if bench.tiny else ENRICHED
    few, month = (1, 2) if bench.tiny else (_FEW, _MONTH)
    room = size.nbytes + month * size.rows * size.dimension * 4
    key = {"size": str(size), "days": month, "version": 1}
    data = bench.data(key, room, lambda path: write_project(path, size, month))
    rounds = min(bench.rounds, 3)
    return {f"enrich_{name}_days": _enrich(data, days, rounds) for name, days in ((_FEW, few), (_MONTH, month))}


def _enrich(data: Path, days: int, rounds: int) -> Timed:
    measured = []
    for _ in range(rounds):
        shutil.rmtree(data / "output" / SERVICE / "enriched", ignore_errors=True)
        words = [sys.executable, "-m", "enrich", "--runtime-config-path", str(runtime(data))]
        measured.append(run_measured(words, {"DAEDA_FEED_END": day_after(days - 1).isoformat()}))
    seconds, peaks = ([getattr(timed, name) for timed in measured] for name in ("seconds", "peak_mib"))
    return Timed(statistics.median(seconds), statistics.median(peaks), rounds)

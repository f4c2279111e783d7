"""120 days of feed, of which the last 30 are built: the five features over 7 days, and over 90 days.

A longer window reads and sorts more, and its lists are longer. A tenth of the 20,000 events of a day are likes, of as
many users, few of whom have most: a row of the last day has 2.4 likes in 7 days and 32 in 90, on average, so that its
lists hold 1.9 and 13 items, of at most 32. `_lists_of_3` are the same windows with lists of at most three, 1.0 and 2.9
items: what is left is nearly what the length of a window costs by itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import Bench, Outcome
from bench.own import Built, build, profile
from bench.project import Project
from bench.workloads.five_features import five_features

FEED = Feed(history_days=119, rows_per_history_day=20_000, spine_rows=20_000, users=20_000, artworks=50_000)
_DAYS = 30
_TINY_DAYS = 2
_FEW = 3
_SHORT = f"_lists_of_{_FEW}"


def project(days: int, most: int | None = None) -> Project:
    """The five features with a window of so many days for each, and at most so many items in a list."""
    five = five_features()
    specs: list[dict[str, Any]] = []
    for spec in five.rolling:
        changed = {**{key: value for key, value in spec.items() if key != "windows"}, "window": f"{days}d"}
        if most is not None and "max_length" in changed:
            changed["max_length"] = most
        specs.append(changed)
    types = {"newest": "list<int64>", "distinct": "list<int64>", "count": "int64", "sum": "double"}
    return replace(five, rolling=specs, types=types)


def run(bench: Bench) -> Outcome:
    """A mean day of each."""
    feed = replace(FEED, rows_per_history_day=100, spine_rows=100) if bench.tiny else FEED
    count = _TINY_DAYS if bench.tiny else _DAYS
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    rounds = min(bench.rounds, 3)
    with bench.scratch() as scratch:
        built = {
            f"daeda_{days}d{name}": _build(bench, scratch, data, days, most, count, rounds)
            for name, most in (("", None), (_SHORT, _FEW))
            for days in (7, 90)
        }
    systems = {name: run.timed for name, run in built.items()}
    figures = {f"{name} seconds per day": run.seconds / count for name, run in systems.items()}
    for name, told in (("", ""), (_SHORT, f", lists of {_FEW}")):
        figures[f"90 days/7 days{told}"] = systems[f"daeda_90d{name}"].seconds / systems[f"daeda_7d{name}"].seconds
    notes = tuple(profile(run, count, name) for name, run in built.items())
    return Outcome({"per day": feed.spine_rows, "days": count}, systems, True, figures, notes)


def _build(bench: Bench, scratch: Path, data: Path, window: int, most: int | None, count: int, rounds: int) -> Built:
    first = LAST_DAY - dt.timedelta(days=count - 1)
    runtime = project(window, most).write(scratch / f"project_{window}_{most}", data, first, LAST_DAY)
    return build(bench, runtime, rounds=rounds)

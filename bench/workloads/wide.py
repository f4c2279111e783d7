"""17,000 spine rows of one day x 1,000 features: 40 windows of 1 to 40 days x count, 12 counts and 12 sums by category.

The files have the shape that the reference script wide.py reads, which runs unchanged; its spine may lie on any day,
and here it lies on one, because that is what a day of training data is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.feed import DAY_MS, midnight_ms
from bench.harness import SHARED_PEERS, THREADS, Bench, Outcome
from bench.own import build_engines, profile
from bench.peers.reference import run_reference
from bench.peers.script import run_script
from bench.project import Project

FIRST_DAY = dt.date(2026, 1, 1)
DAY = FIRST_DAY + dt.timedelta(days=59)
WINDOWS, CATEGORIES = 40, 12
_TINY_WINDOWS = 2
# System: the script's name of the way, and most rounds.
WAYS = {
    "numpy_pairs": ("np_bucket", 5),
    "duckdb_numpy": ("duck_np_bucket", 5),
    "numpy_prefix_sums": ("np_prefix", 5),
    "polars_filters": ("polars_filter", 3),
    "duckdb_buckets": ("duck_bucket_list", 3),
    "duckdb_filters": ("duck_filter", 1),
}
_HAND_WRITTEN = ("numpy_pairs", "duckdb_numpy", "numpy_prefix_sums")
# Scripts of this repository that pack, flush and digest as daeda does. System: the writer.
DURABLE = {"durable_pyarrow": "pyarrow", "durable_duckdb": "duckdb"}


@dataclass(frozen=True)
class Size:
    """Rows of events and spine, and users."""

    events: int = 1_000_000
    spine: int = 17_000
    users: int = 20_000


def write_files(directory: Path, size: Size) -> None:
    """wide/ev4.parquet and wide/sp4.parquet, as the script reads them."""
    generator = np.random.default_rng(7)
    start = midnight_ms(FIRST_DAY)
    events = pa.table(
        {
            "user_id": generator.integers(0, size.users, size.events),
            "t": start + generator.integers(0, 60 * 86_400, size.events) * 1000,
            "cat": generator.integers(0, CATEGORIES, size.events),
            "amount": generator.integers(1, 100_001, size.events),
        }
    )
    user = generator.integers(0, size.users, size.spine)
    time = midnight_ms(DAY) + generator.integers(0, DAY_MS // 1000, size.spine) * 1000
    order = np.lexsort((user, time))
    spine = pa.table({"rid": np.arange(size.spine), "user_id": user[order], "t": time[order]})
    (directory / "wide").mkdir()
    pq.write_table(events, directory / "wide" / "ev4.parquet")
    pq.write_table(spine, directory / "wide" / "sp4.parquet")


def project(longest: int = WINDOWS) -> Project:
    """Names and types of the columns as in the script; an empty sum is 0 in it, so the contract says so too."""
    windows = [f"{days}d" for days in range(1, longest + 1)]
    common = {"entity": "user", "history": {"view": "events"}, "windows": windows}
    specs: list[dict[str, Any]] = [{"name": "n", "kind": "count", **common}]
    for category in range(CATEGORIES):
        of = {**common, "where": f"cat = {category}"}
        specs += [{"name": f"n{category}", "kind": "count", **of}]
        specs += [{"name": f"s{category}", "kind": "sum", "column": "amount", **of}]
    types = {f"{spec['name']}_{window}": "int64" for window in windows for spec in specs}
    return Project(
        views={"spine": _view("wide/sp4.parquet", "rid"), "events": _view("wide/ev4.parquet", "cat", "amount")},
        kept=("rid", "user_id", "t"),
        time="t",
        grain=("user_id",),
        rolling=specs,
        types=types,
        defaults={name: 0 for name in types if name.startswith("s")},
        memory_limit="1400MiB",
    )


def _view(path: str, *more: str) -> dict[str, Any]:
    return {
        "entity": "user",
        "source": {"path": path, "timestamp_field": "t", "timestamp_unit": "ms"},
        "fields": [{"name": name, "dtype": "int64"} for name in ("user_id", "t", *more)],
    }


def run(bench: Bench) -> Outcome:
    """daeda with both engines under 1400 MiB for the day, the script's ways, and scripts that write as durably.

    DuckDB has 60 % of it, and needs a block for each of the thousand columns while they are put side by side.
    """
    size = Size(2_000, 60, 50) if bench.tiny else Size()
    parameters = {"size": str(size), "version": 1}
    data = bench.data(parameters, size.events * 40, lambda path: write_files(path, size))
    with bench.scratch() as scratch:
        longest = _TINY_WINDOWS if bench.tiny else WINDOWS
        service = project(longest)
        # A thousand rolling expressions take Polars long: one round says enough.
        built = build_engines(bench, service.write(scratch / "project", data, DAY, DAY), polars_rounds=1)
        own = built["daeda"].day(DAY)
        systems = {name: run.timed for name, run in built.items()}
        if "daeda_polars" in built:
            check_equal(own, built["daeda_polars"].day(DAY), "daeda_polars")
        ways = {name: way for name, way in WAYS.items() if bench.wants(name)}
        if not SHARED_PEERS.is_dir():
            bench.skip("wide.py", f"{SHARED_PEERS} is not there")
            ways = {}
        (scratch / "wide").symlink_to(data / "wide")
        columns = {name: name for name in own.column_names if name not in ("user_id", "t")}
        for system, (way, most) in ways.items():
            if not bench.tiny or system == "numpy_pairs":
                rounds = min(bench.rounds, most)
                systems[system] = run_reference("wide.py", [way, str(rounds)], scratch, rounds)
                answer = pq.read_table(scratch / "out" / f"wide_{way}.parquet")
                check_equal(own, answer, f"wide.py {way}", columns, sort=("rid",))
        for system, writer in DURABLE.items():
            if bench.wants(system):
                answer_path = scratch / f"{system}.parquet"
                words = [writer, str(data), str(answer_path), str(bench.rounds), str(THREADS), str(longest)]
                systems[system] = run_script("bench.peers.wide_features", words, bench.rounds)
                check_equal(own, pq.read_table(answer_path), system)
    figures = {}
    durable = [systems[name] for name in DURABLE if name in systems]
    if durable:
        systems["best_durable"] = min(durable, key=lambda timing: timing.seconds)
        figures["daeda/best_durable"] = systems["daeda"].seconds / systems["best_durable"].seconds
    hand_written = [name for name in _HAND_WRITTEN if name in systems]
    if hand_written:
        best = min(hand_written, key=lambda name: systems[name].seconds)
        systems["best_handwritten"] = systems[best]
        figures["daeda/best_handwritten"] = systems["daeda"].seconds / systems[best].seconds
    notes = tuple(profile(run, system=name) for name, run in built.items())
    return Outcome({"spine": size.spine, "events": size.events}, systems, True, figures, notes)

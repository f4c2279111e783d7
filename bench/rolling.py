"""Time rolling features over one day against hand-written scripts, on the same files and with the same threads.

Three jobs: the 32 newest likes of a user (list32), the 32 newest distinct ones (dist32), count and sum over 1 and 7
days (agg). daeda's seconds are those of the day's operators, from its manifest; starting Python and Beam is apart, as
imports are in the scripts, which run unchanged from the shared folder beside the repository. They have a warm-up,
daeda's process is a fresh one each time. Every answer is compared with daeda's before its time counts.

Usage: python -m bench.rolling [--rows-per-day 200000] [--rounds 5] [--ways numpy,numpypa,asof]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from rich.console import Console
from rich.table import Table

from bench.feed import write_feed
from bench.machine import describe_machine
from bench.process_tree import run_measured

ROOT = Path(__file__).parents[1]
PEER = ROOT.parent / "shared" / "peers" / "rolling.py"
RESULT = ROOT / "bench" / "results" / "rolling.json"
DAY = "2026-05-14"
LIKES = {"entity": "user", "history": {"view": "events"}, "column": "artwork_id", "where": "event = 'like'"}
SCORES = {"entity": "user", "history": {"view": "events"}, "column": "aes_score", "windows": ["1d", "7d"]}
JOBS: dict[str, list[dict[str, Any]]] = {
    "list32": [{"name": "v", **LIKES, "kind": "list", "window": "7d", "max_length": 32}],
    "dist32": [{"name": "v", **LIKES, "kind": "last_distinct", "window": "7d", "max_length": 32}],
    "agg": [{"name": "count", **SCORES, "kind": "count"}, {"name": "sum", **SCORES, "kind": "sum"}],
}
TYPES = {"list": "list<int64>", "last_distinct": "list<int64>", "count": "int64", "sum": "double"}
FIELDS = {
    "user_id": "int64",
    "artwork_id": "int64",
    "event": "string",
    "event_timestamp": "int64",
    "aes_score": "double",
}
# daeda's name: the scripts' name.
AGGREGATES = {"count_1d": "c1", "sum_1d": "s1", "count_7d": "c7", "sum_7d": "s7"}


@dataclass(frozen=True)
class Timed:
    """Median seconds of the work, and the peak memory of the process tree in MiB."""

    seconds: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rolling", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rows-per-day", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", default="numpy,numpypa,asof")
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()
    ways = arguments.ways.split(",") if PEER.is_file() else []
    if not ways:
        print(f"{PEER} is not there: daeda runs alone", file=sys.stderr)
    jobs: dict[str, dict[str, Timed]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_feed(directory / "ev", arguments.rows_per_day, users=50_000, artworks=100_000)
        for job in JOBS:
            write_project(directory, job)
            jobs[job] = {"daeda": run_daeda(directory, arguments.rounds)}
            answer = pq.read_table(day_of(directory) / "part-0-0.parquet", partitioning=None)
            for way in ways:
                jobs[job][way] = run_peer(directory, job, way, arguments.rounds)
                check_equal(answer, pq.read_table(directory / "out" / f"rolling_{job}_{way}.parquet"), f"{job} {way}")
    report = {
        "workload": "rolling",
        "rows": {"spine": arguments.rows_per_day, "history": 8 * arguments.rows_per_day},
        "machine": describe_machine(),
        "rounds": arguments.rounds,
        "jobs": {job: {system: asdict(one) for system, one in systems.items()} for job, systems in jobs.items()},
        "equal": True,
    }
    arguments.result.parent.mkdir(parents=True, exist_ok=True)
    arguments.result.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print_table(jobs)


def write_project(directory: Path, job: str) -> None:
    """A service with the user, the time and the features of the job."""
    made = {
        name: TYPES[spec["kind"]]
        for spec in JOBS[job]
        for name in ([spec["name"]] if "window" in spec else [f"{spec['name']}_{window}" for window in spec["windows"]])
    }
    kept = ["user_id", "event_timestamp", *made]
    files: dict[str, Any] = {
        "config/training/runtime.yaml": {
            "service": "rolling", "data_root": ".", "output_root": "output", "feed_start": DAY, "feed_end": DAY,
            "output_columns": kept, "rows_per_part": 10_000_000,
        },
        "config/training/aggregations.yaml": {"aggregation_specs": JOBS[job]},
        "feature_views/events.yaml": {
            "name": "events", "entity": "user",
            "source": {"path": "ev", "timestamp_field": "event_timestamp", "timestamp_unit": "ms"},
            "fields": [{"name": name, "dtype": dtype} for name, dtype in FIELDS.items()],
        },
        "feature_services/rolling.yaml": {
            "name": "rolling", "version": 1, "grain": ["user_id"], "spine": {"view": "events"},
            "columns": [
                {"name": "user_id", "kind": "key", "dtype": "int64"},
                {"name": "event_timestamp", "kind": "timestamp", "dtype": "int64"},
                *({"name": name, "kind": "rolling", "dtype": dtype} for name, dtype in made.items()),
            ],
        },
    }  # fmt: skip
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def day_of(directory: Path) -> Path:
    return directory / "output" / "rolling" / "skeleton" / f"dt={DAY}"


def run_daeda(directory: Path, rounds: int) -> Timed:
    runtime = directory / "config" / "training" / "runtime.yaml"
    seconds, peaks = [], []
    for _ in range(rounds):
        shutil.rmtree(directory / "output", ignore_errors=True)
        measured = run_measured([sys.executable, "-m", "beam_pipeline", "--runtime-config-path", str(runtime)])
        manifest = json.loads((day_of(directory) / "_manifest.json").read_text(encoding="utf-8"))
        seconds.append(sum(manifest["seconds"].values()))
        peaks.append(measured.peak_mib)
    return Timed(round(statistics.median(seconds), 3), round(statistics.median(peaks), 1))


def run_peer(directory: Path, job: str, way: str, rounds: int) -> Timed:
    environment = {**os.environ, "PEERS_DIR": str(directory)}
    done = subprocess.run(
        [sys.executable, PEER, job, way, str(rounds)], env=environment, capture_output=True, text=True, check=False
    )
    found = re.search(r"median=([\d.]+) .* rss=(\d+) MiB", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"{PEER.name} {job} {way} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return Timed(float(found[1]), float(found[2]))


def check_equal(answer: pa.Table, peer: pa.Table, what: str) -> None:
    """Raise ValueError where a script's answer is another than daeda's. Its empty sums are 0, daeda's are NULL."""
    order = [("event_timestamp", "ascending"), ("user_id", "ascending")]
    ours, theirs = answer.sort_by(order), peer.sort_by(order)
    columns = {"v": "v"} if "v" in ours.column_names else AGGREGATES
    for mine, yours in {"user_id": "user_id", "event_timestamp": "event_timestamp", **columns}.items():
        left, right = ours.column(mine), theirs.column(yours)
        if mine.startswith("sum"):
            same = np.allclose(left.fill_null(0.0).to_numpy(), right.to_numpy(), rtol=1e-9, atol=1e-9)
        else:
            same = left.to_pylist() == right.to_pylist()
        if not same:
            raise ValueError(f"{what}: '{yours}' differs from daeda's '{mine}'")


def print_table(jobs: dict[str, dict[str, Timed]]) -> None:
    table = Table(title="rolling features of one day", title_justify="left")
    for heading in ("job", "system", "seconds", "daeda is so many times as long", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("job", "system") else "right")
    for job, systems in jobs.items():
        for system, one in systems.items():
            ratio = systems["daeda"].seconds / one.seconds
            table.add_row(job, system, f"{one.seconds:.3f}", f"{ratio:.2f}", f"{one.peak_mib:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

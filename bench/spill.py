"""A day that needs more memory than it may have: it spills to disk and gives the same bytes.

The day is built twice, once with room for all of it, once under a memory limit, both below the external governor
(bench/memcap.py). What the day needs is the peak of the first run; the second has to stay below the limit and what
Python, Beam and the reading of Parquet take beside it, or the governor ends it.
Usage: python -m bench.spill [--rows 18000000] [--limit 1GiB] [--room 12GiB]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.machine import describe_machine
from bench.project import SERVICE, Project
from daeda.dataset.manifest import read_manifest
from daeda.settings.kinds import parse_size

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "spill.json"
DAY = dt.date(2024, 1, 2)
USERS = 200_000
# A row is wide in memory and small in the file: one of a thousand texts, which Parquet stores once.
TEXTS = 1000
TEXT_LENGTH = 240
ROWS_PER_FILE = 1_000_000
# Python, Beam, pyarrow and the pages of the allocator, which no limit of DuckDB counts.
BESIDE_BYTES = 400 << 20

PROJECT = Project(
    views={
        "events": {
            "entity": ["user", "item"],
            "source": {"path": "events", "timestamp_field": "event_timestamp"},
            "fields": [
                {"name": "user_id", "dtype": "int64"},
                {"name": "item_id", "dtype": "int64"},
                {"name": "event_timestamp", "dtype": "timestamp[us]"},
                {"name": "payload", "dtype": "string"},
            ],
        }
    },
    kept=["user_id", "item_id", "event_timestamp", "payload"],
    time="event_timestamp",
    grain=["user_id", "item_id"],
    rolling=[{"name": "events", "entity": "user", "history": {"view": "events"}, "kind": "count", "windows": ["1h"]}],
    types={"events_1h": "int64"},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, print what was found, and write the result; 1 where a run failed or the bytes differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.spill", description="A day larger than its memory.")
    parser.add_argument("--rows", type=int, default=18_000_000)
    parser.add_argument("--limit", type=parse_size, default=1 << 30, metavar="SIZE")
    parser.add_argument("--room", type=parse_size, default=12 << 30, metavar="SIZE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="spill-") as directory:
        root = Path(directory)
        make_data(root / "data" / "events" / f"dt={DAY}", given.rows)
        runtime = PROJECT.write(root / "project", root / "data", DAY, DAY)
        found = {
            name: build(root, runtime, name, limit, budget, given.threads)
            for name, limit, budget in (
                ("roomy", given.room, given.room + BESIDE_BYTES),
                ("tight", given.limit, given.limit + BESIDE_BYTES),
            )
        }
        equal = found["roomy"].pop("parts") == found["tight"].pop("parts")
    result = {
        "rows": given.rows,
        "equal_bytes": equal,
        "needed_mib": found["roomy"]["peak_mib"],
        "limit_mib": given.limit >> 20,
        **found,
        "machine": describe_machine(),
    }
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        f"{given.rows:,} rows: {found['roomy']['peak_mib']} MiB with room for all, {found['tight']['peak_mib']} MiB "
        f"under a limit of {given.limit >> 20} MiB; {found['roomy']['seconds']} s, {found['tight']['seconds']} s; "
        f"the same bytes: {'yes' if equal else 'NO'}"
    )
    return 0 if equal else 1


def make_data(partition: Path, rows: int) -> None:
    """A day of events in random order."""
    partition.mkdir(parents=True)
    random = np.random.default_rng(0)
    texts = pa.array([f"{number:04d}" * (TEXT_LENGTH // 4) for number in range(TEXTS)])
    midnight = int(dt.datetime.combine(DAY, dt.time(), dt.UTC).timestamp()) * 1_000_000
    for number, first in enumerate(range(0, rows, ROWS_PER_FILE)):
        count = min(ROWS_PER_FILE, rows - first)
        payload = pa.DictionaryArray.from_arrays(pa.array(random.integers(0, TEXTS, count, dtype=np.int32)), texts)
        table = pa.table(
            {
                "user_id": random.integers(0, USERS, count),
                "item_id": random.integers(0, 1 << 40, count),
                "event_timestamp": pa.array(midnight + random.integers(0, 86_400_000_000, count), pa.timestamp("us")),
                "payload": payload.cast(pa.string()),
            }
        )
        pq.write_table(table, partition / f"part-{number}.parquet")


def build(root: Path, runtime: Path, name: str, limit: int, budget: int, threads: int) -> dict[str, Any]:
    """Build the day with a memory limit under a budget of the governor; raises RuntimeError when it fails."""
    report = root / f"{name}.json"
    output = root / name
    command = [
        sys.executable, "-m", "bench.memcap", "--budget", f"{budget}B", "--report", str(report), "--",
        sys.executable, "-m", "beam_pipeline", "--runtime-config-path", str(runtime), "--output-root", str(output),
        "--duckdb-memory-limit", f"{limit}B", "--duckdb-threads", str(threads), "--day-workers", "1",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: ended with {done.returncode}:\n{done.stderr}")
    manifest = read_manifest(output / SERVICE / "skeleton" / f"dt={DAY}")
    assert manifest is not None
    told = json.loads(report.read_text())
    return {
        "limit_mib": limit >> 20,
        "peak_mib": told["peak_bytes"] >> 20,
        "seconds": round(told["seconds"], 1),
        "parts": [part.sha256 for part in manifest.parts],
    }


if __name__ == "__main__":
    raise SystemExit(main())

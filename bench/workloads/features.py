"""`.features(frame)`: 100,000 keys at times of seven days of the example, in random order, from three libraries.

The whole process is measured, start and import of the library included. A few rows are measured beside them: what a
call takes that does nothing.
"""

from __future__ import annotations

import datetime as dt
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import Bench, Outcome, Timed
from bench.process_tree import run_measured
from bench.workloads import journey

ROWS, FEW, DAYS = 100_000, 10, 7
LIBRARIES = ("pandas", "polars", "arrow")


def run(bench: Bench) -> Outcome:
    """Seconds and memory of each library, over many rows and over a few."""
    made = replace(bench, name="journey").data(journey.PARAMETERS, 1 << 30, journey.prepare)
    many = 200 if bench.tiny else ROWS
    systems: dict[str, Timed] = {}
    with bench.scratch() as scratch:
        for name, count in (("", many), (f" of {FEW} rows", FEW)):
            path = scratch / f"{count}.parquet"
            pq.write_table(frame(made / "data", count), path)
            for library in LIBRARIES[: 1 if bench.tiny else None]:
                systems[f"daeda_{library}{name}"] = _time(bench, made / "data", path, library, count)
    told = {f"{name} seconds": timed.seconds for name, timed in systems.items()}
    return Outcome({"asked for": many, "days": DAYS}, systems, True, told)


def frame(data: Path, count: int) -> pa.Table:
    """Rows of households and products at any second of the days, the same for the same number."""
    chance = random.Random(count)
    days = sorted((data / "transactions").glob("dt=*"))[-DAYS - 1 : -1]
    files = [path for day in days for path in sorted(day.glob("*.parquet"))]
    known = pa.concat_tables(pq.read_table(path, columns=["household_id", "product_id"]) for path in files)
    keys = known.take(pa.array([chance.randrange(known.num_rows) for _ in range(count)]))
    first = dt.datetime.fromisoformat(days[0].name.removeprefix("dt="))
    times = [first + dt.timedelta(seconds=chance.randrange(DAYS * 86_400)) for _ in range(count)]
    return keys.append_column("event_timestamp", pa.array(times, pa.timestamp("us")))


def _time(bench: Bench, data: Path, path: Path, library: str, count: int) -> Timed:
    words = [sys.executable, "-W", "ignore", "-m", "bench.frame_features", str(journey.RUNTIME), str(path), library]
    measured = [run_measured(words, {"DAEDA_DATA_ROOT": str(data)}) for _ in range(bench.rounds)]
    for one in measured:
        assert one.output.split()[0] == str(count), one.output
    seconds = statistics.median(one.seconds for one in measured)
    more = {"cpu_seconds": round(statistics.median(one.cpu_seconds for one in measured), 2)}
    return Timed(seconds, statistics.median(one.peak_mib for one in measured), bench.rounds, more)

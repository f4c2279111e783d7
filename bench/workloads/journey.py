"""The example's service, household_ranking: seconds per day of each half, start-up apart, and memory.

Each half runs over a short and over a long range of days. What a day costs is the difference divided by the difference
in days; what is left of the short run is start-up. The short range lies in the long one, around its greatest day:
memory follows the greatest day, and the ranges shall differ in their number of days alone.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from bench.harness import ROOT, Bench, Outcome, Timed
from bench.process_tree import Measured, run_measured

EXAMPLE = ROOT / "examples" / "complete_journey"
RUNTIME = EXAMPLE / "config" / "training" / "runtime.yaml"
FIRST = dt.date(2017, 1, 29)
SHORT, LONG = 5, 30
PARAMETERS = {"version": 1}
HALVES = {"skeleton": "beam_pipeline", "enrichment": "enrich"}
Runs = dict[int, list[Measured]]


def run(bench: Bench) -> Outcome:
    """Both halves as `daeda_skeleton` and `daeda_enrichment`, in seconds per day."""
    short, long = (1, 2) if bench.tiny else (SHORT, LONG)
    halves = {"skeleton": HALVES["skeleton"]} if bench.tiny else HALVES
    if bench.tiny:
        bench.skip("daeda_enrichment", "Ray takes ten seconds to start, and tests/enrich has it running")
    data = bench.data(PARAMETERS, 1 << 30, prepare)
    rounds = min(bench.rounds, 3)
    measured: dict[str, Runs] = {half: {short: [], long: []} for half in halves}
    rows: dict[int, int] = {}
    first = {long: FIRST, short: around_greatest_day(data, short, long)}
    for _ in range(rounds):
        for days in (short, long):
            with tempfile.TemporaryDirectory() as directory:
                for half, module in halves.items():
                    measured[half][days].append(
                        run_measured(*command(module, data, first[days], days, Path(directory)))
                    )
                rows[days] = count_rows(Path(directory))
    per_day = (rows[long] - rows[short]) / (long - short)
    systems = {f"daeda_{half}": evaluate(runs, per_day, short, long) for half, runs in measured.items()}
    return Outcome({f"in {days} days": count for days, count in sorted(rows.items())}, systems)


def prepare(directory: Path) -> None:
    words = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(directory / "data")]
    subprocess.run(words, check=True, stdout=sys.stderr)


def around_greatest_day(data: Path, short: int, long: int) -> dt.date:
    """First day of the short range: the greatest day of the long one is in its middle, or as near as it can be."""
    days = [FIRST + dt.timedelta(days=number) for number in range(long)]
    rows = [
        sum(pq.read_metadata(path).num_rows for path in (data / "data" / "transactions").glob(f"dt={day}/*.parquet"))
        for day in days
    ]
    return days[min(max(rows.index(max(rows)) - short // 2, 0), long - short)]


def command(module: str, data: Path, first: dt.date, days: int, output: Path) -> tuple[list[str], dict[str, str]]:
    """One half over some days, and the variables that say which."""
    last = first + dt.timedelta(days=days - 1)
    words = [sys.executable, "-m", module, "--runtime-config-path", str(RUNTIME), "--output-root", str(output)]
    chosen = {"DATA_ROOT": f"{data / 'data'}", "FEED_START": f"{first}", "FEED_END": f"{last}", "DAY_WORKERS": "1"}
    return words, {f"DAEDA_{name}": value for name, value in chosen.items()}


def count_rows(output: Path) -> int:
    manifests = output.glob("household_ranking/skeleton/dt=*/_manifest.json")
    return sum(json.loads(path.read_text(encoding="utf-8"))["rows"] for path in manifests)


def evaluate(runs: Runs, rows_per_day: float, short: int, long: int) -> Timed:
    seconds = {days: statistics.median(timed.seconds for timed in rounds) for days, rounds in runs.items()}
    peaks = {days: round(statistics.median(timed.peak_mib for timed in rounds), 1) for days, rounds in runs.items()}
    per_day = (seconds[long] - seconds[short]) / (long - short)
    more = {
        "rows_per_second": round(rows_per_day / per_day),
        "start_up_seconds": round(seconds[short] - short * per_day, 2),
        "peak_mib_short": peaks[short],
        "peak_mib_long": peaks[long],
    }
    return Timed(per_day, peaks[long], len(runs[long]), more)

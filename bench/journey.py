"""Time the example's service per day: rows per second, peak memory of the process tree, start-up apart.

Each half runs over a short and over a long range of days. What a day costs is the difference divided by the difference
in days; what is left of the short run is start-up. The short range lies in the long one, around its greatest day:
memory follows the greatest day, and the ranges shall differ in their number of days alone.
Usage: python -m bench.journey [--short 5] [--long 30] [--rounds 3]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from bench.machine import describe_machine
from bench.process_tree import Measured, run_measured

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "complete_journey"
FEED = EXAMPLE / "data" / "transactions"
RUNTIME = EXAMPLE / "config" / "training" / "runtime.yaml"
RESULT = ROOT / "bench" / "results" / "journey.json"
FIRST = dt.date(2017, 1, 29)
HALVES = {"skeleton": "beam_pipeline", "enrichment": "enrich"}


@dataclass(frozen=True)
class HalfResult:
    """What one half costs: medians over the rounds."""

    seconds_per_day: float
    rows_per_second: float
    start_up_seconds: float
    peak_mib_short: float
    peak_mib_long: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.journey", description=__doc__, allow_abbrev=False)
    parser.add_argument("--short", type=int, default=5)
    parser.add_argument("--long", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()
    subprocess.run([sys.executable, EXAMPLE / "prepare.py"], check=True)
    measured: dict[str, dict[int, list[Measured]]] = {
        half: {arguments.short: [], arguments.long: []} for half in HALVES
    }
    rows = {}
    first = {arguments.long: FIRST, arguments.short: around_greatest_day(arguments.short, arguments.long)}
    for _ in range(arguments.rounds):
        for days in (arguments.short, arguments.long):
            with tempfile.TemporaryDirectory() as directory:
                for half, module in HALVES.items():
                    measured[half][days].append(run_measured(command(module, first[days], days, Path(directory))))
                rows[days] = count_rows(Path(directory))
    results = {half: evaluate(by_days, rows, arguments.short, arguments.long) for half, by_days in measured.items()}
    report = {
        "workload": "journey",
        "machine": describe_machine(),
        "days": {"short": arguments.short, "long": arguments.long},
        "rows": rows,
        "rounds": arguments.rounds,
        "halves": {half: asdict(result) for half, result in results.items()},
    }
    arguments.result.parent.mkdir(parents=True, exist_ok=True)
    arguments.result.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print_table(report, results)


def around_greatest_day(short: int, long: int) -> dt.date:
    """First day of the short range: the greatest day of the long one is in its middle, or as near as it can be."""
    days = [FIRST + dt.timedelta(days=number) for number in range(long)]
    rows = [sum(pq.read_metadata(path).num_rows for path in FEED.glob(f"dt={day}/*.parquet")) for day in days]
    return days[min(max(rows.index(max(rows)) - short // 2, 0), long - short)]


def command(module: str, first: dt.date, days: int, output: Path) -> list[str]:
    last = first + dt.timedelta(days=days - 1)
    return [
        "env",
        f"DAEDA_FEED_START={first}",
        f"DAEDA_FEED_END={last}",
        "DAEDA_DAY_WORKERS=1",
        sys.executable,
        "-m",
        module,
        "--runtime-config-path",
        str(RUNTIME),
        "--output-root",
        str(output),
    ]


def count_rows(output: Path) -> int:
    manifests = output.glob("household_ranking/enriched/dt=*/_manifest.json")
    return sum(json.loads(path.read_text(encoding="utf-8"))["rows"] for path in manifests)


def evaluate(by_days: dict[int, list[Measured]], rows: dict[int, int], short: int, long: int) -> HalfResult:
    seconds = {days: statistics.median(one.seconds for one in rounds) for days, rounds in by_days.items()}
    per_day = (seconds[long] - seconds[short]) / (long - short)
    rows_per_day = (rows[long] - rows[short]) / (long - short)
    return HalfResult(
        seconds_per_day=round(per_day, 4),
        rows_per_second=round(rows_per_day / per_day),
        start_up_seconds=round(seconds[short] - short * per_day, 2),
        peak_mib_short=round(statistics.median(one.peak_mib for one in by_days[short]), 1),
        peak_mib_long=round(statistics.median(one.peak_mib for one in by_days[long]), 1),
    )


def print_table(report: dict[str, object], results: dict[str, HalfResult]) -> None:
    table = Table(title=f"household_ranking, one day worker; {report['machine']}", title_justify="left")
    for heading in ("half", "s per day", "rows/s", "start-up s", "peak MiB, short run", "peak MiB, long run"):
        table.add_column(heading, justify="left" if heading == "half" else "right")
    for half, result in results.items():
        values = asdict(result).values()
        table.add_row(half, *(f"{value:,}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()

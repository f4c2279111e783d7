"""CPU time of each operator of a day, which a machine that does other work disturbs less than its clock.

    python -m bench.operators small month --rounds 7

The days are built in this process, with one thread, so that what an operator takes is what the process takes while it
runs. Shown are the milliseconds of a day of *small*, the least of several rounds, and of a mean day of ten of *month*,
its first one apart: it puts the history of the run in order.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from beam_pipeline import transforms
from beam_pipeline.command import main as build
from bench.feed import LAST_DAY, write_feed
from bench.harness import CACHE, Bench
from bench.workloads import five_features, month

ENGINES = ("duckdb", "polars")
# Days of *month* that are built.
_DAYS = 10

# Of each day the CPU seconds of each operator.
Days = dict[dt.date, dict[str, float]]


def cpu_of_days(runtime: Path, engine: str) -> Days:
    """Build the days of a project once, and return what its operators took, in the order of their work."""
    found: Days = {}
    original = transforms.run_operator

    def run(session: Any, operator: Any, handle: Any) -> Any:
        began = time.process_time()
        after = original(session, operator, handle)
        of_day = found.setdefault(session.day, {})
        of_day[operator.name] = of_day.get(operator.name, 0.0) + time.process_time() - began
        return after

    output = runtime.parents[2] / f"output_{engine}"
    shutil.rmtree(output, ignore_errors=True)
    given = {
        "DAEDA_COMPUTE__ENGINE": engine,
        "DAEDA_DAY_WORKERS": "1",
        "DAEDA_COMPUTE__DUCKDB_CONFIG__THREADS": "1",
    }
    said = io.StringIO()
    with (
        patch.dict(os.environ, given),
        patch.object(transforms, "run_operator", run),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        code = build(["--runtime-config-path", str(runtime), "--output-root", str(output)])
    if code:
        raise SystemExit(said.getvalue())
    return found


def least(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each operator the least of several rounds."""
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def mean(days: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each operator the mean of several days."""
    return {name: sum(one[name] for one in days) / len(days) for name in days[0]}


def _small(bench: Bench, scratch: Path, rounds: int) -> None:
    feed = five_features.FEEDS["small"]
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    runtime = five_features.five_features().write(scratch / "small", data, LAST_DAY, LAST_DAY)
    for engine in ENGINES:
        measured = [next(iter(cpu_of_days(runtime, engine).values())) for _ in range(rounds)]
        _show(f"small, engine {engine}", least(measured))


def _month(bench: Bench, scratch: Path, rounds: int) -> None:
    data = bench.data(month.FEED.parameters(), month.FEED.nbytes, lambda path: write_feed(path, month.FEED))
    first = LAST_DAY - dt.timedelta(days=_DAYS - 1)
    for window in (7, 90):
        runtime = month.project(window).write(scratch / f"month_{window}", data, first, LAST_DAY)
        # In the order in which they were built.
        measured = [list(cpu_of_days(runtime, "duckdb").values()) for _ in range(rounds)]
        _show(f"month, {window} days, the first day", least([days[0] for days in measured]))
        others = [mean(days[1:]) for days in measured]
        _show(f"month, {window} days, a mean day of the others", least(others))


def _show(title: str, took: Mapping[str, float]) -> None:
    print(f"{title}: {1e3 * sum(took.values()):.0f} ms of CPU")
    for name, seconds in took.items():
        print(f"  {1e3 * seconds:7.1f}  {name}")


def main() -> None:
    """Measure the workloads that are named."""
    parser = argparse.ArgumentParser(prog="python -m bench.operators", description=__doc__)
    parser.add_argument("workloads", nargs="+", choices=("small", "month"))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where generated data is kept")
    given = parser.parse_args()
    for workload in given.workloads:
        bench = Bench(workload, cache=given.cache)
        with bench.scratch() as scratch:
            {"small": _small, "month": _month}[workload](bench, scratch, given.rounds)


if __name__ == "__main__":
    main()

"""A hand-written script in a process of its own: it prints its seconds as JSON; its memory is watched from outside."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from bench.harness import ROOT, THREADS, Timed
from bench.process_tree import run_measured


def run_script(
    module: str,
    words: Sequence[str],
    rounds: int,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Timed:
    """Run `python -m module words`, which calls `report`; returns the median of its rounds."""
    variables = {"POLARS_MAX_THREADS": str(THREADS), **(environment or {})}
    measured = run_measured([python, "-m", module, *words], variables, ROOT)
    found = json.loads(measured.output)
    more = {"cpu_seconds": round(statistics.median(found["cpu_seconds"]), 3)}
    return Timed(statistics.median(found["seconds"]), measured.peak_mib, rounds, more)


def report(work: Callable[[], None], rounds: int) -> None:
    """Do the work once to warm up and then `rounds` times; print their seconds and CPU time, imports apart."""
    seconds, cpu = [], []
    for number in range(rounds + 1):
        started, busy = time.perf_counter(), time.process_time()
        work()
        if number:
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - busy)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu}))

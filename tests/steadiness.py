"""Run the tests that wait for other processes again and again, beside a load if one is asked for, and record each run.

    python -m tests.steadiness --runs 5              quiet runs, appended to bench/results/steadiness.json
    python -m tests.steadiness --runs 5 --load 8     each beside eight processes that keep a core busy

What else the machine does counts as load, too: each run records the mean load of the machine, of which its own four
processes are some three.

A test that passes or fails by how quickly a server, a worker or Ray answers shows it here. The first run with a failure
ends the series: `in_a_row` counts the runs since the last one that failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.machine import describe_machine

REPOSITORY = Path(__file__).parents[1]
RESULT = REPOSITORY / "bench" / "results" / "steadiness.json"
# Portable runners, engines, faults and Ray.
TESTS = ("tests/beam_pipeline/runners", "tests/beam_pipeline/workers", "tests/engines", "tests/faults", "tests/enrich")
# What `make test` runs of them, and then what `make cases` does.
TIERS = ("", "cases")
# A load of 8 and the processes of the tests.
LOADED = 11
_PYTEST = (sys.executable, "-m", "pytest", "-n", "4", "--dist", "loadscope", "--no-loadscope-reorder")
_CLOSING = re.compile(r"(\d+) (passed|failed|error|skipped)")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.steadiness",
        description="Run the tests of runners, engines, faults and Ray again and again.",
    )
    parser.add_argument("--runs", type=int, default=5, help="how many")
    parser.add_argument("--load", type=int, default=0, help="processes that keep a core busy beside each run")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    for number in range(given.runs):
        with busy(given.load):
            run = one_run()
        record(given.result, {**run, "busy_processes": given.load, "commit": head(), "machine": describe_machine()})
        print(f"run {number + 1} of {given.runs}: {run['passed']} passed, {run['failed']} failed, {run['seconds']} s")
        if run["failed"]:
            return 1
    return 0


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that do nothing but loop."""
    children = [subprocess.Popen((sys.executable, "-c", "while True: pass")) for _ in range(processes)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def one_run() -> dict[str, Any]:
    """Both tiers of the tests once; what pytest says of a run that fails goes to stderr."""
    counts = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
    failures: set[str] = set()
    started = time.monotonic()
    loads: list[float] = []
    for tier in TIERS:
        environment = {**os.environ, "LONG_TESTS": tier, "TZ": "UTC"}
        with tempfile.TemporaryFile("w+") as output:
            command = (*_PYTEST, *TESTS)
            tests = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT)
            while tests.poll() is None:
                loads.append(os.getloadavg()[0])
                time.sleep(2)
            output.seek(0)
            text = output.read()
        closing = text.rstrip().rpartition("\n")[2]
        for number, outcome in _CLOSING.findall(closing):
            counts[outcome] += int(number)
        failures.update(_FAILED.findall(text))
        if tests.returncode:
            failures.update(() if failures else (f"pytest ended with {tests.returncode}: {closing}",))
            print(text, file=sys.stderr, flush=True)
    return {
        "passed": counts["passed"],
        "failed": len(failures),
        "skipped": counts["skipped"],
        "failures": sorted(failures),
        "mean_load": round(statistics.mean(loads), 1),
        "seconds": round(time.monotonic() - started),
    }


def head() -> str:
    """The commit that is tested, and whether the tree differs from it."""
    command = ("git", "describe", "--always", "--dirty", "--exclude=*")
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


def record(path: Path, run: Mapping[str, Any]) -> None:
    """Append the run."""
    runs = [*(json.loads(path.read_text())["runs"] if path.exists() else []), run]
    in_a_row: list[Mapping[str, Any]] = []
    for past in reversed(runs):
        if past["failed"]:
            break
        in_a_row.append(past)
    totals = {
        "in_a_row": len(in_a_row),
        "of_them_beside_a_load_of_8": sum(past["mean_load"] >= LOADED for past in in_a_row),
    }
    path.write_text(json.dumps({"totals": totals, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""What a command costs before it does anything: `daeda --help`, and `plan` over 365 days of small partitions."""

from __future__ import annotations

import datetime as dt
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from bench.feed import LAST_DAY
from bench.harness import Bench, Outcome, Timed
from bench.process_tree import run_measured
from bench.project import SERVICE
from bench.workloads.days import FEED, TINY_DAYS, write_days
from bench.workloads.five_features import five_features

_DAEDA = str(Path(sys.executable).with_name("daeda"))
_MORE_ROUNDS = 2


def run(bench: Bench) -> Outcome:
    """Seconds of whole commands, the interpreter's own start included (`python -c pass` stands beside them)."""
    feed = replace(FEED, history_days=TINY_DAYS) if bench.tiny else FEED
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_days(path, feed))
    rounds = bench.rounds * (1 if bench.tiny else _MORE_ROUNDS)
    # The first seven days have windows that are cut short; they are days like all others to a plan.
    first = LAST_DAY - dt.timedelta(days=feed.history_days - 1)
    with bench.scratch() as scratch:
        runtime = five_features().write(scratch, data, first, LAST_DAY)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "daeda_help": [_DAEDA, "--help"],
            "daeda_train_help": [_DAEDA, "pipeline", "train", "--help"],
            "daeda_plan": [_DAEDA, "pipeline", "plan", SERVICE, "--runtime-config-path", str(runtime)],
        }
        systems = {name: _time(command, rounds) for name, command in commands.items()}
    figures = {f"{name} seconds": systems[name].seconds for name in ("daeda_help", "daeda_plan")}
    figures |= {f"{name} seconds of CPU": systems[name].more["cpu_seconds"] for name in ("daeda_help", "daeda_plan")}
    return Outcome({"days": feed.history_days}, systems, True, figures)


def _time(command: list[str], rounds: int) -> Timed:
    # Once without a clock: byte code is compiled, and files come into the cache.
    subprocess.run(command, check=True, capture_output=True)
    measured = [run_measured(command) for _ in range(rounds)]
    more = {"cpu_seconds": round(statistics.median(timed.cpu_seconds for timed in measured), 3)}
    peak = statistics.median(timed.peak_mib for timed in measured)
    return Timed(statistics.median(timed.seconds for timed in measured), peak, rounds, more)

"""What a command costs before it does anything: `daeda --help`, `plan` over 365 days of small partitions and over 14 of
them, and the skeleton of one such day.

And what people wait for while they write YAML: `check`, `preview` and `preview --explain` of the example's service.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.feed import LAST_DAY
from bench.harness import Bench, Outcome, Timed
from bench.process_tree import Measured, run_measured
from bench.project import SERVICE
from bench.workloads import journey
from bench.workloads.days import FEED, TINY_DAYS, write_days
from bench.workloads.five_features import five_features

_DAEDA = str(Path(sys.executable).with_name("daeda"))
_MORE_ROUNDS = 2
_TWO_WEEKS = dt.timedelta(days=13)


def run(bench: Bench) -> Outcome:
    """Seconds of whole commands, the interpreter's own start included (`python -c pass` stands beside them)."""
    feed = replace(FEED, history_days=TINY_DAYS) if bench.tiny else FEED
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_days(path, feed))
    rounds = bench.rounds * (1 if bench.tiny else _MORE_ROUNDS)
    # The first seven days have windows that are cut short; they are days like all others to a plan.
    first = LAST_DAY - dt.timedelta(days=feed.history_days - 1)
    with bench.scratch() as scratch:
        runtime = five_features().write(scratch, data, first, LAST_DAY)
        where = ["--runtime-config-path", str(runtime)]
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "daeda_help": [_DAEDA, "--help"],
            "daeda_train_help": [_DAEDA, "pipeline", "train", "--help"],
            "daeda_plan": [_DAEDA, "pipeline", "plan", SERVICE, *where],
            "daeda_plan_14_days": [_DAEDA, "pipeline", "plan", SERVICE, *where, "--start", str(LAST_DAY - _TWO_WEEKS)],
        }
        systems = {name: _time(bench, command, rounds) for name, command in commands.items()}
        one_day = [sys.executable, "-m", "beam_pipeline", *where, "--target-date", str(LAST_DAY)]
        systems["daeda_one_day"] = _time(bench, one_day, rounds, outputs=scratch / "one-day")
        at_hand = {"daeda_check": ["check"], "daeda_preview": ["preview"]}
        if not bench.tiny:
            # Of the example, whose data takes seconds to be prepared.
            at_hand["daeda_explain_row"] = ["preview", "--explain", "2"]
            where = ["--runtime-config-path", str(journey.RUNTIME)]
            made = replace(bench, name="journey").data(journey.PARAMETERS, 1 << 30, journey.prepare)
            data = made / "data"
        here = {"DAEDA_DATA_ROOT": str(data), "DAEDA_OUTPUT_ROOT": str(scratch / "output")}
        for name, words in at_hand.items():
            systems[name] = _time(bench, [_DAEDA, *words, *where], rounds, here)
    told = [name for name in systems if name not in ("python", "daeda_train_help")]
    figures = {f"{name} seconds": systems[name].seconds for name in told}
    figures |= {f"{name} seconds of CPU": systems[name].more["cpu_seconds"] for name in told}
    return Outcome({"days": feed.history_days}, systems, True, figures)


def _time(
    bench: Bench,
    command: list[str],
    rounds: int,
    variables: Mapping[str, str] | None = None,
    outputs: Path | None = None,
) -> Timed:
    """Each round has a directory of its own below `outputs` as its output root."""
    # Byte code is written, whatever the variables of whoever measures.
    environment = {"PYTHONDONTWRITEBYTECODE": "", **(variables or {})}

    def run_once(number: int) -> Measured:
        own = {} if outputs is None else {"DAEDA_OUTPUT_ROOT": str(outputs / str(number))}
        return run_measured(command, {**environment, **own})

    if not bench.tiny:
        # Once without a clock: byte code is compiled, and files come into the cache.
        run_once(-1)
    measured = [run_once(number) for number in range(rounds)]
    more = {"cpu_seconds": round(statistics.median(timed.cpu_seconds for timed in measured), 3)}
    peak = statistics.median(timed.peak_mib for timed in measured)
    return Timed(statistics.median(timed.seconds for timed in measured), peak, rounds, more)

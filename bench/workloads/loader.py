"""The loader of a training loop: rows per second of `batches`, against reading and decoding the same columns alone.

The rows are 40 days of a quarter of a million: 16 numbers, a time, a text, a list of up to 32 ids, a vector of 32
float16. What is timed are four of the days; the memory is that of an epoch over all of them, beside that of the four.
The files of the other days are those of the first four once more. Row groups are those of a skeleton, and vectors in a
dictionary, as pyarrow writes them. `enriched` are the four days as the enrichment writes them, by its own writer.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from bench.harness import ROOT, Bench, Outcome, Timed
from bench.loader_days import DAYS, DIMENSION, TIMED_DAYS, WIDTH, write_days

ROWS, TINY_ROWS = 250_000, 150
# What is compared takes turns, each in a fresh process: the speed of memory changes within minutes.
_TURNS = 5
ALWAYS = ("daeda", "pyarrow_alone", "daeda_enriched", "pyarrow_enriched")
MORE = ("daeda_in_order", "daeda_enriched_in_order", "daeda_numbers", "pyarrow_numbers")
# What reads and decodes the same columns of the same files, and does no more.
ALONE = {
    "daeda": "pyarrow_alone", "daeda_in_order": "pyarrow_alone", "daeda_enriched": "pyarrow_enriched",
    "daeda_enriched_in_order": "pyarrow_enriched", "daeda_numbers": "pyarrow_numbers",
}  # fmt: skip
# Peers, what they need, and the target of the Makefile that gives it an environment of its own.
PEERS = {"huggingface_streaming": ("datasets", "readers"), "torch_over_pyarrow": ("torch", "torch")}


def run(bench: Bench) -> Outcome:
    """Epochs of a million rows, and one of ten million."""
    # What it measures by, no environment of a peer has, and each reads this module.
    from bench.peers.script import run_script

    rows = TINY_ROWS if bench.tiny else ROWS
    key = {"rows": rows, "days": DAYS, "width": WIDTH, "dimension": DIMENSION, "version": 4}
    data = bench.data(key, 1_200 * rows * TIMED_DAYS, lambda path: write_days(path, rows))
    answers: dict[int, set[str]] = {TIMED_DAYS: set(), DAYS: set()}
    with bench.scratch() as scratch:

        def timed(system: str, days: int, rounds: int, python: str = sys.executable) -> Timed:
            answer = scratch / f"{system}-{days}"
            words = [system, str(data), str(days), str(answer), str(rounds)]
            found = run_script("bench.peers.read_batches", words, rounds, python=python)
            answers[days].add(answer.read_text(encoding="utf-8"))
            return found

        names = [*ALWAYS, *(name for name in MORE if not bench.tiny and bench.wants(name))]
        turns = [
            {name: timed(name, TIMED_DAYS, bench.rounds) for name in names} for _ in range(1 if bench.tiny else _TURNS)
        ]
        systems = {name: _of_turns([turn[name] for turn in turns]) for name in names}
        for system, (module, target) in PEERS.items():
            python = _python_with(module, target)
            if python is None:
                bench.skip(system, f"{module} is not installed: `make {target}` makes an environment that has it")
            elif bench.tiny and system not in bench.only:
                bench.skip(system, "at the smallest size it is its imports and nothing else; ask for it by its name")
            elif bench.wants(system):
                systems[system] = timed(system, TIMED_DAYS, 1, python)
        systems["daeda_long_epoch"] = timed("daeda", DAYS, 1)
    if any(len(found) != 1 for found in answers.values()):
        raise SystemExit(f"loader: the systems do not have the same rows: {answers}")
    counted = {"rows": rows * TIMED_DAYS, "rows of the long epoch": rows * DAYS}
    return Outcome(counted, systems, True, _figures(systems, rows))


def _of_turns(turns: Sequence[Timed]) -> Timed:
    """The medians of the turns, and the greatest peak."""
    return Timed(
        statistics.median(turn.seconds for turn in turns),
        max(turn.peak_mib for turn in turns),
        sum(turn.rounds for turn in turns),
        {"cpu_seconds": round(statistics.median(turn.more["cpu_seconds"] for turn in turns), 3)},
    )


def _python_with(module: str, target: str) -> str | None:
    """The interpreter that has a module: this one, or that of the environment which `make target` makes."""
    if find_spec(module) is not None:
        return sys.executable
    python = ROOT / f".venv-{target}" / "bin" / "python"
    return str(python) if python.exists() else None


def _figures(systems: dict[str, Timed], rows: int) -> dict[str, float]:
    def ratio(system: str, alone: str) -> dict[str, float]:
        if system not in systems or alone not in systems:
            return {}
        own, other = systems[system], systems[alone]
        return {
            f"rows per second, {system}/{alone}": other.seconds / own.seconds,
            f"rows per second of CPU, {system}/{alone}": other.more["cpu_seconds"] / (own.more["cpu_seconds"] or 1),
        }

    figures = {
        f"{name} rows/s": rows * (DAYS if name == "daeda_long_epoch" else TIMED_DAYS) / timed.seconds
        for name, timed in systems.items()
    }
    for system, alone in ALONE.items():
        figures |= ratio(system, alone)
    return figures | {"memory of 10M rows/of 1M rows": systems["daeda_long_epoch"].peak_mib / systems["daeda"].peak_mib}

"""`python -m bench WORKLOAD`: run it, print a table, write bench/results/<workload>.json."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.catalogue import WORKLOADS, find
from bench.harness import CACHE, RESULTS, Bench, Outcome, write_result


def main(words: Sequence[str] | None = None) -> int:
    """Run the workloads that are named, or list them; returns the exit code."""
    arguments = build_parser().parse_args(words)
    if not arguments.workload:
        print_list()
        return 0
    unknown = [name for name in arguments.workload if name not in WORKLOADS]
    if unknown:
        print(f"no workload '{unknown[0]}': there are {', '.join(WORKLOADS)}", file=sys.stderr)
        return 2
    if arguments.result and len(arguments.workload) > 1:
        print("--result is the file of one workload, and several are named: leave it out", file=sys.stderr)
        return 2
    # Commands of users find their modules compiled; where bytecode is not written, each would compile them anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in arguments.workload:
        bench = Bench(
            name, 1 if arguments.tiny else arguments.rounds, arguments.tiny, arguments.cache.absolute(),
            frozenset(arguments.only.split(",")) if arguments.only else frozenset(), days=arguments.days,
        )  # fmt: skip
        outcome = find(name).run(bench)
        print_outcome(bench, outcome)
        if arguments.result or not arguments.tiny:
            write_result(arguments.result or RESULTS / f"{name}.json", bench, outcome)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("workload", nargs="*", help="without one, they are listed")
    parser.add_argument(
        "--rounds", type=_number("rounds"), default=5, metavar="N", help="median of so many (default: 5)"
    )
    parser.add_argument(
        "--days", type=_number("days"), metavar="N", help="fewer days than `extend` has, which takes hours"
    )
    parser.add_argument("--only", metavar="A,B", help="of the peers, these alone; daeda always runs")
    parser.add_argument("--tiny", action="store_true", help="a size without meaning, to see that it runs")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where generated data is kept")
    parser.add_argument("--result", type=Path, metavar="FILE", help="instead of bench/results/<workload>.json")
    return parser


def print_list() -> None:
    """The workloads, one a line."""
    width = max(map(len, WORKLOADS))
    for name, entry in WORKLOADS.items():
        print(f"{name:<{width}}  {entry.about}")


def print_outcome(bench: Bench, outcome: Outcome) -> None:
    """Systems with their figures, the quickest of them as the measure."""
    rows = ", ".join(f"{count:,} {name}" for name, count in outcome.rows.items())
    table = Table(title=f"{bench.name}: {rows}", title_justify="left")
    for heading in ("system", "seconds", "peak MiB", "rounds", "daeda takes so many times as long"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    own = outcome.systems.get("daeda")
    for name, timed in outcome.systems.items():
        ratio = f"{own.seconds / timed.seconds:.2f}" if own is not None and timed.seconds else ""
        table.add_row(name, f"{timed.seconds:.3f}", f"{timed.peak_mib:,.0f}", str(timed.rounds), ratio)
    console = Console()
    console.print(table)
    for name, value in outcome.figures.items():
        console.print(f"{name}: {value:,.3f}", highlight=False)


def _number(what: str) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number of {what} from 1")
        return int(text)

    return number

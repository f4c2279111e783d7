"""Before and after: the commands of two checkouts over the same data, run in turn, the ratio taken pair by pair.

    python -m bench.compare OTHER small month days vectors startup --pairs 7

OTHER is another checkout with a .venv of its own, say `git worktree add ../before TAG` and `make -C ../before install`.
Both sides run their whole command in a fresh process. Seconds are those of the clock and of the processor, start-up
included; a machine that does other work as well disturbs the latter less. The parts of both outputs are compared, byte
for byte where they are a skeleton.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.feed import LAST_DAY, write_feed
from bench.harness import RESULTS, ROOT, Bench
from bench.machine import describe_machine
from bench.process_tree import run_measured
from bench.project import SERVICE
from bench.vectors_project import day_after, runtime, write_project
from bench.workloads import days, five_features, month, vectors

# Days of *days* that a run builds here: a year would take an hour of pairs.
_DAYS = 30


@dataclass(frozen=True)
class Command:
    """A command but for its interpreter; `output` is what it fills, if anything, and removed before each run."""

    words: tuple[str, ...]
    output: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()


@contextmanager
def commands(workload: str) -> Iterator[dict[str, Command]]:
    """The commands of a workload, over data that is made where it is not there yet."""
    bench = Bench(workload)
    with bench.scratch() as scratch:
        match workload:
            case "small":
                feed = five_features.FEEDS["small"]
                data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
                project = five_features.five_features().write(scratch / "project", data, LAST_DAY, LAST_DAY)
                yield {"small": _skeleton(project)}
            case "month":
                data = bench.data(month.FEED.parameters(), month.FEED.nbytes, lambda path: write_feed(path, month.FEED))
                first = LAST_DAY - timedelta(days=9)
                project = month.project(90).write(scratch / "project", data, first, LAST_DAY)
                yield {"month, 10 days": _skeleton(project)}
            case "days" | "startup":
                bench = Bench("days")
                data = bench.data(
                    days.FEED.parameters(), days.FEED.nbytes, lambda path: days.write_days(path, days.FEED)
                )
                first = LAST_DAY - timedelta(days=(_DAYS if workload == "days" else days.YEAR) - 1)
                project = five_features.five_features().write(scratch / "project", data, first, LAST_DAY)
                where = ("--runtime-config-path", str(project))
                yield (
                    {"days, 30 of them": _skeleton(project)}
                    if workload == "days"
                    else {
                        "--help": Command(("-m", "daeda", "--help")),
                        "plan over 365 days": Command(("-m", "daeda", "pipeline", "plan", SERVICE, *where)),
                    }
                )
            case "vectors":
                size, count = vectors.SIZES["vectors"], vectors.DAYS
                key = {"size": str(size), "version": 1, "days": count}
                room = size.nbytes + count * size.rows * size.dimension * 2
                data = bench.data(key, room, lambda path: write_project(path, size, count))
                words = ("-m", "enrich", "--runtime-config-path", str(runtime(data)))
                end = (("DAEDA_FEED_END", str(day_after(1))),)
                yield {"vectors, 2 days": Command(words, data / "output" / vectors.SERVICE / "enriched", end)}
            case _:
                raise SystemExit(f"no workload '{workload}': small, month, days, vectors and startup are compared")


def _skeleton(project: Path) -> Command:
    output = project.parents[2] / "output"
    words = ("-m", "beam_pipeline", "--runtime-config-path", str(project), "--output-root", str(output))
    return Command(words, output)


def _run(checkout: Path, command: Command) -> tuple[float, float, str]:
    """Seconds of the clock, seconds of the processor, and the digest of the parts."""
    if command.output is not None:
        shutil.rmtree(command.output, ignore_errors=True)
    # The module of the checkout, wherever the interpreter has another one installed.
    environment = {**dict(command.environment), "PYTHONPATH": str(checkout)}
    measured = run_measured([str(checkout / ".venv/bin/python"), *command.words], environment)
    return measured.seconds, measured.cpu_seconds, _digest(command.output)


def _digest(output: Path | None) -> str:
    digest = hashlib.sha256()
    for part in sorted(output.rglob("part-*.parquet")) if output is not None else ():
        digest.update(str(part.relative_to(output or part)).encode() + part.read_bytes())
    return digest.hexdigest()


def compare(name: str, command: Command, other: Path, pairs: int) -> dict[str, object]:
    """The medians of the ratios this checkout / the other one, after a pair that does not count."""
    ratios: dict[str, list[float]] = {"wall": [], "cpu": []}
    same = True
    for number in range(pairs + 1):
        # Each side goes first every other time.
        sides = [ROOT, other] if number % 2 else [other, ROOT]
        results = {side: _run(side, command) for side in sides}
        here, there = results[ROOT], results[other]
        same = same and here[2] == there[2]
        if number:
            ratios["wall"].append(here[0] / there[0])
            ratios["cpu"].append(here[1] / there[1])
    found: dict[str, object] = {kind: round(statistics.median(values), 3) for kind, values in ratios.items()}
    found |= {"range": [round(min(ratios["cpu"]), 3), round(max(ratios["cpu"]), 3)], "pairs": pairs, "same bytes": same}
    print(f"{name}: {found}", flush=True)
    return found


def _commit(checkout: Path) -> str:
    words = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Compare, and record what came out in bench/results/compare.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=str(__doc__).partition("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("workloads", nargs="+")
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    other = arguments.other.resolve()
    found: dict[str, object] = {}
    for workload in arguments.workloads:
        with commands(workload) as prepared:
            found |= {name: compare(name, command, other, arguments.pairs) for name, command in prepared.items()}
    result = {"machine": describe_machine(), "this": _commit(ROOT), "other": _commit(other), "ratios": found}
    (RESULTS / "compare.json").write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

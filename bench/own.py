"""daeda itself, built by its own command in a fresh process each time.

Its seconds are those of the days' operators, as their manifests have them: scan to sink, with the digests of parts.
Starting Python, importing Beam, and what a run does once are apart, as imports are for the hand-written scripts.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from bench.harness import Bench, Timed
from bench.process_tree import CommandFailed, Measured, run_measured
from bench.project import SERVICE
from daeda.dataset.layout import parts_in_order

# What an engine or operator says that is declared and not built.
_NOT_BUILT = "not built yet"


@dataclass(frozen=True)
class Built:
    """The last of several runs: its figures, seconds by operator, and where its days lie."""

    timed: Timed
    operators: Mapping[str, float]
    skeleton: Path

    def day(self, day: object) -> pq.Table:
        """The rows of a day, in the order of its parts."""
        directory = self.skeleton / f"dt={day}"
        names = parts_in_order(path.name for path in directory.glob("*.parquet"))
        return pq.read_table([directory / name for name in names], partitioning=None)


def build(
    bench: Bench, runtime: Path, engine: str = "duckdb", rounds: int | None = None, more: tuple[str, ...] = ()
) -> Built:
    """Build the days of a project `rounds` times from nothing; raises CommandFailed where daeda does.

    `more` are further flags of `python -m beam_pipeline`.
    """
    count = bench.rounds if rounds is None else rounds
    output = runtime.parents[2] / f"output_{engine}"
    words = ["--runtime-config-path", str(runtime), "--output-root", str(output), *more]
    skeleton = output / SERVICE / "skeleton"
    seconds, peaks, walls, cpu = [], [], [], []
    operators: dict[str, float] = {}
    for _ in range(count):
        shutil.rmtree(output, ignore_errors=True)
        measured = _run(bench, words, engine)
        operators = seconds_by_operator(skeleton)
        seconds.append(sum(operators.values()))
        peaks.append(measured.peak_mib)
        walls.append(measured.seconds)
        cpu.append(measured.cpu_seconds)
    wall = statistics.median(walls)
    middle = statistics.median(seconds)
    beside = {
        "wall_seconds": round(wall, 3),
        "start_up_seconds": round(wall - middle, 3),
        "cpu_seconds_with_start_up": round(statistics.median(cpu), 3),
    }
    timed = Timed(middle, statistics.median(peaks), count, beside)
    return Built(timed, operators, skeleton)


def build_engines(bench: Bench, runtime: Path, polars_rounds: int | None = None) -> dict[str, Built]:
    """Build with both engines, as `daeda` and `daeda_polars`; an engine that is not built is skipped."""
    built = {"daeda": build(bench, runtime)}
    try:
        built["daeda_polars"] = build(bench, runtime, "polars", polars_rounds)
    except CommandFailed as error:
        if _NOT_BUILT not in error.said:
            raise
        bench.skip("daeda_polars", "the polars engine is not built yet")
    return built


def profile(built: Built, days: int = 1, system: str = "daeda") -> str:
    """The operators that took longest, in seconds per day, as a note."""
    slowest = sorted(built.operators.items(), key=lambda item: -item[1])[:6]
    return f"{system}, seconds by operator: " + ", ".join(f"{name} {took / days:.3f}" for name, took in slowest)


def seconds_by_operator(skeleton: Path) -> dict[str, float]:
    """Seconds of each operator, over all days."""
    found: dict[str, float] = {}
    for path in skeleton.glob("dt=*/_manifest.json"):
        for operator, seconds in json.loads(path.read_text(encoding="utf-8"))["seconds"].items():
            found[operator] = found.get(operator, 0.0) + seconds
    return found


def _run(bench: Bench, words: list[str], engine: str) -> Measured:
    if not bench.tiny:
        command = [sys.executable, "-m", "beam_pipeline", *words]
        return run_measured(command, {"DAEDA_COMPUTE__ENGINE": engine, "DAEDA_DAY_WORKERS": "1"})
    return _run_here(words, engine)


def _run_here(words: list[str], engine: str) -> Measured:
    """In this process: what a test of the bench is for is not the start of another one."""
    import os

    from beam_pipeline.command import main

    said = io.StringIO()
    before = os.environ.get("DAEDA_COMPUTE__ENGINE")
    os.environ["DAEDA_COMPUTE__ENGINE"] = engine
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = main(words)
    finally:
        if before is None:
            del os.environ["DAEDA_COMPUTE__ENGINE"]
        else:
            os.environ["DAEDA_COMPUTE__ENGINE"] = before
    if code:
        raise CommandFailed(["python", "-m", "beam_pipeline", *words], code, said.getvalue())
    return Measured(0.0, 0.0)

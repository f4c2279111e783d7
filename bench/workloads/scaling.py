"""What an engine adds: thirty days of a second and more, by DirectRunner, Flink and Prism, one and two at work.

Every engine is up before the clock starts; a run is the whole command in a fresh process. A run of three days beside
that of thirty tells apart what a day costs, a 27th of the difference, from what the start does. The parts of all of
them are the same bytes. `_sizes` are of the data and of what is published.

An engine that cannot be had (tests/engines/cache.py says why) is skipped; the smallest size has an embedded Flink
alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from bench.feed import LAST_DAY, Feed, write_feed
from bench.harness import Bench, Outcome, Timed
from bench.process_tree import Measured, run_measured
from bench.project import SERVICE
from bench.workloads.five_features import five_features
from tests.beam_pipeline.runners.conftest import LOOPBACK, worker_pool
from tests.engines import cache
from tests.engines.flink import cluster, job_server
from tests.engines.prism import prism_service

DAYS, FEW = 30, 3
FEED = Feed(history_days=DAYS + 7, rows_per_history_day=250_000, spine_rows=250_000)
_TINY_DAYS, _TINY_FEW = 4, 1
# Systems whose ratio is a goal are run in turn, so many times; the others once.
_COMPARED = ("daeda_direct_2", "daeda_flink_loopback_2", "daeda_flink_external_2")
_ROUNDS = 3
_TOO_SMALL = "at the smallest size it is an engine's start and nothing else"


@dataclass(frozen=True)
class System:
    """An engine with so many days at work: the flags of `python -m beam_pipeline`."""

    name: str
    flags: tuple[str, ...]


def run(bench: Bench) -> Outcome:
    """All systems over the few days, then over all of them, those that are compared in turn."""
    days, few = (_TINY_DAYS, _TINY_FEW) if bench.tiny else (DAYS, FEW)
    feed = replace(FEED, history_days=days + 7)
    if bench.tiny:
        feed = replace(feed, rows_per_history_day=200, spine_rows=200)
    data = bench.data(feed.parameters(), feed.nbytes, lambda path: write_feed(path, feed))
    with bench.scratch() as scratch, contextlib.ExitStack() as stack:
        runtimes = {count: _project(scratch / f"project_{count}", data, count) for count in (few, days)}
        systems = [System("daeda", ("--day-workers", "1")), System("daeda_direct_2", ("--day-workers", "2"))]
        systems += _engines(bench, stack, scratch)
        if bench.tiny:
            systems = [system for system in systems if system.name in ("daeda", *_COMPARED)]
        output = scratch / "output"
        started = {system.name: _run(system, runtimes[few], output).seconds for system in systems}
        measured: dict[str, list[Measured]] = defaultdict(list)
        expected: dict[str, str] = {}
        rounds = 1 if bench.tiny else min(bench.rounds, _ROUNDS)
        for turn in range(rounds):
            for system in systems:
                if turn == 0 or system.name in _COMPARED:
                    measured[system.name].append(_run(system, runtimes[days], output))
                    digests = _digests(output)
                    assert digests == (expected or digests), f"{system.name}: other bytes than those of DirectRunner"
                    expected = digests
        sizes = _sizes(data, output)
    timed = {name: _timed(runs, started[name], days, few) for name, runs in measured.items()}
    return Outcome({"per day": feed.spine_rows, "days": days}, timed, True, {**_ratios(timed), **sizes})


def _project(directory: Path, data: Path, days: int) -> Path:
    return five_features().write(directory, data, LAST_DAY - dt.timedelta(days=days - 1), LAST_DAY)


def _engines(bench: Bench, stack: contextlib.ExitStack, scratch: Path) -> Iterator[System]:
    """What can be had, started; what cannot is skipped, with the reason."""
    address = stack.enter_context(worker_pool(Path(sys.executable), scratch / "pool.log"))
    forms = {"loopback": LOOPBACK, "external": ("--environment_type", "EXTERNAL", "--environment_config", address)}
    engines = {"daeda_flink": (cache.flink_jars, _flinks), "daeda_prism": (cache.prism, _prisms)}
    for name, (fetch, systems) in engines.items():
        try:
            fetched = fetch()
        except cache.NotToBeHad as reason:
            bench.skip(name, str(reason))
        else:
            yield from systems(bench, stack, scratch, fetched, forms)


def _flinks(
    bench: Bench, stack: contextlib.ExitStack, scratch: Path, jars: Path, forms: Mapping[str, tuple[str, ...]]
) -> Iterator[System]:
    """A Flink in the job server, and a cluster."""
    embedded = stack.enter_context(job_server(jars, _made(scratch / "embedded")))
    for form, flags in forms.items():
        for slots in (1, 2):
            yield _on_flink(f"daeda_flink_{form}_{slots}", embedded, slots, flags)
    if bench.tiny:
        bench.skip("daeda_cluster", _TOO_SMALL)
        return
    servers = stack.enter_context(cluster(jars, scratch / "cluster", task_managers=1, slots=2))
    before = stack.enter_context(job_server(jars, _made(scratch / "before"), master=servers.address))
    for slots in (1, 2):
        yield _on_flink(f"daeda_cluster_external_{slots}", before, slots, forms["external"])


def _prisms(
    bench: Bench, stack: contextlib.ExitStack, scratch: Path, program: Path, forms: Mapping[str, tuple[str, ...]]
) -> Iterator[System]:
    """Prism, with two days at work."""
    if bench.tiny:
        bench.skip("daeda_prism", _TOO_SMALL)
        return
    prism = stack.enter_context(prism_service(program, _made(scratch / "prism")))
    for form, flags in forms.items():
        beam = ("--runner", "PrismRunner", "--job_endpoint", prism)
        yield System(f"daeda_prism_{form}_2", ("--day-workers", "2", *beam, *flags))


def _on_flink(name: str, address: str, slots: int, flags: tuple[str, ...]) -> System:
    beam = ("--runner", "FlinkRunner", "--job_endpoint", address, "--parallelism", str(slots))
    return System(name, ("--day-workers", str(slots), *beam, *flags))


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _run(system: System, runtime: Path, output: Path) -> Measured:
    shutil.rmtree(output, ignore_errors=True)
    words = ["--runtime-config-path", str(runtime), "--output-root", str(output), *system.flags]
    return run_measured([sys.executable, "-m", "beam_pipeline", *words])


def _digests(output: Path) -> dict[str, str]:
    parts = sorted((output / SERVICE / "skeleton").glob("dt=*/*.parquet"))
    return {str(part.relative_to(output)): hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}


def _timed(runs: list[Measured], few_seconds: float, days: int, few: int) -> Timed:
    seconds = statistics.median(run.seconds for run in runs)
    per_day = (seconds - few_seconds) / (days - few)
    more = {"seconds_per_day": round(per_day, 3), "seconds_to_start": round(few_seconds - few * per_day, 3)}
    return Timed(seconds, statistics.median(run.peak_mib for run in runs), len(runs), more)


def _ratios(timed: dict[str, Timed]) -> dict[str, float]:
    """Each engine over DirectRunner with as many days at work, and two days at work over one."""
    figures = {}
    for name, system in timed.items():
        direct = timed["daeda_direct_2" if name.endswith("_2") else "daeda"]
        if system is not direct:
            figures[f"{name.removeprefix('daeda_')}/direct"] = system.seconds / direct.seconds
        one = "daeda" if name == "daeda_direct_2" else f"{name[:-1]}1"
        if name.endswith("_2") and one in timed:
            figures[f"{name.removeprefix('daeda_')[:-2]}: speed-up of 2 over 1"] = timed[one].seconds / system.seconds
    return figures


def _sizes(data: Path, output: Path) -> dict[str, float]:
    files = sorted((data / "ev").glob("dt=*/*.parquet"))
    events = sum(pq.read_metadata(file).num_rows for file in files)
    parts = list((output / SERVICE / "skeleton").glob("dt=*/*.parquet"))
    rows = sum(pq.read_metadata(part).num_rows for part in parts)
    table = pq.read_table(files[-1], partitioning=None)
    return {
        "bytes of an event in Parquet": sum(file.stat().st_size for file in files) / events,
        "bytes of an event in Arrow": table.nbytes / table.num_rows,
        "bytes of a row of the skeleton": sum(part.stat().st_size for part in parts) / rows,
    }

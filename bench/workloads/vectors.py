"""The enrichment: *vectors* is the mean of 32 vectors of 1,152 float16 for each of 100,000 rows, *catalogue* a day of
470,000 distinct ids out of a store of 42.5 million, at a small dimension.

The days of *vectors* have the same rows. daeda enriches them in one run of its command, and a day's seconds are those
of the clock from the publication of the day before it to its own: all that is done for a day, the reading of the next
one included. The first day is not counted: it has Ray's start in it. The peers do one day over and over, in a process
in which Ray runs, and their first time is not counted either.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.equality import check_equal
from bench.harness import ROOT, Bench, Outcome, Timed
from bench.peers.script import run_script
from bench.process_tree import run_measured
from bench.vectors_project import DAY, SERVICE, Size, day_after, runtime, write_project
from enrich.part.llvm_kernel import kernel
from enrich.part.pooling import average

SIZES = {
    "vectors": Size(rows=100_000, length=32, stored=200_000, distinct=200_000, dimension=1152, part=12_500),
    "catalogue": Size(rows=100_000, length=8, stored=42_500_000, distinct=470_000, dimension=16, part=12_500),
}
TINY = Size(rows=200, length=4, stored=300, distinct=100, dimension=8, part=50)
# Days of *vectors*: one to start with, and one for each round.
DAYS = 6
PEERS = {"single_process_loop": "loop", "ray_data": "ray_data", "ray_data_tuned": "ray_data_tuned"}
# Vectors of the store that the kernel is timed with: far more than a processor's caches hold.
_KERNEL_VECTORS, _KERNEL_ROWS = 200_000, 10_000


def run(bench: Bench, variant: str) -> Outcome:
    """One of the two workloads."""
    size = TINY if bench.tiny else SIZES[variant]
    key = {"size": str(size), "version": 1}
    days = 1 if variant == "catalogue" else 2 if bench.tiny else DAYS
    if days > 1:
        key |= {"days": days}
    room = size.nbytes + days * size.rows * size.dimension * 2
    data = bench.data(key, room, lambda path: write_project(path, size, days))
    rows = {"rows": size.rows, "ids": size.rows * size.length, "ids in the store": size.stored}
    return _catalogue(bench, data, size, rows) if variant == "catalogue" else _vectors(bench, data, size, rows)


def _vectors(bench: Bench, data: Path, size: Size, rows: dict[str, int]) -> Outcome:
    with bench.scratch() as scratch:
        systems = {"daeda": _own(bench, data)}
        own = _read((data / "output" / SERVICE / "enriched" / f"dt={DAY}").glob("*.parquet"))
        for system, way in PEERS.items():
            if bench.tiny and way != "loop" and system not in bench.only:
                bench.skip(system, "at the smallest size it is Ray's start and nothing else; ask for it by its name")
            elif bench.wants(system):
                out = scratch / way
                words = [way, str(data), str(out), str(bench.rounds)]
                systems[system] = run_script("bench.peers.pool_vectors", words, bench.rounds)
                peer = _read(out.glob("*.parquet"))
                check_equal(own, peer, system, sort=() if way == "loop" else ["user_id"])
    return Outcome(rows, systems, True, {**_kernel(size, bench.tiny), **_waiting(bench, data)})


def _own(bench: Bench, data: Path) -> Timed:
    """Enrich the first day and one more for each round, all in one run."""
    rounds = min(bench.rounds, 1 if bench.tiny else DAYS - 1)
    enriched = data / "output" / SERVICE / "enriched"
    shutil.rmtree(enriched, ignore_errors=True)
    words = [sys.executable, "-m", "enrich", "--runtime-config-path", str(runtime(data))]
    if bench.tiny:
        # At the smallest size the times mean nothing, and a second Ray is not started for what actors wait.
        words.append("--profile")
    measured = run_measured(words, {"DAEDA_FEED_END": str(day_after(rounds))})
    manifests = [enriched / f"dt={day_after(number)}" / "_manifest.json" for number in range(rounds + 1)]
    # A manifest is written when its day is complete, just before it is moved into place.
    published = [path.stat().st_mtime_ns / 1e9 for path in manifests]
    seconds = [after - before for before, after in itertools.pairwise(published)]
    more = {
        "wall_seconds_of_the_run": round(measured.seconds, 3),
        "first_day_and_start_up_seconds": round(measured.seconds - sum(seconds), 3),
        "by_phase": json.loads(manifests[-1].read_text(encoding="utf-8"))["seconds"],
    }
    return Timed(statistics.median(seconds), measured.peak_mib, rounds, more)


def _waiting(bench: Bench, data: Path) -> dict[str, float]:
    """How much of their time the actors wait, by the profile of a run of its own; Ray's start is left out of it."""
    service = data / "output" / SERVICE
    if not bench.tiny:
        shutil.rmtree(service / "enriched", ignore_errors=True)
        words = [sys.executable, "-m", "enrich", "--profile", "--runtime-config-path", str(runtime(data))]
        run_measured(words)
    profiles = sorted((service / "_profile" / "enriched").glob("dt=*.json"))
    told = [json.loads(path.read_text(encoding="utf-8"))["waiting"] for path in profiles]
    had = sum(one["actors"] * one["wall_seconds"] for one in told)
    return {"% of their time that actors wait": 100 * sum(one["parts"] + one["vectors"] for one in told) / had}


def _kernel(size: Size, tiny: bool) -> dict[str, float]:
    """What one thread pools, beside what it copies, in GB/s of vectors."""
    vectors, rows = (300, 50) if tiny else (_KERNEL_VECTORS, _KERNEL_ROWS)
    generator = np.random.default_rng(1)
    matrix = generator.integers(0, 0x3C00, (vectors, size.dimension), np.uint16).view(np.float16)
    members = generator.integers(0, vectors, rows * size.length)
    offsets = np.arange(rows + 1) * size.length
    copy = np.empty_like(matrix)
    copied = matrix.nbytes / _best(lambda: np.copyto(copy, matrix))
    pooled = len(members) * size.dimension * 2 / _best(lambda: average(offsets, members, matrix, "none"))
    return {
        "kernel is compiled": float(kernel() is not None),
        "kernel GB/s": pooled / 1e9,
        "copy GB/s": copied / 1e9,
        "kernel/copy bandwidth": pooled / copied,
    }


def _best(work: Callable[[], object], rounds: int = 5) -> float:
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def _catalogue(bench: Bench, data: Path, size: Size, rows: dict[str, int]) -> Outcome:
    """The map of a store and the vectors of a day, in a fresh process, from files that are not in memory."""
    words = [sys.executable, "-m", "bench.day_vectors", str(data), str(size.dimension), str(bench.rounds)]
    measured = run_measured(words, directory=ROOT)
    found = json.loads(measured.output)
    assert found["vectors"] == size.distinct
    middle = {name: statistics.median(values) for name, values in found["seconds"].items()}
    figures = {
        "seconds cold": middle["cold"],
        "seconds of the map, of them": middle["map"],
        "seconds of the map, on the processor": middle["map_cpu"],
        "seconds of another day, warm": middle["warm"],
        "MiB of the map": found["map_bytes"] / 2**20,
    }
    return Outcome(rows, {"daeda": Timed(middle["cold"], measured.peak_mib, bench.rounds)}, True, figures)


def _read(paths: object) -> pa.Table:
    ordered = sorted(paths, key=lambda path: path.name if "-0." not in path.name else f"{path.name.split('-')[1]:>9}")
    return pa.concat_tables(pq.ParquetFile(path).read() for path in ordered).combine_chunks()

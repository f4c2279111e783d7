"""What every workload has in common: its description, where its data lies, what it found, and the file of the result.

To add a workload, write a module below bench/workloads with a function `run(bench: Bench) -> Outcome`, and name it in
bench/catalogue.py. The function asks for its data with `bench.data`, runs daeda (bench/own.py) and its peers
(bench/peers) on the same files, compares every answer before its time counts, and returns an Outcome. `bench.tiny` asks
for a size that takes a second: tests/bench runs every workload that way.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import describe_machine

ROOT = Path(__file__).parents[1]
SHARED_PEERS = ROOT.parent / "shared" / "peers"
RESULTS = ROOT / "bench" / "results"
CACHE = ROOT / "bench" / ".cache"
# Both sides have so many threads: the reference scripts have it built in.
THREADS = 2
# What must stay free on the disk when the data of a workload has been written.
_KEEP_FREE = 2 << 30


@dataclass(frozen=True)
class Timed:
    """What a system took: median seconds of `rounds`, and the peak memory of its process tree in MiB.

    `more` holds further figures of the system by name, which stand beside these in the result.
    """

    seconds: float
    peak_mib: float
    rounds: int
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 4),
            "peak_mib": round(self.peak_mib, 1),
            "rounds": self.rounds,
            **self.more,
        }


@dataclass(frozen=True)
class Outcome:
    """What a workload found. `equal` says that every system's answer was compared with daeda's and was the same.

    `figures` are numbers that belong to no system alone, such as ratios; `notes` says in words what is special.
    """

    rows: Mapping[str, int]
    systems: Mapping[str, Timed]
    equal: bool = True
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """How a workload is run.

    `rounds` is what the median is taken of; `only` names the systems to run (empty: all); `tiny` asks for the smallest
    size at which the workload still does everything, without timings that mean anything. `days` are fewer than a
    workload of many days has.
    """

    name: str
    rounds: int = 5
    tiny: bool = False
    cache: Path = CACHE
    only: frozenset[str] = frozenset()
    skipped: dict[str, str] = field(default_factory=dict)
    days: int | None = None

    def wants(self, system: str) -> bool:
        """Whether a system is to be run; daeda always is."""
        return not self.only or system in self.only or system.startswith("daeda")

    def skip(self, system: str, reason: str) -> None:
        """Say that a system is not measured, and why; it stands in the result as well."""
        self.skipped[system] = reason
        print(f"{self.name}: {system} is skipped: {reason}", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        print(f"{self.name}: {line}", file=sys.stderr, flush=True)

    def data(self, parameters: Mapping[str, Any], needed_bytes: int, make: Callable[[Path], None]) -> Path:
        """A directory that `make` has filled, made once for the same parameters and kept in the cache.

        Raises SystemExit when the disk has not the room: `needed_bytes`, and 2 GiB to spare.
        """
        directory = self.data_directory(parameters)
        if directory.is_dir():
            return directory
        self.cache.mkdir(parents=True, exist_ok=True)
        check_free(self.cache, needed_bytes)
        fresh = Path(tempfile.mkdtemp(prefix=f".{self.name}-", dir=self.cache))
        try:
            make(fresh)
            fresh.rename(directory)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return directory

    def data_directory(self, parameters: Mapping[str, Any]) -> Path:
        """Where `data` keeps what belongs to these parameters."""
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode()).hexdigest()[:12]
        return self.cache / f"{self.name}-{digest}"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for output, beside the data, that is gone afterwards."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self.name}-", dir=self.cache) as name:
            yield Path(name)


@dataclass(frozen=True)
class Workload:
    """One command: what it is called, what it measures, and the function that does it."""

    name: str
    about: str
    run: Callable[[Bench], Outcome]


def check_free(directory: Path, needed_bytes: int) -> None:
    """Leave with a sentence where the disk of `directory` has not the room."""
    free = shutil.disk_usage(directory).free
    if free < needed_bytes + _KEEP_FREE:
        raise SystemExit(
            f"{directory} has {free / 2**30:.1f} GiB free and the workload needs {needed_bytes / 2**30:.1f} GiB, with "
            "2 GiB to spare: free some, or give another directory with --cache"
        )


def write_result(path: Path, bench: Bench, outcome: Outcome) -> None:
    """Write what was found as JSON."""
    report = {
        "workload": bench.name,
        "rows": dict(outcome.rows),
        "machine": describe_machine(),
        "threads": THREADS,
        "load": round(os.getloadavg()[0], 1),
        "systems": {name: timed.as_json() for name, timed in outcome.systems.items()},
        "equal": outcome.equal,
        "figures": {name: round(value, 4) for name, value in outcome.figures.items()},
        "skipped": bench.skipped,
        "notes": list(outcome.notes),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

"""What each operator of a day took, as `--profile` measures and keeps it.

Bytes and memory are those of the process while the operator ran, as the kernel counts them: with several days at work
in one process they are shared, and a profile says so.

    <service dir>/_profile/<dataset>/dt=YYYY-MM-DD.json
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.publish.staging import refuse_stranger
from daeda.durations import seconds_since
from daeda.storage.regular import read_regular

# A sample reads one small file; operators of small days take some milliseconds.
_SAMPLE_SECONDS = 0.005
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """One operator on one day.

    `rows` are those that it made, None for an operator that only composes SQL. Bytes are read and written through the
    file system, caches included; `peak_bytes` is the resident memory of the process, `spill_bytes` what lay in the
    spill directory at once.
    """

    operator: str
    seconds: float = 0.0
    rows: int | None = None
    read_bytes: int = 0
    written_bytes: int = 0
    peak_bytes: int = 0
    spill_bytes: int = 0


@dataclass(frozen=True)
class Waiting:
    """How long the actors of an enriched day waited: for a part to work on, and for its vectors, all of them together.

    Each of them had `wall_seconds`: from when the first of them had come, or the day before was done, until this day
    was. Seconds of the process that hands out parts are apart: it waits for vectors that it reads, and for parts.
    """

    actors: int
    wall_seconds: float
    parts: float
    vectors: float
    driver_vectors: float = 0.0
    driver_parts: float = 0.0


@dataclass(frozen=True)
class DayProfile:
    """The operators of a day, in the order in which they ran; `days_at_once` shared the process.

    `began` and `ended` are seconds since 1970 by the clock of the host, `worker` names host and process; a profile from
    before they were kept has none of them.
    """

    day: dt.date
    days_at_once: int
    operators: tuple[Usage, ...]
    began: float | None = None
    ended: float | None = None
    worker: str = ""
    waiting: Waiting | None = None


class Meter:
    """Measures what this process uses while a block runs; blocks of one operator add up."""

    def __init__(self, spill: Path | None = None) -> None:
        self._spill = spill
        self._usages: list[Usage] = []
        self.began = time.time()

    @property
    def usages(self) -> tuple[Usage, ...]:
        """What was measured, in the order in which the operators began."""
        return added_up(self._usages)

    def add_rows(self, operator: str, rows: int | None) -> None:
        """Say how many rows an operator made; None for one that only composes SQL."""
        self._usages.append(Usage(operator, rows=rows))

    @contextlib.contextmanager
    def measure(self, operator: str) -> Iterator[None]:
        """Measure a block. One that fails leaves nothing: its day has no profile."""
        with _Sampler(self._spill) as sampler:
            read, written = _transferred()
            started = time.perf_counter()
            yield
            seconds = seconds_since(started)
            read_after, written_after = _transferred()
        transferred = (read_after - read, written_after - written)
        self._usages.append(Usage(operator, seconds, None, *transferred, sampler.peak_bytes, sampler.spill_bytes))


def measured(meter: Meter | None, operator: str) -> contextlib.AbstractContextManager[None]:
    """Measure a block where there is a meter."""
    return contextlib.nullcontext() if meter is None else meter.measure(operator)


class _Sampler:
    """The greatest resident memory and the greatest spill directory that were seen, in a thread of its own."""

    def __init__(self, spill: Path | None) -> None:
        self._spill = spill
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="profile")
        self.peak_bytes = 0
        self.spill_bytes = 0

    def __enter__(self) -> _Sampler:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        self.peak_bytes = max(self.peak_bytes, resident)
        if self._spill is not None:
            self.spill_bytes = max(self.spill_bytes, _size_of(self._spill))


def _size_of(directory: Path) -> int:
    """Bytes of the files directly in a directory, 0 where there is none; files that go meanwhile count as nothing."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def _transferred() -> tuple[int, int]:
    """Bytes that this process has read and written through system calls since it began."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return int(facts["rchar"]), int(facts["wchar"])


def this_worker() -> str:
    """Host and process, as a profile names them."""
    return f"{socket.gethostname()} {os.getpid()}"


def profile_path(layout: Layout, dataset: Dataset, day: dt.date) -> Path:
    """Where the profile of a day is."""
    return layout.scratch_dir / "_profile" / dataset / f"dt={day.isoformat()}.json"


def write_profile(layout: Layout, dataset: Dataset, profile: DayProfile) -> None:
    """Write the profile of a day in place of an older one."""
    path = profile_path(layout, dataset, profile.day)
    for directory in (path.parent.parent, path.parent):
        refuse_stranger(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    shown = {
        "day": profile.day.isoformat(),
        "dataset": dataset,
        "days_at_once": profile.days_at_once,
        "operators": [{**asdict(operator), "seconds": round(operator.seconds, 4)} for operator in profile.operators],
        "began": profile.began,
        "ended": profile.ended or round(time.time(), 3),
        "worker": profile.worker,
    }
    if profile.waiting is not None:
        shown["waiting"] = {name: round(value, 4) for name, value in asdict(profile.waiting).items()}
    fresh.write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def read_profile(layout: Layout, dataset: Dataset, day: dt.date) -> DayProfile | None:
    """The profile of a day, None where it was built without one."""
    path = profile_path(layout, dataset, day)
    if not path.exists():
        return None
    return TypeAdapter(DayProfile).validate_json(read_regular(path))


def added_up(usages: Iterable[Usage]) -> tuple[Usage, ...]:
    """One Usage per operator: seconds, rows and bytes added up, memory and spill at their greatest.

    >>> parts = [Usage("sink", 0.5, 3, peak_bytes=800), Usage("sink", 1.0, 4, peak_bytes=700)]
    >>> [(one.operator, one.seconds, one.rows, one.peak_bytes) for one in added_up(parts)]
    [('sink', 1.5, 7, 800)]
    """
    total: dict[str, Usage] = {}
    for usage in usages:
        before = total.get(usage.operator, Usage(usage.operator))
        rows = None if before.rows is None and usage.rows is None else (before.rows or 0) + (usage.rows or 0)
        total[usage.operator] = Usage(
            usage.operator,
            before.seconds + usage.seconds,
            rows,
            before.read_bytes + usage.read_bytes,
            before.written_bytes + usage.written_bytes,
            max(before.peak_bytes, usage.peak_bytes),
            max(before.spill_bytes, usage.spill_bytes),
        )
    return tuple(total.values())

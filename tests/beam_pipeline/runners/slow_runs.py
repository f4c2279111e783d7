"""Runs that take a while, to be watched and to be interfered with: days of many parts, and what is seen of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.beam_pipeline.runners.conftest import left_in_staging, parts, run_skeleton, start_skeleton
from tests.beam_pipeline.runners.warm_runs import WarmRun
from tests.projects import TinyProject, moment

DAYS = 8
DAY_WORKERS = 2
SECONDS = 120.0
Running = Callable[..., WarmRun]


def time_for_a_worker() -> int:
    """Seconds after which a worker that has not begun is lost: beside a load of 20 one takes more than a minute."""
    return round(60 * max(1.0, os.getloadavg()[0] / 4))


def slow_project(directory: Path, days: int = DAYS, rows: int = 12) -> TinyProject:
    """A day more than `days` of rows, each day cut into as many parts as it has rows."""
    project = TinyProject(directory)
    project.runtime |= {"feed_start": "2024-01-02", "feed_end": f"2024-01-{1 + days:02}", "day_workers": DAY_WORKERS}
    project.runtime |= {"rows_per_part": 1}
    project.views["prices"]["source"]["missing_partitions"] = "empty"
    project.data["events"] = [
        (user, 10, moment(f"{day:02} 12:00"), float(user)) for day in range(1, 2 + days) for user in range(rows)
    ]
    return project.write().write_data()


@pytest.fixture
def slow(tmp_path: Path) -> TinyProject:
    """Eight days, each cut into so many parts that it takes a while."""
    return slow_project(tmp_path / "slow")


@pytest.fixture
def skeleton(slow: TinyProject) -> Path:
    return slow.root / "output" / "ranking"


@pytest.fixture
def running(slow: TinyProject) -> Iterator[Running]:
    """Start a run; one that a test leaves behind is killed."""
    started: list[WarmRun] = []

    def start(*words: str, project: TinyProject = slow) -> WarmRun:
        started.append(start_skeleton(project.runtime_path, *words))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()


def published(service_dir: Path) -> set[str]:
    return {path.parent.name for path in (service_dir / "skeleton").glob("dt=*/_manifest.json")}


def at_work(service_dir: Path) -> set[str]:
    """The attempts that have a directory of intermediates; none of a run that ends meanwhile."""
    found: set[str] = set()
    for run in (service_dir / "_staging").glob("run-*"):
        with contextlib.suppress(FileNotFoundError):
            found.update(path.name for path in (run / "work").iterdir())
    return found


def wait_for(process: WarmRun | subprocess.Popen[str], what: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass
class Attempts:
    """The attempts at days that are seen while a run goes on; one of a hundredth of a second may be missed."""

    service_dir: Path
    seen: set[str] = field(default_factory=set)

    def look(self) -> int:
        """Look once; how many attempts have a directory now."""
        now = at_work(self.service_dir)
        self.seen |= now
        return len(now)

    def watch(self, process: WarmRun, until: Callable[[], object], seconds: float = SECONDS) -> None:
        """Look until something is so; the process must not end before."""
        wait_for(process, lambda: [self.look(), until()][1], seconds)

    def watch_to_the_end(self, process: WarmRun, seconds: float = SECONDS) -> None:
        """Look until the process ends."""
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            assert time.monotonic() < deadline
            self.look()
            time.sleep(0.005)

    @property
    def repeated(self) -> dict[str, int]:
        """How often each day was begun again."""
        days = Counter(name[: len("dt=2024-01-02")] for name in self.seen)
        return {day: number - 1 for day, number in days.items() if number > 1}


def worker_processes(service_dir: Path) -> list[psutil.Process]:
    """The processes, other than the driver, that hold a place of the run."""
    return [
        process
        for process in psutil.process_iter()
        if "SdkHarness" in " ".join(quietly(process.cmdline) or [])
        and any(str(service_dir) in opened.path for opened in quietly(process.open_files) or [])
    ]


def quietly(ask: Callable[[], list]) -> list:  # type: ignore[type-arg]
    """What a process says of itself, nothing of one that has just ended."""
    try:
        return ask()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def check_the_rest_is_built(project: TinyProject, service_dir: Path, days: int = DAYS) -> None:
    """The days that are there stay as they are, and a run on DirectRunner builds the others and clears up."""
    before, built = parts(service_dir), published(service_dir)
    assert {name.partition("/")[0] for name in before} == built
    done = run_skeleton(project.runtime_path, "--runner", "DirectRunner")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("skeleton 2024-01-") == days - len(built)
    after = parts(service_dir)
    assert {name: after[name] for name in before} == before
    assert len(published(service_dir)) == days
    assert left_in_staging(service_dir) == []

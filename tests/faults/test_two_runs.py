"""Two runs on one output root, and readers of days that are built anew while they read."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import one_at_a_time
from daeda.dataset.read import open_day
from daeda.process.locks import is_stopped
from tests.faults.scene import DAYS, OLD_ROWS_PER_PART, Scene, bytes_of_days, left_in_staging
from tests.faults.warm import Child


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + 240
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def claims(output: Path) -> list[Path]:
    return list((output / "ranking" / "_staging").glob("run-*/claims/skeleton/dt=*"))


def paused(scene: Scene, output: Path) -> Child:
    """A run that has claimed all its days and goes no further."""
    child = scene.start(output)
    wait_for(lambda: len(claims(output)) == DAYS)
    # One that is stopped while it has the lock of all runs is waited for in another way, and another sentence.
    with one_at_a_time(Layout(output / "ranking")):
        os.kill(child.pid, signal.SIGSTOP)
        wait_for(lambda: is_stopped(child.pid))
    return child


def test_the_second_run_waits_for_the_first_and_builds_nothing_twice(scene: Scene) -> None:
    output = scene.output("empty")
    first = paused(scene, output)
    second = scene.start(output)
    wait_for(lambda: "waiting: " in second.stderr)
    os.kill(first.pid, signal.SIGCONT)
    assert second.wait() == 0, second.stderr
    assert first.wait() == 0, first.stderr
    told = second.stderr.splitlines()
    assert told[0].startswith("waiting: 2024-01-02 (skeleton), 2024-01-03 (skeleton), 2024-01-04 (skeleton) held by ")
    assert told[0].endswith(" UTC, which is stopped (--on-locked fail ends instead)")
    assert f"process {first.pid} on " in told[0]
    assert told[1:] == ["skeleton: 3 days built by another run meanwhile"]
    assert bytes_of_days(output / "ranking") == scene.wanted
    assert left_in_staging(output / "ranking") == []


def test_the_second_run_can_say_who_holds_the_days_and_end(scene: Scene) -> None:
    output = scene.output("empty")
    first = paused(scene, output)
    second = scene.start(output, "--on-locked", "fail")
    assert second.wait() == 1
    assert second.stderr.startswith("error: locked: 2024-01-02 (skeleton), ")
    assert f"held by process {first.pid} on " in second.stderr
    assert second.stderr.endswith(": run again when that run has ended, or wait for it with --on-locked wait\n")
    # Nobody waits for a run that was killed.
    third = scene.start(output)
    wait_for(lambda: "waiting: " in third.stderr)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -9
    assert third.wait() == 0, third.stderr
    assert bytes_of_days(output / "ranking") == scene.wanted
    assert left_in_staging(output / "ranking") == []


@pytest.mark.cases
def test_a_reader_sees_the_old_day_or_the_new_one_and_never_a_mixture(scene: Scene) -> None:
    output = scene.output("stale")
    directory = output / "ranking/skeleton/dt=2024-01-03"
    ended = threading.Event()
    seen: list[tuple[str, ...]] = []
    rows: set[int] = set()

    def read() -> None:
        while not ended.is_set():
            with open_day(directory) as day:
                seen.append(tuple(part.sha256 for part in day.manifest.parts))
                rows.add(sum(pq.read_table(file).num_rows for file in day.files))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        # New, old and new again, while the other one reads as fast as it can.
        scene.succeed(output)
        scene.succeed(output, DAEDA_ROWS=OLD_ROWS_PER_PART)
        scene.succeed(output)
    finally:
        ended.set()
        reader.join()
    both = {tuple(parts.values()) for parts in (scene.old[directory.name], scene.wanted[directory.name])}
    assert set(seen) == both
    assert rows == {5}

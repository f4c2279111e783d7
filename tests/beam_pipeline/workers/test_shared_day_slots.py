"""Day slots over processes: exactly so many days at once, and stopped as one."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, join_run, software
from beam_pipeline.workers.shared_day_slots import _STOP, SharedDaySlots
from beam_pipeline.workers.stop_cause import Unforeseen
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.errors import DayError, Interrupted, Stopped, WorkerUnfit
from tests.beam_pipeline.runners.conftest import REPOSITORY
from tests.disk import kept_full, small_disk

SLOTS = 2
DAY = dt.date(2024, 1, 1)
# A process that enters so many days one after another, and says when it was inside.
WORKER = """
import datetime as dt, json, sys, time
from pathlib import Path
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
slots = SharedDaySlots(Path(sys.argv[1]), int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    slots.enter(dt.date(2024, 1, 1 + number), str(number), lambda: None)
    began = time.monotonic()
    time.sleep(float(sys.argv[4]))
    print(json.dumps([began, time.monotonic()]), flush=True)
    slots.leave(str(number))
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """The directory of a run whose driver is this process."""
    with open_staging(Layout(tmp_path / "service")) as staging:
        yield staging.directory


def worker(run_dir: Path, days: int, seconds: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, str(run_dir), str(SLOTS), str(days), str(seconds)]
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def most_at_once(intervals: list[list[float]]) -> int:
    return max(sum(began <= moment < ended for began, ended in intervals) for moment, _ in intervals)


def wait_until(what: object) -> None:
    deadline = time.monotonic() + 120
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_four_processes_have_exactly_two_days_at_once(run_dir: Path) -> None:
    slots = SharedDaySlots(run_dir, SLOTS).open()
    assert not slots.began
    workers = [worker(run_dir, 4, 0.15) for _ in range(4)]
    inside = [json.loads(line) for process in workers for line in process.communicate(timeout=300)[0].splitlines()]
    assert len(inside) == 16
    assert most_at_once(inside) == SLOTS
    assert slots.began
    assert slots.occupied == 0


def test_a_killed_process_gives_its_place_back(run_dir: Path) -> None:
    slots = SharedDaySlots(run_dir, SLOTS).open()
    held = [worker(run_dir, 1, 60) for _ in range(SLOTS)]
    try:
        wait_until(lambda: slots.occupied == SLOTS)
        os.kill(held[0].pid, signal.SIGKILL)
        slots.enter(DAY, "mine", lambda: None)
        assert slots.occupied == SLOTS
        slots.leave("mine")
        slots.leave("mine")
        assert slots.occupied == SLOTS - 1
    finally:
        for process in held:
            process.kill()
            process.communicate()


# A process whose days wait, and that says how often it opened or asked about a file of the run within two seconds.
WAITING = """
import datetime as dt, json, os, sys, threading, time
from pathlib import Path
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
asked = [0]
def count(event, arguments):
    if event == "open" and str(arguments[0]).startswith(sys.argv[1]):
        asked[0] += 1
slots = SharedDaySlots(Path(sys.argv[1]), int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    enter = lambda number=number: slots.enter(dt.date(2024, 1, 1), str(number), lambda: None)
    threading.Thread(target=enter, daemon=True).start()
time.sleep(1)
sys.addaudithook(count)
time.sleep(2)
print(json.dumps(asked[0]), flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_waiting_costs_the_same_for_any_number_of_days_and_of_slots(run_dir: Path) -> None:
    slots = SharedDaySlots(run_dir, 50).open()
    for number in range(50):
        slots.enter(DAY, str(number), lambda: None)
    # The second process waits for the turn of the first.
    words = [sys.executable, "-c", WAITING, str(run_dir), "50", "40"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    asking = [subprocess.Popen(words, cwd=REPOSITORY, text=True, **pipes) for _ in range(2)]
    # Both stay until both have counted, so that neither gets the turn of the other.
    opened = sorted(int(process.stdout.readline()) for process in asking)  # type: ignore[union-attr]
    for process in asking:
        process.communicate(timeout=300)
    # Four looks a second at the driver and at the run's directory; who has the turn, 20 at what has left, and one
    # through all slots.
    assert opened[0] <= 2 * 8 + 2
    assert opened[1] <= 2 * (8 + 20 + 50) + 50 + 2
    for number in range(50):
        slots.leave(str(number))


def test_a_free_slot_goes_to_the_earliest_day_of_a_process(run_dir: Path) -> None:
    slots = SharedDaySlots(run_dir, 1).open()
    slots.enter(DAY, "first", lambda: None)
    entered: list[str] = []

    def enter(day: int) -> None:
        slots.enter(DAY.replace(day=day), str(day), lambda: None)
        entered.append(str(day))

    threads = [threading.Thread(target=enter, args=(day,)) for day in (9, 5, 7)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(slots._waiting) == 3)
    slots.leave("first")
    for number, day in enumerate(("5", "7", "9"), 1):
        wait_until(lambda number=number: len(entered) == number)
        assert entered[-1] == day
        slots.leave(day)
    for thread in threads:
        thread.join()


def test_days_that_wait_hear_that_the_run_stops(run_dir: Path) -> None:
    """Also those whose process has not got its turn."""
    slots, there = SharedDaySlots(run_dir, 1).open(), SharedDaySlots(run_dir, 1)
    slots.enter(DAY, "a day", lambda: None)
    ended: list[BaseException] = []

    def wait(waiting: SharedDaySlots) -> None:
        try:
            waiting.enter(DAY, "another", lambda: None)
        except Stopped as error:
            ended.append(error)

    threads = [threading.Thread(target=wait, args=(waiting,)) for waiting in (slots, there, there)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(slots._waiting) + len(there._waiting) == 3)
    slots.stop(DayError("no"))
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(ended) == 3
    slots.leave("a day")


def test_the_first_cause_of_any_process_stops_all_and_stays(run_dir: Path) -> None:
    here, there = SharedDaySlots(run_dir, SLOTS).open(), SharedDaySlots(run_dir, SLOTS)
    interrupted = []
    here.enter(DAY, "a day", lambda: interrupted.append(True))
    there.stop(DayError("day 2024-01-02, operator 'sink': no"))
    here.stop(Interrupted("later"))
    for slots in (here, there):
        assert type(slots.cause) is DayError
        assert str(slots.cause) == "day 2024-01-02, operator 'sink': no"
        with pytest.raises(Stopped, match="the run is stopping"):
            slots.enter(DAY, "another", lambda: None)
    assert interrupted
    assert not here.wait_until_empty(0.5)
    here.leave("a day")
    assert here.wait_until_empty(0.5)


def test_a_day_at_work_hears_that_another_process_stopped_the_run(run_dir: Path) -> None:
    here, there = SharedDaySlots(run_dir, SLOTS).open(), SharedDaySlots(run_dir, SLOTS)
    interrupted: list[bool] = []
    here.enter(DAY, "a day", lambda: interrupted.append(True))
    there.stop(DayError("no"))
    wait_until(lambda: interrupted)
    here.leave("a day")


@pytest.mark.parametrize("gone", [True, False])
def test_a_stop_that_cannot_be_written_is_one_here(run_dir: Path, monkeypatch: pytest.MonkeyPatch, gone: bool) -> None:
    here = SharedDaySlots(run_dir, SLOTS).open()
    interrupted: list[bool] = []
    here.enter(DAY, "a day", lambda: interrupted.append(True))
    if gone:
        shutil.rmtree(run_dir)
    else:
        monkeypatch.setattr(os, "link", refused(errno.EIO))
    here.stop(Interrupted("interrupted by SIGINT"))
    assert interrupted
    assert str(here.cause) == "interrupted by SIGINT"
    with pytest.raises(Stopped):
        here.check()


@pytest.mark.parametrize(
    ("cause", "wanted"),
    [
        (DayError("day 2024-01-02: é"), "day 2024-01-02: é"),
        (DayError("\U0001f4a5" * 9000), "\U0001f4a5" * 512 + "..."),
    ],
)
def test_a_stop_on_a_full_disk_is_heard_by_all(tmp_path: Path, cause: DayError, wanted: str) -> None:
    with (
        small_disk(tmp_path / "disk", 1 << 20) as disk,
        contextlib.ExitStack() as full,
        open_staging(Layout(disk / "service")) as staging,
    ):
        here, there = SharedDaySlots(staging.directory, SLOTS).open(), SharedDaySlots(staging.directory, SLOTS)
        interrupted: list[bool] = []
        here.enter(DAY, "a day", lambda: interrupted.append(True))
        full.enter_context(kept_full(disk))
        there.stop(cause)
        there.stop(Interrupted("later"))
        wait_until(lambda: interrupted)
        assert type(here.cause) is DayError
        assert str(here.cause) == str(SharedDaySlots(staging.directory, SLOTS).cause) == wanted
        here.leave("a day")
        assert here.wait_until_empty(0.5)


def test_days_fail_where_the_file_system_has_no_locks(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = SharedDaySlots(run_dir, SLOTS).open()
    monkeypatch.setattr(fcntl, "flock", refused(errno.ENOLCK))
    monkeypatch.setattr(slots, "check", lambda: None)
    for _ in range(2):
        with pytest.raises(OSError, match="No locks available"):
            slots.enter(DAY, "a day", lambda: None)
    monkeypatch.undo()
    slots.enter(DAY, "a day", lambda: None)
    slots.leave("a day")


def test_a_day_hears_of_a_stop_behind_a_time_without_storage(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = SharedDaySlots(run_dir, SLOTS).open(), SharedDaySlots(run_dir, SLOTS)
    interrupted: list[bool] = []
    asked: list[bool] = []
    stopping = here._stopping

    def stale() -> bool:
        asked.append(True)
        if len(asked) < 3:
            raise OSError(errno.ESTALE, "Stale file handle")
        return stopping()

    here.enter(DAY, "a day", lambda: interrupted.append(True))
    monkeypatch.setattr(here, "_stopping", stale)
    wait_until(lambda: len(asked) > 3)
    there.stop(DayError("no"))
    wait_until(lambda: interrupted)
    here.leave("a day")


def refused(number: int) -> Callable[..., None]:
    """What a function of the system does that is refused."""

    def refuse(*_words: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_what_was_not_foreseen_keeps_its_traceback(run_dir: Path) -> None:
    here, there = SharedDaySlots(run_dir, SLOTS).open(), SharedDaySlots(run_dir, SLOTS)
    with pytest.raises(KeyError) as failure:
        {}["missing"]
    there.stop(failure.value)
    assert there.cause is failure.value
    assert type(here.cause) is Unforeseen
    assert str(here.cause).startswith("Traceback")
    assert "KeyError: 'missing'" in str(here.cause)


def context_of(run_dir: Path, **software: str) -> RunContext:
    limits = DayLimits(memory_bytes=1 << 30, threads=1, temp_directory="")
    return RunContext("service", "data", str(run_dir.parents[1]), str(run_dir), limits, SLOTS, software=software)


def test_a_worker_joins_with_the_places_of_the_driver(run_dir: Path) -> None:
    slots = SharedDaySlots(run_dir, SLOTS).open()
    context = context_of(run_dir, **software())
    joined = join_run(context)
    assert join_run(context) is joined
    joined.enter(DAY, "a day", lambda: None)
    assert slots.occupied == 1
    joined.leave("a day")
    forget_run(context)


def test_a_worker_without_the_storage_of_the_run_says_so(tmp_path: Path) -> None:
    missing = tmp_path / "service" / "_staging" / "run-1"
    with pytest.raises(WorkerUnfit) as failure:
        join_run(context_of(missing))
    assert str(failure.value) == (
        f"the worker on {socket.gethostname()} does not see {missing}: data_root and output_root must lie on storage "
        "that every worker reaches by the same path"
    )
    assert not missing.exists()


def test_a_worker_with_other_versions_says_so(run_dir: Path) -> None:
    with pytest.raises(WorkerUnfit) as failure:
        join_run(context_of(run_dir, duckdb="0.1"))
    assert str(failure.value) == (
        f"the worker on {socket.gethostname()} has duckdb {version('duckdb')} instead of 0.1: install the same "
        "versions there, or days would depend on who built them"
    )


# A worker of a pool, whose day hears nothing.
DEAF = """
import datetime as dt, sys, time
from pathlib import Path
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
SharedDaySlots(Path(sys.argv[1]), 1, ends_with=True).enter(dt.date(2024, 1, 1), "a", lambda: None)
print("at work", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_worker_whose_day_does_not_stop_ends_with_the_run(tmp_path: Path, killed: bool) -> None:
    with contextlib.ExitStack() as run:
        run_dir = run.enter_context(open_staging(Layout(tmp_path / "service"))).directory
        slots = SharedDaySlots(run_dir, 1).open()
        words = [sys.executable, "-c", DEAF, str(run_dir)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(words, cwd=REPOSITORY, text=True, **pipes)
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        if killed:
            # The driver has cleared the run away.
            run.close()
        else:
            slots.stop(Interrupted("interrupted by SIGINT"))
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert stderr == "warning: a day of a run that is over does not stop, and its worker ends with it\n"


def test_a_process_that_can_have_no_thread_fails_its_day_and_not_the_next(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = SharedDaySlots(run_dir, SLOTS).open()

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        slots.enter(DAY, "a day", lambda: None)
    monkeypatch.undo()
    slots.enter(DAY, "another", lambda: None)
    assert slots.occupied == 1
    slots.leave("another")


def test_a_day_ends_with_its_driver(tmp_path: Path) -> None:
    with open_staging(Layout(tmp_path / "service")) as staging:
        slots = SharedDaySlots(staging.directory, SLOTS).open()
        interrupted: list[bool] = []
        slots.enter(DAY, "a day", lambda: interrupted.append(True))
        slots.check()
    wait_until(lambda: interrupted)
    with pytest.raises(Stopped):
        slots.check()
    slots.leave("a day")


@pytest.mark.parametrize("text", ["", "[]", '{"kind": [], "message": 1}', "\x1b[31m"])
def test_a_cause_that_was_written_over_ends_the_run_all_the_same(run_dir: Path, text: str) -> None:
    SharedDaySlots(run_dir, 1).open().stop(DayError("day 2024-01-02: no"))
    (run_dir / _STOP).write_text(text)
    there = SharedDaySlots(run_dir, 1)
    assert isinstance(there.cause, Unforeseen | DayError)

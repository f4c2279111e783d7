"""Nothing is waited for without an end, and who is waited for has a name."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.publish.staging import driver_alive, open_staging, repair
from daeda.errors import DayError, InputError, NotRegular, TransientError
from daeda.process import locks
from daeda.storage.access import find_access

DAY = dt.date(2024, 1, 2)
HOLD = """
import fcntl, sys, time
with open(sys.argv[1], "ab") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "ranking/_staging").mkdir(parents=True)
    return Layout(tmp_path / "ranking")


@contextlib.contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_that_a_stopped_process_holds_is_told(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "SECONDS", 0.3)
    lock = layout.staging / "staging.lock"
    with held(lock) as process:
        with pytest.raises(TransientError) as told:
            repair(layout)
        assert str(told.value) == (
            f"{lock} has been locked for 0.3 s by process {process.pid}: end that process, or let it go on"
        )
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        with pytest.raises(TransientError) as told, open_staging(layout):
            pass
        assert str(told.value) == (
            f"{lock} has been locked for 0.3 s by process {process.pid}, which is stopped: end that process, or let it "
            "go on"
        )
    repair(layout)


def test_days_that_another_run_holds_are_waited_for_so_long(layout: Layout) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        claim_days(first, [("skeleton", DAY)], "wait", tell=print)
        with pytest.raises(DayError) as told:
            claim_days(second, [("skeleton", DAY)], "wait", tell=print, seconds=0.6)
    assert str(told.value).startswith(
        f"locked: 2024-01-02 (skeleton) held by process {os.getpid()} on {socket.gethostname()} "
    )
    assert str(told.value).endswith(
        " UTC: waited for 0.01 minutes: run again when that run has ended, or raise timeouts.lock_minutes"
    )


def test_a_fifo_in_the_place_of_a_lock_is_refused(layout: Layout) -> None:
    with open_staging(layout) as staging:
        lock = staging.directory / "run.lock"
        lock.unlink()
        os.mkfifo(lock)
        with pytest.raises(NotRegular, match="is a FIFO, not a regular file"):
            driver_alive(staging.directory)
    os.mkfifo(layout.staging / "pipe")
    (layout.staging / "staging.lock").unlink()
    os.mkfifo(layout.staging / "staging.lock")
    with (
        pytest.raises(InputError, match=r"staging\.lock: is a FIFO, not a regular file: put a file there"),
        open_staging(layout),
    ):
        pass


@pytest.mark.parametrize("name", ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"])
def test_a_fifo_or_an_endless_file_of_profiles_is_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    other = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    for path, what in (
        (tmp_path / "pipe", "is a FIFO, not a regular file"),
        (Path("/dev/zero"), "is a device, not a regular file"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(InputError) as told:
            find_access({**other, name: str(path)})
        assert str(told.value) == f"{path} cannot be read: {what}: name another file of profiles"
    (tmp_path / "large").write_text("# " + "x" * (1 << 20), encoding="utf-8")
    with pytest.raises(InputError, match="has more than 1,048,576 bytes"):
        find_access({**other, name: str(tmp_path / "large")})

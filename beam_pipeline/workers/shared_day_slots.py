"""The day slots of a run whose days are built in several processes, on this host or on others.

    <run>/run.lock        held by the driver as long as it lives
    <run>/slots/0, 1 …    one file per day worker; the day that holds its lock is at work
    <run>/stop.json       why the run is stopping; the first cause stays

A slot is a `flock`: the kernel gives it back when the process that holds it ends, however it ends, so a worker that
was killed blocks nobody. A day waits by trying: whichever waiting day tries first gets a free slot, so there is no
order of days here, unlike in `ThreadDaySlots`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daeda.dataset.publish.staging import driver_alive
from daeda.errors import DaedaError, Stopped, cut, deserialised, serialised
from daeda.storage.regular import read_regular

_STOP = "stop.json"
_SLOTS = "slots"
# How often a waiting day tries, and how often a day at work looks whether the run is stopping.
_TRY_SECONDS = 0.05
_LOOK_SECONDS = 0.25


class Unforeseen(Exception):
    """What went wrong in another process and is not an error of daeda; its text is the traceback from there."""


@dataclass(frozen=True)
class _Inside:
    """A day of this process at work: the open file of its slot, and how to interrupt it."""

    descriptor: int
    interrupt: Callable[[], None]


class SharedDaySlots:
    """So many `slots` for the days of a run, whichever processes and threads they are in."""

    def __init__(self, run_dir: Path, slots: int) -> None:
        self._run_dir = run_dir
        self._slots = [run_dir / _SLOTS / str(number) for number in range(slots)]
        self._lock = threading.Lock()
        self._inside: dict[str, _Inside] = {}
        self._looking = False
        self._cause: BaseException | None = None

    def open(self) -> SharedDaySlots:
        """Make the files of the slots; done once, by the driver."""
        for slot in self._slots:
            slot.parent.mkdir(exist_ok=True)
            slot.touch()
        return self

    @property
    def status(self) -> Path:
        """The status files of the days at work."""
        return self._run_dir / "status"

    @property
    def cause(self) -> BaseException | None:
        """What stopped the run first, in whichever process; from another one, an error of the same class."""
        if self._cause is None:
            self._cause = _read_cause(self._run_dir / _STOP)
        return self._cause

    @property
    def began(self) -> bool:
        """Whether any day of the run has begun."""
        return any(_size(slot) for slot in self._slots)

    @property
    def occupied(self) -> int:
        """How many days are at work now."""
        return sum(_is_taken(slot) for slot in self._slots)

    def enter(self, day: dt.date, attempt: str, interrupt: Callable[[], None]) -> None:
        """Wait for a slot; `interrupt` is called from another thread when the run stops. Raises Stopped."""
        while True:
            self.check()
            for slot in self._slots:
                descriptor = _locked(slot, fcntl.LOCK_EX)
                if descriptor is None:
                    continue
                try:
                    # A run that began to stop in between has perhaps already counted this slot as free.
                    self.check()
                    os.truncate(descriptor, 0)
                    os.write(descriptor, day.isoformat().encode())
                except BaseException:
                    os.close(descriptor)
                    raise
                self._count_in(attempt, _Inside(descriptor, interrupt))
                return
            time.sleep(_TRY_SECONDS)

    def leave(self, attempt: str) -> None:
        """Give the slot back; a second call does nothing."""
        with self._lock:
            inside = self._inside.pop(attempt, None)
        if inside is not None:
            os.close(inside.descriptor)

    def check(self) -> None:
        """Raise Stopped when the run is stopping, or when its driver has ended."""
        if self._stopping():
            raise Stopped("the run is stopping")

    def stop(self, cause: BaseException) -> None:
        """Refuse entry and interrupt the days inside, in all processes; only the first cause is kept."""
        with contextlib.suppress(FileNotFoundError):  # the driver has ended, and has cleared the run away
            if _write_cause(self._run_dir / _STOP, cause) and self._cause is None:
                self._cause = cause
        self._interrupt()

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether all days, in all processes, have left within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.occupied:
            if time.monotonic() > deadline:
                return False
            if self.cause is not None:
                self._interrupt()
            time.sleep(_LOOK_SECONDS)
        return True

    def _stopping(self) -> bool:
        return self._cause is not None or (self._run_dir / _STOP).exists() or not driver_alive(self._run_dir)

    def _count_in(self, attempt: str, inside: _Inside) -> None:
        """Count the day in; one thread per process looks for a stop as long as any day is inside."""
        with self._lock:
            self._inside[attempt] = inside
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=self._look, daemon=True, name="day slots").start()

    def _look(self) -> None:
        while True:
            with self._lock:
                if not self._inside:
                    self._looking = False
                    return
            if self._stopping():
                self._interrupt()
            time.sleep(_LOOK_SECONDS)

    def _interrupt(self) -> None:
        with self._lock:
            interrupts = [inside.interrupt for inside in self._inside.values()]
        for interrupt in interrupts:
            with contextlib.suppress(Exception):  # a day that has just ended has nothing left to interrupt
                interrupt()


def _locked(slot: Path, how: int) -> int | None:
    """An open file that holds the lock of the slot; None when another day has it, or the driver has ended."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(slot, os.O_RDWR)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor
    return None


def _is_taken(slot: Path) -> bool:
    # Shared, so that two who look at the same moment do not take each other for a day at work.
    descriptor = _locked(slot, fcntl.LOCK_SH)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None and slot.exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_cause(path: Path, cause: BaseException) -> bool:
    """Write why the run stops; whether it was the first to say so."""
    if isinstance(cause, DaedaError):
        record = serialised(cause)
    else:
        record = {"kind": None, "message": "".join(traceback.format_exception(cause))}
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
    fresh.write_text(json.dumps(record), "utf-8")
    try:
        # A link, unlike a rename, fails where the name is taken.
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True


def _read_cause(path: Path) -> BaseException | None:
    try:
        text = read_regular(path).decode(errors="replace")
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
        return Unforeseen(str(record["message"])) if record["kind"] is None else deserialised(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unforeseen(f"{path} was written by something else: {cut(text)}")

"""The day slots of a run whose days are built in several processes, on this host or on others.

    <run>/run.lock        held by the driver as long as it lives
    <run>/slots/0, 1 …    one file per day worker; the day that holds its lock is at work, and has its name there
    <run>/slots/turn      held by the one process whose day is the next to get a slot; the others wait for it
    <run>/slots/left      grows by a byte whenever a day gives its slot back
    <run>/stop.json       why the run is stopping (stop_cause.py)

A slot is a `flock`: the kernel gives it back when the process that holds it ends, however it ends, so a worker that
was killed blocks nobody.

Waiting costs nothing where it can be left to the kernel. In each process one thread asks for slots, for all days that
wait there, the earliest first. It waits for its turn in a `flock` that blocks; only the process whose turn it is looks
for a free slot: through all of them when a day has left, and now and then, since a killed one leaves no byte.
Between processes there is no order of days, unlike in `ThreadDaySlots`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.workers.limits import stop_seconds
from beam_pipeline.workers.stop_cause import read_cause, reserve_room, write_cause
from daeda.dataset.publish.staging import driver_alive
from daeda.errors import Interrupted, Stopped
from daeda.process.messages import say
from daeda.storage.anew import is_there_now, look_anew
from daeda.storage.regular import read_regular

_STOP = "stop.json"
_SLOTS = "slots"
_TURN, _LEFT = "turn", "left"
# What the file of a slot says: the day that took it last, and its attempt.
_WORDS = 2
# How often the process whose turn it is looks whether a day has left, and how often it tries all slots in any case.
_TRY_SECONDS = 0.05
_TRY_ALL_SECONDS = 1.0
# How long a process that has got a slot leaves the turn to others.
_PAUSE_SECONDS = 0.01
# How much later than its driver a process gives up a day that does not stop.
_END_SECONDS = 2.0
# How often a process with days looks whether the run is stopping.
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class _Inside:
    """A day of this process at work: the open file of its slot, and how to interrupt it."""

    descriptor: int
    interrupt: Callable[[], None]


@dataclass(eq=False)
class _Waiting:
    """A day of this process that waits, until it has got the open file of a slot, or slots cannot be asked for."""

    day: dt.date
    descriptor: int | None = None
    error: OSError | None = None

    @property
    def has_ended(self) -> bool:
        return self.descriptor is not None or self.error is not None


class SharedDaySlots:
    """So many `slots` for the days of a run, whichever processes and threads they are in.

    A process that serves nobody else `ends_with` the run: where a day of it does not stop in its time, it ends.
    """

    def __init__(self, run_dir: Path, slots: int, *, ends_with: bool = False) -> None:
        self._ends_with = ends_with
        self._run_dir = run_dir
        self._directory = run_dir / _SLOTS
        self._slots = [self._directory / str(number) for number in range(slots)]
        # Notified when a waiting day has got a slot, and when the run is stopping.
        self._changed = threading.Condition()
        self._inside: dict[str, _Inside] = {}
        self._waiting: list[_Waiting] = []
        self._looking = False
        self._asking = False
        self._over = False
        self._cause: BaseException | None = None
        self._last_occupied = 0

    def open(self) -> SharedDaySlots:
        """Make the files of the slots; done once, by the driver."""
        self._directory.mkdir(exist_ok=True)
        for path in (*self._slots, self._directory / _TURN, self._directory / _LEFT):
            path.touch()
        reserve_room(self._run_dir / _STOP)
        return self

    @property
    def status(self) -> Path:
        """The status files of the days at work."""
        return self._run_dir / "status"

    @property
    def cause(self) -> BaseException | None:
        """What stopped the run first, in whichever process; from another one, an error of the same class."""
        if self._cause is None:
            look_anew(self._run_dir)
            self._cause = read_cause(self._run_dir / _STOP)
        return self._cause

    @property
    def began(self) -> bool:
        """Whether any day of the run has begun."""
        return any(_size(slot) for slot in self._slots)

    @property
    def occupied(self) -> int:
        """How many days are at work now."""
        return sum(_is_taken(slot) for slot in self._slots)

    @property
    def any_occupied(self) -> bool:
        """Whether any day is at work now; mostly one look tells, at the slot that was taken the last time."""
        places = len(self._slots)
        for place in ((self._last_occupied + further) % places for further in range(places)):
            if _is_taken(self._slots[place]):
                self._last_occupied = place
                return True
        return False

    @property
    def attempts_at_work(self) -> dict[str, str]:
        """Which days are at work now, by attempt; one that has not said so yet by its slot."""
        taken = {slot.name: _text(slot).split() for slot in self._slots if _is_taken(slot)}
        said = [words if len(words) == _WORDS else ("that has just begun", name) for name, words in taken.items()]
        return {attempt: day for day, attempt in said}

    def enter(self, day: dt.date, attempt: str, interrupt: Callable[[], None]) -> None:
        """Wait for a slot; `interrupt` is called from another thread when the run stops. Raises Stopped."""
        self.check()
        descriptor = self._wait(_Waiting(day))
        try:
            # A run that began to stop in between has perhaps already counted this slot as free.
            self.check()
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{day} {attempt}".encode())
        except BaseException:
            os.close(descriptor)
            raise
        with self._changed:
            self._inside[attempt] = _Inside(descriptor, interrupt)
            self._begin_threads()

    def leave(self, attempt: str) -> None:
        """Give the slot back; a second call does nothing."""
        with self._changed:
            inside = self._inside.pop(attempt, None)
        if inside is not None:
            os.close(inside.descriptor)
            # The driver has ended, and has cleared the run away; or the disk is full, and whoever waits looks later.
            with contextlib.suppress(OSError):
                _append_byte(self._directory / _LEFT)

    def check(self) -> None:
        """Raise Stopped when the run is stopping, or when its driver has ended."""
        if self._stopping():
            raise Stopped("the run is stopping")

    def stop(self, cause: BaseException) -> bool:
        """Refuse entry and interrupt the days inside, in all processes; only the first cause is kept. Whether others
        can see it: where nothing could be written, the days of this process alone stop.
        """
        is_told = True
        try:
            if write_cause(self._run_dir / _STOP, cause) and self._cause is None:
                self._cause = cause
        except OSError:
            # The run was cleared away, or its disk refuses even what is reserved. Here it stops all the same; the days
            # of other processes stop with the driver.
            with contextlib.suppress(OSError):
                self._cause = self.cause
            if self._cause is None:
                self._cause, is_told = cause, not self._run_dir.is_dir()
        self._interrupt()
        return is_told

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether all days, in all processes, have left within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            # A storage that does not answer says nothing about the days: it is asked again.
            with contextlib.suppress(OSError):
                if not self.any_occupied:
                    return True
                if self.cause is not None:
                    self._interrupt()
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)

    def _stopping(self) -> bool:
        return self._cause is not None or is_there_now(self._run_dir / _STOP) or not driver_alive(self._run_dir)

    def _begin_threads(self) -> None:
        """One thread looks for a stop as long as any day is here, another asks for slots as long as any waits."""
        # Noted when they have begun: where the process can have no more threads this day fails, and the next tries it.
        if not self._looking:
            threading.Thread(target=self._look, daemon=True, name="day slots").start()
            self._looking = True
        if self._waiting and not self._asking:
            threading.Thread(target=self._ask, daemon=True, name="turn for a day slot").start()
            self._asking = True

    def _look(self) -> None:
        stopping_since: float | None = None
        while True:
            with self._changed:
                if not self._inside and not self._waiting:
                    self._looking = False
                    return
            # A storage that does not answer says nothing about the run: it is asked again.
            with contextlib.suppress(OSError):
                if self._stopping():
                    self._interrupt()
            if self._over and self._ends_with:
                stopping_since = stopping_since or time.monotonic()
                if time.monotonic() - stopping_since > self._stop_seconds() + _END_SECONDS:
                    say("a day of a run that is over does not stop, and its worker ends with it", "warning")
                    os._exit(1)
            time.sleep(_LOOK_SECONDS)

    def _stop_seconds(self) -> float:
        """How long days may take to stop, by what has stopped the run; a driver that was killed waits for none."""
        with contextlib.suppress(OSError):
            if self.cause is not None:
                return stop_seconds(self.cause)
        return stop_seconds(Interrupted())

    def _interrupt(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
            interrupts = [inside.interrupt for inside in self._inside.values()]
        for interrupt in interrupts:
            with contextlib.suppress(Exception):  # a day that has just ended has nothing left to interrupt
                interrupt()

    def _wait(self, waiting: _Waiting) -> int:
        """The open file of a slot, once a day has got it. Raises Stopped when the run is stopping, and OSError."""
        with self._changed:
            self._waiting.append(waiting)
            try:
                self._begin_threads()
            except BaseException:
                self._waiting.remove(waiting)
                raise
            self._changed.wait_for(lambda: waiting.has_ended or self._over)
            if waiting.error is not None:
                raise waiting.error
            if waiting.descriptor is None:
                self._waiting.remove(waiting)
                raise Stopped("the run is stopping")
            return waiting.descriptor

    def _ask(self) -> None:
        """Get slots for the days that wait in this process, one each time that it is its turn."""
        while self._asks_on():
            try:
                with _turn(self._directory / _TURN):
                    descriptor = self._free_slot()
            except FileNotFoundError:
                # The driver has ended, and has cleared the run away.
                self._interrupt()
                continue
            except OSError as error:
                self._fail(error)
                continue
            if descriptor is not None:
                self._give(descriptor)
                time.sleep(_PAUSE_SECONDS)

    def _fail(self, error: OSError) -> None:
        """Let the days that wait here fail: an engine that tries them again has them ask for a slot again."""
        with self._changed:
            for waiting in self._waiting:
                waiting.error = error
            self._waiting.clear()
            self._changed.notify_all()

    def _asks_on(self) -> bool:
        with self._changed:
            self._asking = bool(self._waiting) and not self._over
            return self._asking

    def _free_slot(self) -> int | None:
        """The open file of a free slot, looked for as long as a day waits for it here."""
        seen, tried = -1, 0.0
        while True:
            with self._changed:
                if not self._waiting or self._over:
                    return None
            # Asked before the slots are: a day that leaves behind this look is seen by the next one.
            left, now = _fresh_size(self._directory / _LEFT), time.monotonic()
            if left != seen or now - tried > _TRY_ALL_SECONDS:
                seen, tried = left, now
                for slot in self._slots:
                    descriptor = _locked(slot, fcntl.LOCK_EX)
                    if descriptor is not None:
                        return descriptor
            time.sleep(_TRY_SECONDS)

    def _give(self, descriptor: int) -> None:
        with self._changed:
            if self._waiting and not self._over:
                earliest = min(self._waiting, key=lambda waiting: waiting.day)
                self._waiting.remove(earliest)
                earliest.descriptor = descriptor
                self._changed.notify_all()
                return
        # Whoever waited has gone.
        os.close(descriptor)


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait in the kernel until it is the turn of this process, and keep it within the block."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _append_byte(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, b".")
    finally:
        os.close(descriptor)


def _fresh_size(path: Path) -> int:
    # Opened, since NFS asks the server then, and else believes for seconds what it knows.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _locked(slot: Path, how: int) -> int | None:
    """An open file that holds the lock of the slot; None when another day has it, or the driver has ended."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(slot, os.O_RDWR)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise
        else:
            return descriptor
    return None


def _is_taken(slot: Path) -> bool:
    # Shared, so that two who look at the same moment do not take each other for a day at work.
    descriptor = _locked(slot, fcntl.LOCK_SH)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None and slot.exists()


def _text(slot: Path) -> str:
    """Who took a slot last; empty where that is just being written, or the driver has ended."""
    try:
        return read_regular(slot).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

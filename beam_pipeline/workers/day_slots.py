"""Day slots: exactly so many days at once in one process, in day order, and one way to stop them all.

Beam splits days statically over threads, so a heavy day would hold up the light ones behind it. There are more threads
than day workers instead, and the earliest waiting day gets a slot whenever one is free.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Protocol

from daeda.errors import Stopped


class DaySlots(Protocol):
    """The slots of a run: a day at work holds one. `ThreadDaySlots` are of one process, `SharedDaySlots` of many."""

    @property
    def cause(self) -> BaseException | None:
        """What stopped the run first."""

    def enter(self, day: dt.date, attempt: str, interrupt: Callable[[], None]) -> None:
        """Wait for a slot; `interrupt` is called from another thread when the run stops. Raises Stopped."""

    def leave(self, attempt: str) -> None:
        """Give the slot back; a second call does nothing."""

    def check(self) -> None:
        """Raise Stopped when the run is stopping."""

    def stop(self, cause: BaseException) -> bool:
        """Refuse entry and interrupt the days inside; only the first cause is kept. Whether the whole run knows that it
        stops.
        """

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether all days have left within `seconds`."""


class ThreadDaySlots:
    """So many `slots` in this process; after `stop`, nobody enters and the days inside are interrupted."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._changed = threading.Condition()
        self._waiting: list[dt.date] = []
        self._inside: dict[str, Callable[[], None]] = {}
        self._cause: BaseException | None = None
        self.most_inside = 0

    @property
    def cause(self) -> BaseException | None:
        """What stopped the run first."""
        return self._cause

    def enter(self, day: dt.date, attempt: str, interrupt: Callable[[], None]) -> None:
        """Wait for a slot; `interrupt` is called from another thread when the run stops. Raises Stopped."""
        with self._changed:
            self._waiting.append(day)
            try:
                self._changed.wait_for(lambda: self._cause is not None or self._may_enter(day))
            finally:
                self._waiting.remove(day)
            self.check()
            self._inside[attempt] = interrupt
            self.most_inside = max(self.most_inside, len(self._inside))
            self._changed.notify_all()

    def _may_enter(self, day: dt.date) -> bool:
        return len(self._inside) < self._slots and day <= min(self._waiting)

    def leave(self, attempt: str) -> None:
        """Give the slot back; a second call does nothing."""
        with self._changed:
            self._inside.pop(attempt, None)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise Stopped when the run is stopping."""
        if self._cause is not None:
            raise Stopped("the run is stopping")

    def stop(self, cause: BaseException) -> bool:
        """Refuse entry and interrupt the days inside; only the first cause is kept."""
        with self._changed:
            if self._cause is None:
                self._cause = cause
            interrupts = list(self._inside.values())
            self._changed.notify_all()
        for interrupt in interrupts:
            with contextlib.suppress(Exception):  # a day that has just ended has nothing left to interrupt
                interrupt()
        return True

    def wait_until_empty(self, seconds: float) -> bool:
        """Whether all days have left within `seconds`. Days that do not hear an interrupt are told again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._changed:
                if not self._inside:
                    return True
                self._changed.wait(timeout=0.2)
            if self._cause is not None:
                self.stop(self._cause)
        return not self._inside

"""Waiting that ends early: when a signal asks the run to stop, or when a day has had its time."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from daeda.errors import DayError, Interrupted, counted
from daeda.process import interrupts
from enrich.ray.channel import LimitLifted, LimitSet, send

Result = TypeVar("Result")

# How late a signal may be noticed; waiting costs nothing in between.
POLL_SECONDS = 0.1
MINUTE_SECONDS = 60.0
# How much later than the time limit the supervisor notices.
LATE_SECONDS = 20.0


class TimeLimit:
    """What the main thread looks at while others work. Signal handlers only set a flag: an exception that a handler
    raises could come up anywhere inside Ray.
    """

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._deadline = float("inf")
        self._late = ""

    def start(self, what: str, minutes: int) -> None:
        """From now on `what` is at work, which may take so long. Where this process itself waits and does not look, the
        supervisor ends it a little later.
        """
        self._deadline = time.monotonic() + minutes * MINUTE_SECONDS
        self._late = (
            f"not done after {counted(minutes, 'minute')}; raise ray.day_timeout_minutes (--ray-day-timeout-minutes), "
            "or give the run more CPUs (--ray-num-cpus)"
        )
        send(LimitSet(minutes * MINUTE_SECONDS + LATE_SECONDS, f"{what}: {self._late}"))

    def stop(self) -> None:
        """Nothing is at work that has a limit."""
        self._deadline = float("inf")
        send(LimitLifted())

    def check(self) -> None:
        """Raise Interrupted after a signal, DayError after the day's time."""
        if self._signal is not None:
            raise Interrupted(f"interrupted by {self._signal.name}")
        if time.monotonic() > self._deadline:
            raise DayError(self._late)

    def wait(self, future: concurrent.futures.Future[Result]) -> Result:
        """The future's result."""
        while True:
            self.check()
            done, _ = concurrent.futures.wait([future], timeout=POLL_SECONDS)
            if done:
                return future.result()

    def signals(self) -> contextlib.AbstractContextManager[None]:
        """SIGINT and SIGTERM set the flag while the block runs. Handlers live in the main thread alone."""
        if threading.current_thread() is not threading.main_thread():
            return contextlib.nullcontext()
        interrupts.check_not_stopped()
        return interrupts.handled(self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        interrupts.note(number)
        self._signal = signal.Signals(number)


def in_background(work: Callable[[], Result]) -> concurrent.futures.Future[Result]:
    """Run in a thread that does not keep the process alive, unlike those of an executor."""
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the future is waited for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="enrich").start()
    return future

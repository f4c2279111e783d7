"""What SIGINT and SIGTERM do to a command: they raise in the main thread, so that it cleans up and ends."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
import weakref
from types import FrameType
from typing import Any

from daeda.process import interrupts
from daeda.process.interrupts import Signalled, interrupt_in

# How soon an exception that somebody has swallowed is raised again.
_LOOK_SECONDS = 0.05
# Where an exception leaves a lock locked for good: Python code between a lock that is taken and the block that gives it
# back. So ThreadPoolExecutor.submit would leave its threads, and whoever joins them waits for ever.
_HAND_OVER = frozenset(
    function.__code__
    for function in (
        threading.Condition.__enter__,
        threading.Condition.__exit__,
        threading.Condition._acquire_restore,  # type: ignore[attr-defined]
        threading.Condition._release_save,  # type: ignore[attr-defined]
        threading.Semaphore.release,
        threading.Semaphore.__exit__,
    )
)
# How far above the code that is interrupted they are looked for, and how often a signal waits for them.
_FRAMES, _MOST_WAITS = 4, 20


class CommandSignals:
    """The signals of one command: while it is `at_work` they raise, before and behind that they are only noted.

    An exception that nobody holds any more, and that has not ended the command, was swallowed: by a library that goes
    on, or by Python itself, which lets none out of `__del__` and out of callbacks. It is raised again. So is one that
    was not raised, because a lock was being taken or given back.
    """

    def __init__(self) -> None:
        self.at_work = False
        # The first signal that has raised: whatever the command says afterwards, it was cut off.
        self.raised: str | None = None
        self._exception: weakref.ref[Signalled] | None = None
        self._sent_again = False
        self._is_watched = False
        self._waits = 0
        self._handlers: dict[int, Any] = {}
        self._hook = sys.unraisablehook

    def begin(self) -> None:
        """From now on signals raise; those that came before the command, too, where a supervisor had them blocked."""
        interrupts.forget()
        # Handlers exist in the main thread alone.
        if threading.current_thread() is not threading.main_thread():
            return
        self.at_work = True
        sys.unraisablehook = self._tell_unraisable
        for number in interrupts.SIGNALS:
            self._handlers[number] = signal.getsignal(number)
            signal.signal(number, self._receive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)

    def release(self) -> None:
        """The command has ended, and is told: the handlers of before take the signals."""
        self.at_work = False
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook
        interrupts.forget()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again, self._sent_again = self._sent_again, False
        if not (interrupts.note(number) or again) or not self.at_work:
            return
        if self.raised is None:
            self.raised = interrupts.arrived()
            # Not a `threading.Thread`: what was interrupted may hold the lock that one takes to start. Where no thread
            # can be started, an exception that is swallowed counts at the end of the command.
            with contextlib.suppress(RuntimeError):
                _thread.start_new_thread(self._watch, (number,))
                self._is_watched = True
        interrupts.interrupt_work()
        # Libraries catch every Exception here and there, and make others of them; fewer catch this one.
        exception = Signalled()
        self._exception = weakref.ref(exception)
        if self._is_watched and self._waits < _MOST_WAITS and _hands_over(frame):
            # As if it had been swallowed.
            self._waits += 1
            return
        try:
            raise exception
        finally:
            # This frame is part of its traceback, and would hold it.
            del exception

    def _watch(self, number: int) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while self.at_work:
            time.sleep(_LOOK_SECONDS)
            swallowed = self._exception is not None and self._exception() is None
            # Who takes signals in another way meanwhile has looked at what arrived before.
            if self.at_work and swallowed and not self._sent_again and signal.getsignal(number) == self._receive:
                self._sent_again = True
                signal.pthread_kill(main, number)

    def _tell_unraisable(self, unraisable: Any) -> None:
        """What Python tells of an exception that it lets out nowhere; of an interrupt nothing, for it comes again."""
        if not isinstance(interrupt_in(unraisable.exc_value), Signalled):
            self._hook(unraisable)


def _hands_over(frame: FrameType | None) -> bool:
    """Whether a lock is being taken or given back there."""
    for _ in range(_FRAMES):
        if frame is None:
            return False
        if frame.f_code in _HAND_OVER:
            return True
        frame = frame.f_back
    return False

"""Supervision: a command runs in a process of its own, and another one sees to it that it ends, and tells how.

The supervisor is the process that the user started, and does nothing but wait. So it hears a signal at once, whatever
the command is doing; it knows when the command has ended without its last word, as after `os._exit` or SIGKILL, and
when code of the user has had its time (`process.supervised` says how it learns of both). What the command leaves
running becomes its child, and is ended with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from daeda.errors import Interrupted
from daeda.process import interrupts
from daeda.process.locks import is_stopped
from daeda.process.messages import say
from daeda.process.streams import open_streams
from daeda.process.supervised import die_with, supervised_by_environment, supervised_through

# How long a command may take to stop after a signal, before it is ended; whoever sent the signal waits no longer.
GRACE_SECONDS = 8.0
# How long a command may tidy up behind its last word; threads of the user's code may keep it alive for ever.
_TIDY_SECONDS = 4.0
# How much longer than its time code of the user may take: the process itself may notice, and stops more gently.
SLACK_SECONDS = 5.0
_LOOK_SECONDS = 0.25
# A supervisor that has not looked for so long was stopped itself, and so was everybody's time.
_GAP_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Call:
    """Code of the user at work."""

    what: str
    code: int
    seconds: float | None
    began: float


@dataclass
class Supervision:
    """What a supervised process has told so far; `descriptor` is the reading end of its pipe."""

    descriptor: int
    word: int | None = None
    worded: float = 0.0
    calls: dict[int, _Call] = field(default_factory=dict)
    overdue: _Call | None = None
    _rest: bytes = b""
    _looked: float = field(default_factory=time.monotonic)
    _open: bool = True

    def look(self, seconds: float = _LOOK_SECONDS) -> None:
        """Wait up to so long for what the process tells, and take it in."""
        if self._open:
            ready, _, _ = select.select([self.descriptor], [], [], seconds)
            if ready:
                self._take(os.read(self.descriptor, 1 << 16))
        else:
            time.sleep(min(seconds, 0.02))
        now = time.monotonic()
        if now - self._looked > _GAP_SECONDS:
            for call in self.calls.values():
                call.began += now - self._looked
        self._looked = now

    def drain(self) -> None:
        """Take in what is left in the pipe of a process that has ended."""
        while self._open and select.select([self.descriptor], [], [], 0)[0]:
            self._take(os.read(self.descriptor, 1 << 16))

    def must_end(self, process: int) -> bool:
        """Whether the process has had its time: behind its last word, or in code of the user, which is `overdue`."""
        now = time.monotonic()
        if self.word is not None:
            return now - self.worded > _TIDY_SECONDS
        late = (one for one in self.calls.values() if one.seconds and now - one.began > one.seconds + SLACK_SECONDS)
        call = next(late, None)
        if call is not None and is_stopped(process):
            call.began = now
            return False
        self.overdue = call
        return call is not None

    def ended(self, name: str, status: int) -> int:
        """The exit code of a command that has ended, told where it did not tell itself.

        `status` is its exit code, or less than 0 for the number of the signal that ended it.
        """
        if self.word is not None:
            return self.word
        if self.overdue is not None:
            say(
                f"error: {self.overdue.what} has not returned after {self.overdue.seconds:g} s: correct it, or raise "
                "timeouts.function_seconds"
            )
            return self.overdue.code
        how = _signal_name(-status) if status < 0 else f"exit code {status}"
        call = next(reversed(self.calls.values()), None)
        if call is not None:
            say(f"error: {call.what} ended its process without a word ({how}{_advice(status)}): let it raise an error")
            return call.code
        say(
            f"error: {name} ended without a word ({how}{_advice(status)}) and has not done its work: published days "
            "stay, run again to go on"
        )
        return 1

    def _take(self, read: bytes) -> None:
        self._open = bool(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            # Whoever finds the pipe may write anything into it.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self._hear(json.loads(line))

    def _hear(self, message: dict[str, object]) -> None:
        match message:
            case {"word": int(code)}:
                self.word, self.worded = code, time.monotonic()
            case {"begin": int(number), "what": str(what), "code": int(code), "seconds": seconds}:
                limit = float(seconds) if isinstance(seconds, int | float) else None
                self.calls[number] = _Call(what, code, limit, time.monotonic())
            case {"end": int(number)}:
                self.calls.pop(number, None)
            case _:
                pass


def supervised(name: str, command: Callable[[], int]) -> int:
    """Run a command under supervision; returns its exit code, in the supervisor as in the command's own process.

    A command that a supervisor started, as a driver does its halves, has one already.
    """
    open_streams()
    if supervised_by_environment() or sys.platform != "linux":
        return command()
    reading, writing = os.pipe()
    supervisor = os.getpid()
    # Nothing must get lost between the two: what is buffered now would be written twice.
    sys.stdout.flush()
    sys.stderr.flush()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Of a shell that became this process by `exec`.
    spared = frozenset(_children())
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    process = os.fork()
    if process == 0:
        os.close(reading)
        # Unlike the processes that the command starts, it must not outlive its supervisor by a moment.
        die_with(supervisor)
        # SIGINT and SIGTERM wait until the command has handlers for them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        supervised_through(writing)
        return command()
    os.close(writing)
    return _Supervisor(name, process, Supervision(reading), spared).wait()


class _Supervisor:
    """The waiting of the process that the user started."""

    def __init__(self, name: str, process: int, told: Supervision, spared: frozenset[int]) -> None:
        self._spared = spared
        self._name = name
        self._process = process
        self._told = told
        self._signals: list[int] = []
        self._deadline = float("inf")
        self._killed = False

    def wait(self) -> int:
        """Return the exit code of the command when it and everything that it started have ended."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = self._status()
        self._told.drain()
        end_children(self._spared)
        if self._told.word is None and self._signals:
            name = signal.Signals(self._signals[0]).name
            late = f": it did not stop within {GRACE_SECONDS:g} s, and was ended" if self._killed else ""
            say(f"error: interrupted by {name}{late}; published days stay, run again to go on")
            return Interrupted.exit_code
        return self._told.ended(self._name, status)

    def _status(self) -> int:
        while True:
            self._told.look()
            # Whatever else has become a child of this process is none of the command, and is looked at later.
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                return os.waitstatus_to_exitcode(status)
            late = time.monotonic() > self._deadline
            if late or self._told.must_end(self._process):
                self._killed = late
                os.kill(self._process, signal.SIGKILL)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if not interrupts.note(number):
            return
        self._signals.append(number)
        if len(self._signals) == 1:
            self._deadline = time.monotonic() + GRACE_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGTERM if number == signal.SIGHUP else number)


def end_children(spared: frozenset[int] = frozenset(), seconds: float = 2.0) -> None:
    """End every process that is a child of this one; those that end by themselves have a moment for it."""
    deadline = time.monotonic() + seconds
    while children := set(_children()) - spared:
        if time.monotonic() > deadline:
            for child in children:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline + seconds:
            return  # in the kernel, for as long as that takes
        time.sleep(0.02)


def _children() -> list[int]:
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _advice(status: int) -> str:
    """What may be behind an end that nobody asked for; a shell adds 128 to the number of a signal."""
    match status:
        case -9 | 137:
            return "; if the memory of the system was short, `dmesg` says so, and less at once needs less"
        case _ if status < 0 or status > 128:
            return "; what a library said stands above"
        case _:
            return ""


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)

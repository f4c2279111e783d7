"""Supervision: a command runs in a process of its own, and its supervisor ends it and determines its exit code.

The supervisor is the process that the user started, and only waits. So it receives a signal at once, whatever the
command is doing; it knows when the command has ended without reporting an exit code, as after `os._exit` or SIGKILL,
and when a call of user code has exceeded its time limit (`process.supervised` is the reporting side). Processes that
the command leaves running become children of the supervisor, and are ended with it.

It also opens the standard streams that it was started without, as by `>&-` or by a service manager.
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
from daeda.process.ending import end_process
from daeda.process.locks import is_stopped
from daeda.process.log import follow
from daeda.process.messages import say
from daeda.process.supervised import die_with, report_survivor, supervised_by_environment, supervised_through

# How long a command may take to stop after a signal, before it is killed; whoever sent the signal waits no longer.
GRACE_SECONDS = 8.0
# How long a command may clean up after it reported its exit code; threads of user code may keep it alive for ever.
_CLEAN_UP_SECONDS = 4.0
# How much longer than its time limit user code may take: the process itself may notice, and stops more gently.
SLACK_SECONDS = 5.0
_POLL_SECONDS = 0.25
# A process whose pipe is closed has ended, or is about to; for one that has closed it by itself, polls become rarer.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
# A supervisor that has not polled for so long was stopped (SIGSTOP), and that time counts against nobody's limit.
_STOPPED_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Call:
    """A running call of user code."""

    what: str
    code: int
    seconds: float | None
    began: float


@dataclass
class Supervision:
    """What a supervised process has reported so far; `descriptor` is the reading end of its pipe."""

    descriptor: int
    exit_code: int | None = None
    exited_at: float = 0.0
    calls: dict[int, _Call] = field(default_factory=dict)
    overdue: _Call | None = None
    survivors: set[int] = field(default_factory=set)
    _incomplete_line: bytes = b""
    _polled_at: float = field(default_factory=time.monotonic)
    _open: bool = True
    _pause: float = _FIRST_PAUSE

    def poll(self, seconds: float = _POLL_SECONDS) -> None:
        """Wait up to so long for a report of the process, and handle it."""
        if self._open:
            ready, _, _ = select.select([self.descriptor], [], [], seconds)
            if ready:
                self._handle(os.read(self.descriptor, 1 << 16))
        else:
            time.sleep(min(seconds, self._pause))
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        now = time.monotonic()
        if now - self._polled_at > _STOPPED_SECONDS:
            for call in self.calls.values():
                call.began += now - self._polled_at
        self._polled_at = now

    def drain(self) -> None:
        """Handle what is left in the pipe of a process that has ended."""
        while self._open and select.select([self.descriptor], [], [], 0)[0]:
            self._handle(os.read(self.descriptor, 1 << 16))

    def is_overdue(self, process: int) -> bool:
        """Whether the process is to be killed: it reported its exit code long ago, or a call is `overdue`."""
        now = time.monotonic()
        if self.exit_code is not None:
            return now - self.exited_at > _CLEAN_UP_SECONDS
        calls = self.calls.values()
        call = next((call for call in calls if call.seconds and now - call.began > call.seconds + SLACK_SECONDS), None)
        if call is not None and is_stopped(process):
            call.began = now
            return False
        self.overdue = call
        return call is not None

    def final_exit_code(self, name: str, status: int) -> int:
        """The exit code of a command that has ended; prints why it failed where it could not do so itself.

        `status` is its exit status, or less than 0 for the number of the signal that ended it.
        """
        if self.exit_code is not None:
            return self.exit_code
        if self.overdue is not None:
            say(
                f"{self.overdue.what} has not returned after {self.overdue.seconds:g} s: correct it, or raise "
                "timeouts.function_seconds",
                "error",
            )
            return self.overdue.code
        how = _signal_name(-status) if status < 0 else f"exit code {status}"
        call = next(reversed(self.calls.values()), None)
        if call is not None:
            say(
                f"{call.what} ended its process without a word ({how}{_advice(status)}): let it raise an error", "error"
            )
            return call.code
        say(
            f"{name} ended without a word ({how}{_advice(status)}) and has not done its work: published days stay, "
            "run again to go on",
            "error",
        )
        return 1

    def _handle(self, received: bytes) -> None:
        self._open = bool(received)
        *lines, self._incomplete_line = (self._incomplete_line + received).split(b"\n")
        for line in lines:
            # User code may write anything into the pipe.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                self._handle_message(json.loads(line))

    def _handle_message(self, message: dict[str, object]) -> None:
        match message:
            case {"word": int(code)}:
                self.exit_code, self.exited_at = code, time.monotonic()
            case {"begin": int(number), "what": str(what), "code": int(code), "seconds": seconds}:
                limit = float(seconds) if isinstance(seconds, int | float) else None
                self.calls[number] = _Call(what, code, limit, time.monotonic())
            case {"survivor": int(process)}:
                self.survivors.add(process)
                # A driver has a supervisor of its own.
                report_survivor(process)
            case {"end": int(number)}:
                self.calls.pop(number, None)
            case _:
                pass


def supervised(name: str, command: Callable[[], int]) -> int:
    """Run a command under supervision, and end the process: the supervisor, and that of the command.

    A command that a supervisor started, as the driver starts its subprocesses, has one already. Returns the exit code
    where Python is to end the process (`process.ending`).
    """
    open_streams()
    follow(sys.argv[1:])
    if supervised_by_environment():
        # Whoever started it has blocked the signals.
        interrupts.unheard_outside_of_commands()
        return end_process(command())
    if sys.platform != "linux":
        return end_process(command())
    read_end, write_end = os.pipe()
    supervisor = os.getpid()
    # What is buffered now would be written by both processes.
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The children of a shell that became this process by `exec` are not ours to end.
    spared = frozenset(children())
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    process = os.fork()
    if process == 0:
        os.close(read_end)
        # The processes that the command starts are ended in order; the command itself dies with its supervisor.
        die_with(supervisor)
        # SIGINT and SIGTERM stay blocked until the command has handlers for them.
        interrupts.unheard_outside_of_commands()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        supervised_through(write_end)
        return end_process(command())
    os.close(write_end)
    return end_process(_Supervisor(name, process, Supervision(read_end), spared).wait())


class _Supervisor:
    """The process that the user started, waiting for its command."""

    def __init__(self, name: str, process: int, supervision: Supervision, spared: frozenset[int]) -> None:
        self._spared = spared
        self._name = name
        self._process = process
        self._supervision = supervision
        self._signals: list[int] = []
        self._deadline = float("inf")
        self._killed = False

    def wait(self) -> int:
        """The exit code of the command, once it and everything that it started have ended."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = self._status()
        self._supervision.drain()
        end_children(self._spared | self._supervision.survivors)
        if self._supervision.exit_code is None and self._signals:
            name = signal.Signals(self._signals[0]).name
            late = f": it did not stop within {GRACE_SECONDS:g} s, and was ended" if self._killed else ""
            say(f"interrupted by {name}{late}; published days stay, run again to go on", "error")
            return Interrupted.exit_code
        return self._supervision.final_exit_code(self._name, status)

    def _status(self) -> int:
        while True:
            self._supervision.poll()
            # Other processes that became children of this one are ended after the command.
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                return os.waitstatus_to_exitcode(status)
            late = time.monotonic() > self._deadline
            if late or self._supervision.is_overdue(self._process):
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
    """End every child process; for `seconds` they may end by themselves, then they are killed."""
    deadline = time.monotonic() + seconds
    while left := set(children()) - spared:
        if time.monotonic() > deadline:
            for child in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline + seconds:
            return  # an uninterruptible system call keeps them
        time.sleep(0.02)


def children() -> list[int]:
    """The child processes of this process that its main thread has started, or that were left to it."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(exit_code) for exit_code in text.split()]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _advice(status: int) -> str:
    """What may have ended the process; a shell adds 128 to the number of a signal."""
    match status:
        case -9 | 137:
            return "; if the memory of the system was short, `dmesg` says so, and less at once needs less"
        case _ if status < 0 or status > 128:
            return "; what a library said stands above"
        case _:
            return ""


def open_streams() -> None:
    """Let each standard stream exist: one that is closed leads nowhere, and is read as empty.

    Otherwise the next file or pipe that is opened has its number, and gets what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as the process

"""The supervisor of the enrichment: a process without Ray and Lance that sees how the one with both ends.

    driver -> supervisor -> enrichment -> Ray's servers -> agents, actors

Ray ends its driver without a word when its node or its metadata are gone, libraries wait where no signal is heard, and
what they print stands before what matters. So the enrichment runs in a child. The supervisor passes signals on, ends
what outlives its time, says what nobody else could say, and leaves nothing alive: whatever lost its parent is adopted.
What libraries write on stderr is kept from the terminal, and goes to the logs of a run that fails without a word.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from daeda.errors import DaedaError, Interrupted
from daeda.process import interrupts
from daeda.process.messages import say
from daeda.process.parent_watch import take_lifeline, watch_driver
from daeda.process.streams import open_streams
from daeda.process.supervised import last_word, supervised_by_environment, supervised_through
from daeda.process.supervision import Supervision
from enrich.ray import channel
from enrich.ray.descendants import adopt_orphans, descendants, end_descendants, exit_code
from enrich.ray.directory import hold, keep_logs
from enrich.ray.endings import AGAIN, ended_with, low_limits, not_started

# How long the enrichment may take to give up its day after a signal, a little less than a driver waits for its half;
# and to end when it has said how.
GRACE_SECONDS = 5.0
END_SECONDS = 2.0
# A process of Ray has ended: Ray, or the enrichment, has so long to notice it by itself. While Ray starts, nobody
# notices one that was killed; a node that gives up on itself, on a busy machine, is noticed after half a minute, and
# Ray is asked again.
LOSS_SECONDS = 15.0
START_KILLED_SECONDS = 1.0
START_LOSS_SECONDS = 45.0
NAME = "python -m enrich"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long what was killed may take to be gone; what waits for a dead disk is left to the system.
KILL_SECONDS = 2.0
# How late a signal or a limit may be noticed.
TICK_SECONDS = 0.25
# Of what libraries have written on stderr, the end.
_SAID_BYTES = 2**20


@dataclass
class _Limit:
    """When what is done now has to be done, and what is said if it is not."""

    until: float
    sentence: str
    code: int


@dataclass
class _Watched:
    """What the supervisor knows of its child."""

    pid: int
    status: int | None = None
    limit: _Limit | None = None
    directory: Path | None = None
    held: int | None = None
    # Ray's processes: a descriptor of each while it is alive, and the first that ended.
    processes: dict[int, tuple[str, int]] = field(default_factory=dict)
    lost: str | None = None
    loss: _Limit | None = None
    # Ray is being started.
    starting: bool = False


def supervised(command: Callable[[], int]) -> int:
    """Run a command in a child process to whatever end; returns its exit code. Nothing of it is alive then."""
    open_streams()
    if sys.platform != "linux":
        watch_driver()
        return command()
    adopt_orphans()
    spared = set(descendants(os.getpid()))
    told_by, tells = os.pipe()
    held_by, lifeline = os.pipe()
    said = os.memfd_create("stderr")
    words_read, words = os.pipe()
    driver = take_lifeline()
    supervised_by_environment()
    supervisor = _Supervisor(told_by, Supervision(words_read), driver, said, spared)
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid == 0:
        for descriptor in (told_by, words_read, lifeline, *(() if driver is None else (driver,))):
            os.close(descriptor)
        supervised_through(words)
        _be_enrichment(command, tells, held_by, said)
    for descriptor in (tells, words, held_by):
        os.close(descriptor)
    with supervisor.signals():
        code = supervisor.watch(pid)
    last_word(code)
    return code


def _be_enrichment(command: Callable[[], int], tells: int, lifeline: int, said: int) -> NoReturn:
    """Run the command in the child. It ends here, whatever threads of libraries still do."""
    # A terminal's Ctrl-C reaches the supervisor alone; a process group in the background may write all the same.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    # SIGINT and SIGTERM stay blocked until the command has handlers for them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    adopt_orphans()
    channel.connect(tells)
    threading.Thread(target=_end_with_supervisor, args=(lifeline,), daemon=True, name="lifeline").start()
    sys.stderr = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    os.dup2(said, 2)
    # Ray would have faults of native code described on sys.stderr, if nobody had done so before.
    faulthandler.enable(file=2, all_threads=False)
    warnings.showwarning = _warn_aside
    code = 1
    try:
        code = command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - shown whole, as Python would do
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # The last word of a command that shows its help, or of one that ended as nobody foresaw.
    last_word(code)
    os._exit(code)


def _warn_aside(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Warnings of libraries go where their native code writes."""
    with contextlib.suppress(OSError):
        os.write(2, warnings.formatwarning(message, category, filename, lineno, line).encode(errors="replace"))


def _end_with_supervisor(lifeline: int) -> None:
    """Wait for the end of the supervisor, which can only have been killed, and take everything along."""
    while os.read(lifeline, 1):
        pass
    end_descendants(KILL_SECONDS)
    os._exit(Interrupted.exit_code)


class _Supervisor:
    """Waits for the child, its messages, signals, the driver, and the processes of Ray."""

    def __init__(self, messages: int, told: Supervision, driver: int | None, said: int, spared: set[int]) -> None:
        self._messages = messages
        self._told = told
        self._driver = driver
        self._said = said
        self._spared = spared
        self._worded = False
        self._rest = b""
        self._signals: list[signal.Signals] = []
        self._child: _Watched | None = None
        self._end_at = float("inf")

    @contextlib.contextmanager
    def signals(self) -> Any:
        """Signals are passed on to the child; the second one kills it. They were blocked until now."""
        heard = [one for one in SIGNALS if one != signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._receive) for number in heard}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not interrupts.note(number):
            return
        self._signals.append(signal.Signals(number))
        self._end_at = time.monotonic() + (GRACE_SECONDS if len(self._signals) == 1 else 0.0)
        if self._child is not None and len(self._signals) == 1:
            self._pass_on(self._signals[0])

    def _pass_on(self, number: signal.Signals) -> None:
        assert self._child is not None
        if self._child.status is None:
            os.kill(self._child.pid, signal.SIGTERM if number == signal.SIGHUP else number)

    def watch(self, pid: int) -> int:
        """Wait for the end of the child, or bring it about; returns the exit code of the command."""
        child = self._child = _Watched(pid)
        if self._signals:
            # It came before there was a child.
            self._pass_on(self._signals[0])
        waiting = select.poll()
        for descriptor in (self._messages, self._told.descriptor, self._driver):
            if descriptor is not None:
                waiting.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):
            waiting.register(os.pidfd_open(pid), select.POLLIN)
        while child.status is None:
            for descriptor, _event in waiting.poll(TICK_SECONDS * 1000):
                if descriptor == self._messages:
                    self._read(child, waiting)
                elif descriptor == self._driver:
                    # The driver writes nothing: it is gone.
                    waiting.unregister(descriptor)
                    os.kill(os.getpid(), signal.SIGINT)
                elif descriptor in child.processes:
                    self._lose(child, descriptor, waiting)
            self._hear(waiting)
            self._wait(child)
            if child.status is None and (ending := self._overdue(child)) is not None:
                return self._end(child, *ending)
        self._read(child, waiting)
        self._told.drain()
        if self._told.word is not None:
            return self._end(child, None, self._told.word)
        return self._end_of_silent(child)

    def _hear(self, waiting: select.poll) -> None:
        """Take what the child tells every supervisor: its last word, and the code of a user that it runs."""
        if self._worded:
            return
        self._told.look(0)
        if self._told.word is not None:
            self._worded = True
            waiting.unregister(self._told.descriptor)
            self._end_at = min(self._end_at, time.monotonic() + END_SECONDS)

    def _wait(self, child: _Watched) -> None:
        found, status = os.waitpid(child.pid, os.WNOHANG)
        if found:
            child.status = os.waitstatus_to_exitcode(status)

    def _read(self, child: _Watched, waiting: select.poll) -> None:
        """Take the messages that are there."""
        while True:
            if not select.select([self._messages], [], [], 0)[0]:
                return
            data = os.read(self._messages, 2**16)
            if not data:
                with contextlib.suppress(KeyError):
                    waiting.unregister(self._messages)
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(child, json.loads(line), waiting)

    def _take(self, child: _Watched, message: dict[str, Any], waiting: select.poll) -> None:
        match message:
            case {"limit": None}:
                child.limit = None
            case {"limit": seconds, "sentence": sentence, "code": code}:
                child.limit = _Limit(time.monotonic() + seconds, sentence, code)
            case {"directory": path}:
                child.directory = None if path is None else Path(path)
                if child.held is not None:
                    os.close(child.held)
                child.held = None if child.directory is None else hold(child.directory)
            case {"starting": starting}:
                child.starting = starting
            case {"process": None}:
                for descriptor in child.processes:
                    waiting.unregister(descriptor)
                    os.close(descriptor)
                child.processes.clear()
                child.lost = child.loss = None
            case {"process": kind, "pid": pid}:
                with contextlib.suppress(OSError):
                    descriptor = os.pidfd_open(pid)
                    child.processes[descriptor] = (kind, pid)
                    waiting.register(descriptor, select.POLLIN)

    def _lose(self, child: _Watched, descriptor: int, waiting: select.poll) -> None:
        """A process of Ray has ended. The first one counts: the others follow it."""
        waiting.unregister(descriptor)
        kind, pid = child.processes.pop(descriptor)
        os.close(descriptor)
        if child.lost is not None:
            return
        code = exit_code(pid)
        child.lost = f"Ray's {kind} {ended_with(code)}"
        sentence, seconds = f"{child.lost}: {AGAIN}", LOSS_SECONDS
        if child.starting:
            sentence = not_started(kind, code)
            seconds = START_KILLED_SECONDS if code is not None and code < 0 else START_LOSS_SECONDS
        child.loss = _Limit(time.monotonic() + seconds, sentence, DaedaError.exit_code)

    def _overdue(self, child: _Watched) -> tuple[str | None, int] | None:
        """What is said, and with which code, of a child that has to be ended now; None if it has time."""
        now = time.monotonic()
        if now > self._end_at:
            if self._told.word is not None:
                return None, self._told.word
            return f"interrupted by {self._signals[0].name}", Interrupted.exit_code
        if self._told.must_end(child.pid):
            os.kill(child.pid, signal.SIGKILL)
            return None
        for limit in (child.loss, child.limit):
            if limit is not None and now > limit.until:
                return limit.sentence, limit.code
        return None

    def _end_of_silent(self, child: _Watched) -> int:
        """The child has ended and has not said how."""
        if self._signals:
            return self._end(child, f"interrupted by {self._signals[0].name}", Interrupted.exit_code)
        if self._told.calls or self._told.overdue is not None:
            code = self._told.ended(NAME, child.status or 0)
            return self._end(child, None, code)
        how = ended_with(child.status)
        if child.lost is not None and (child.status or 0) >= 0:
            return self._end(child, f"{child.lost}, and ended the enrichment: {AGAIN}", DaedaError.exit_code)
        cause = " (the system does so when memory is short)" if child.status == -signal.SIGKILL else " without a word"
        return self._end(child, f"the enrichment {how}{cause}: {AGAIN}", DaedaError.exit_code)

    def _end(self, child: _Watched, sentence: str | None, code: int) -> int:
        """Leave nothing alive, and say what the child has not said."""
        end_descendants(KILL_SECONDS, self._spared)
        explained = sentence is not None and code != Interrupted.exit_code
        logs = self._logs(child) if explained else None
        if child.directory is not None and logs is None:
            shutil.rmtree(child.directory, ignore_errors=True)
        if explained:
            sentence = f"{sentence}{low_limits()}"
        if sentence is not None:
            whose = "Ray's logs are" if child.directory is not None else "what its libraries wrote is"
            say(f"error: {sentence}" + (f"; {whose} in {logs}" if logs is not None else ""))
        return code

    def _logs(self, child: _Watched) -> Path | None:
        """Where the logs of a child are that ended without a word; None where it has left none."""
        size = os.fstat(self._said).st_size
        said = os.pread(self._said, _SAID_BYTES, max(0, size - _SAID_BYTES))
        with contextlib.suppress(OSError):
            if child.directory is not None:
                return keep_logs(child.directory, said)
            if said:
                descriptor, path = tempfile.mkstemp(prefix="daeda-enrich-", suffix=".log")
                with open(descriptor, "wb") as file:  # noqa: PTH123
                    file.write(said)
                return Path(path)
        return None

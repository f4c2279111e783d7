"""The supervisor of the enrichment: a process without Ray and Lance that sees how the one with both ends.

    driver -> supervisor -> enrichment -> Ray's servers -> agents, actors

Ray ends its driver without a word when its node or its metadata are gone, libraries wait where no signal is heard, and
what they print stands before what matters. So the enrichment runs in a child. The supervisor passes signals on, ends
what outlives its time, says what nobody else could say, and leaves nothing alive: whatever lost its parent is adopted.
What libraries write on stderr is kept from the terminal, and goes to the logs of a run that fails without a word.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from daeda.errors import DaedaError, Interrupted
from daeda.process import interrupts
from daeda.process.ending import end_process
from daeda.process.log import follow
from daeda.process.messages import say
from daeda.process.parent_watch import take_parent_pipe, watch_parent
from daeda.process.supervised import has_driver, report_exit_code, supervised_by_environment, supervised_through
from daeda.process.supervision import Supervision, open_streams
from enrich.ray.child import Child
from enrich.ray.descendants import adopt_orphans, descendants, end_descendants
from enrich.ray.directory import keep_logs
from enrich.ray.endings import AGAIN, ended_with, low_limits
from enrich.ray.enrichment_process import KILL_SECONDS, run_enrichment

# How long the enrichment may take to give up its day after a signal, a little less than a driver waits for its
# subprocess; and to end when it has said how.
GRACE_SECONDS = 5.0
END_SECONDS = 2.0
NAME = "python -m enrich"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How late a signal or a limit may be noticed.
TICK_SECONDS = 0.25
# Of what libraries have written on stderr, the end is kept.
_STDERR_BYTES = 2**20


def supervised(command: Callable[[], int]) -> int:
    """Run a command in a child process to whatever end, and end this one, as `daeda.process.supervision` does.

    Nothing of the command is alive then. Returns the exit code where Python is to end the process.
    """
    open_streams()
    follow(sys.argv[1:])
    if sys.platform != "linux":
        watch_parent()
        return end_process(command())
    adopt_orphans()
    spared = set(descendants(os.getpid()))
    messages_read, messages = os.pipe()
    # The child reads the end of this pipe when the supervisor ends; nobody writes to it.
    supervisor_read, supervisor_write = os.pipe()
    words_read, words = os.pipe()
    stderr = os.memfd_create("stderr")
    driver = take_parent_pipe()
    supervised_by_environment()
    supervisor = _Supervisor(messages_read, Supervision(words_read), driver, stderr, spared)
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid == 0:
        for descriptor in (messages_read, words_read, supervisor_write, *(() if driver is None else (driver,))):
            os.close(descriptor)
        supervised_through(words)
        run_enrichment(command, messages, supervisor_read, stderr)
    for descriptor in (messages, words, supervisor_read):
        os.close(descriptor)
    with supervisor.signals():
        code = supervisor.wait_for(pid)
    report_exit_code(code)
    return end_process(code)


class _Supervisor:
    """Waits for the child, its messages, signals, the driver, and the processes of Ray."""

    def __init__(
        self, messages: int, supervision: Supervision, driver: int | None, stderr: int, spared: set[int]
    ) -> None:
        self._messages = messages
        self._supervision = supervision
        self._driver = driver
        self._stderr = stderr
        self._spared = spared
        self._exit_code_reported = False
        self._signals: list[signal.Signals] = []
        self._child: Child | None = None
        self._end_at = float("inf")

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Signals are passed on to the child; the second one kills it. They were blocked until now."""
        heard = [
            number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        ]
        with interrupts.handled(self._receive, heard):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            yield

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not interrupts.note(number):
            return
        self._signals.append(signal.Signals(number))
        self._end_at = time.monotonic() + (GRACE_SECONDS if len(self._signals) == 1 else 0.0)
        if self._child is not None and len(self._signals) == 1:
            self._pass_on(self._child, self._signals[0])

    def _pass_on(self, child: Child, number: signal.Signals) -> None:
        if child.status is None:
            os.kill(child.pid, signal.SIGTERM if number == signal.SIGHUP else number)

    def wait_for(self, pid: int) -> int:
        """Wait for the end of the child, or bring it about; returns the exit code of the command."""
        poll = select.poll()
        child = self._child = Child(pid, self._messages, poll)
        if self._signals:
            # It came before there was a child.
            self._pass_on(child, self._signals[0])
        for descriptor in (self._messages, self._supervision.descriptor, self._driver):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):
            poll.register(os.pidfd_open(pid), select.POLLIN)
        while child.status is None:
            for descriptor, _event in poll.poll(TICK_SECONDS * 1000):
                if descriptor == self._messages:
                    child.read_messages()
                elif descriptor == self._driver:
                    # The driver writes nothing: it is gone.
                    poll.unregister(descriptor)
                    os.kill(os.getpid(), signal.SIGINT)
                else:
                    child.lose(descriptor)
            self._hear(poll)
            child.look()
            if child.status is None and (ending := self._overdue(child)) is not None:
                return self._end(child, *ending)
        child.read_messages()
        self._supervision.drain()
        if self._supervision.exit_code is not None:
            return self._end(child, None, self._supervision.exit_code)
        return self._end_of_silent(child)

    def _hear(self, poll: select.poll) -> None:
        """Take in what the child tells every supervisor: its last word, and the code of a user that it runs."""
        if self._exit_code_reported:
            return
        self._supervision.poll(0)
        if self._supervision.exit_code is not None:
            self._exit_code_reported = True
            poll.unregister(self._supervision.descriptor)
            self._end_at = min(self._end_at, time.monotonic() + END_SECONDS)

    def _overdue(self, child: Child) -> tuple[str | None, int] | None:
        """What is said, and with which code, of a child that has to be ended now; None if it has time."""
        if time.monotonic() > self._end_at:
            if self._supervision.exit_code is not None:
                return None, self._supervision.exit_code
            return self._interrupted()
        if self._supervision.is_overdue(child.pid):
            os.kill(child.pid, signal.SIGKILL)
            return None
        missed = child.missed_deadline()
        return None if missed is None else (missed.sentence, missed.exit_code)

    def _interrupted(self) -> tuple[str | None, int]:
        """A driver tells of its interruption by itself."""
        return None if has_driver() else f"interrupted by {self._signals[0].name}", Interrupted.exit_code

    def _end_of_silent(self, child: Child) -> int:
        """The child has ended and has not said how."""
        if self._signals:
            return self._end(child, *self._interrupted())
        if self._supervision.calls or self._supervision.overdue is not None:
            code = self._supervision.final_exit_code(NAME, child.status or 0)
            return self._end(child, None, code)
        if (child.status or 0) >= 0 and (sentence := child.ended_with_ray()) is not None:
            return self._end(child, sentence, DaedaError.exit_code)
        how = ended_with(child.status)
        cause = " (the system does so when memory is short)" if child.status == -signal.SIGKILL else " without a word"
        return self._end(child, f"the enrichment {how}{cause}: {AGAIN}", DaedaError.exit_code)

    def _end(self, child: Child, sentence: str | None, code: int) -> int:
        """Leave nothing alive, and say what the child has not said."""
        end_descendants(KILL_SECONDS, self._spared)
        explained = sentence is not None and code != Interrupted.exit_code
        logs = self._logs(child.directory) if explained else None
        if child.directory is not None and logs is None:
            shutil.rmtree(child.directory, ignore_errors=True)
        if explained:
            sentence = f"{sentence}{low_limits()}"
        if sentence is not None:
            whose = "Ray's logs are" if child.directory is not None else "what its libraries wrote is"
            say(sentence + (f"; {whose} in {logs}" if logs is not None else ""), "error")
        return code

    def _logs(self, directory: Path | None) -> Path | None:
        """Where the logs of a child are that ended without a word; None where it has left none."""
        size = os.fstat(self._stderr).st_size
        stderr = os.pread(self._stderr, _STDERR_BYTES, max(0, size - _STDERR_BYTES))
        with contextlib.suppress(OSError):
            if directory is not None:
                return keep_logs(directory, stderr)
            if stderr:
                descriptor, path = tempfile.mkstemp(prefix="daeda-enrich-", suffix=".log")
                with open(descriptor, "wb") as file:  # noqa: PTH123
                    file.write(stderr)
                return Path(path)
        return None

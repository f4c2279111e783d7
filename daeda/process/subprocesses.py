"""Subprocesses of the driver: started in sessions of their own, supervised, and stopped with all that they started."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from daeda.errors import Interrupted
from daeda.process import interrupts
from daeda.process.messages import say
from daeda.process.parent_watch import VARIABLE as parent_pipe_variable
from daeda.process.supervised import VARIABLE as supervisor_variable
from daeda.process.supervision import Supervision

# How long a subprocess may take to stop its days and workers after a signal, before its whole process group is killed.
# The driver cleans up after it, and is itself killed after supervision.GRACE_SECONDS.
_GRACE_SECONDS = 6.0


@dataclass
class Interruptions:
    """Signals that arrived while subprocesses were running; the first is passed on, the second kills."""

    signals: list[int] = field(default_factory=list)
    child: subprocess.Popen[str] | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if not interrupts.note(number):
            return
        self.signals.append(number)
        if self.child is None or self.child.poll() is not None:
            return
        if len(self.signals) > 1:
            _kill_group(self.child)
            return
        say("stopping: waiting for the days at work to be given up (interrupt again to kill them)")
        self.child.send_signal(signal.SIGINT)
        # Not a `threading.Timer`: what was interrupted may hold the lock that one takes to start.
        _thread.start_new_thread(_kill_late, (self.child,))


@contextlib.contextmanager
def interruptible() -> Iterator[Interruptions]:
    """Handle SIGINT and SIGTERM while the block runs; raises Interrupted after it if one arrived."""
    state = Interruptions()
    interrupts.check_not_stopped()
    with interrupts.handled(state.receive):
        yield state
    if state.signals:
        raise Interrupted(
            f"interrupted by {signal.Signals(state.signals[0]).name}: published days stay, run again to go on"
        )


def run_subprocess(
    module: str,
    words: Sequence[str],
    state: Interruptions,
    *,
    result_on_stdout: bool = False,
    output: list[str] | None = None,
) -> int:
    """Run `python -m module` to its end; returns its exit code, which is 0 only if the process reported that.

    The subprocess gets a session of its own, so that Ctrl-C reaches it once and through the driver. It inherits stderr,
    and with `result_on_stdout` stdout too; otherwise its stdout is appended to `output`.
    """
    if state.signals:
        return Interrupted.exit_code
    parent_read, parent_write = os.pipe()
    supervisor_read, supervisor_write = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        # The child inherits the blocked signals until it has handlers of its own: no interrupt arrives in its imports.
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.DEVNULL,
            stdout=None if result_on_stdout else subprocess.DEVNULL if output is None else subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(parent_read, supervisor_write),
            env={**os.environ, parent_pipe_variable: str(parent_read), supervisor_variable: str(supervisor_write)},
        )
        state.child = child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(parent_read)
        os.close(supervisor_write)
    supervision = Supervision(supervisor_read)
    reader = _read_into(output, child)
    try:
        while child.poll() is None:
            supervision.poll()
            if supervision.is_overdue(child.pid):
                _kill_group(child)
    finally:
        state.child = None
        os.close(parent_write)
        _kill_group(child)
        child.wait()
        supervision.drain()
        os.close(supervisor_read)
        reader.join(_GRACE_SECONDS)
    if state.signals:
        return Interrupted.exit_code if supervision.exit_code is None else supervision.exit_code
    code = supervision.final_exit_code(f"python -m {module}", child.returncode)
    if code == Interrupted.exit_code:
        say(f"python -m {module} was interrupted: published days stay, run again to go on", "error")
    return code


def _read_into(output: list[str] | None, child: subprocess.Popen[str]) -> threading.Thread:
    """Read the stdout of the subprocess in a thread: the caller polls its supervision meanwhile."""

    def read() -> None:
        if output is not None and child.stdout is not None:
            with child.stdout:
                output.append(child.stdout.read())

    reader = threading.Thread(target=read, daemon=True, name="stdout")
    reader.start()
    return reader


def _kill_late(child: subprocess.Popen[str]) -> None:
    time.sleep(_GRACE_SECONDS)
    # Of a process that has been waited for, the number may be that of another one by now.
    if child.returncode is None:
        _kill_group(child)


def _kill_group(child: subprocess.Popen[str]) -> None:
    """Kill what is left of the process group; the leader's id stays reserved while the group has members."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)

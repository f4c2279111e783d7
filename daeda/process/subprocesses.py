"""The halves as subprocesses: started apart, watched, and stopped together with everything that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from daeda.errors import Interrupted
from daeda.process import interrupts
from daeda.process.messages import say
from daeda.process.parent_watch import VARIABLE as lifeline_variable
from daeda.process.supervised import VARIABLE as supervisor_variable
from daeda.process.supervision import Supervision

# How long a half may take to stop its days and workers after a signal, before its whole process group is killed. The
# driver has still to clear up behind it, and is itself ended after supervise.GRACE_SECONDS.
_GRACE_SECONDS = 6.0


@dataclass
class Interruptions:
    """Signals that arrived while halves were running; the first is passed on, the second kills."""

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
        timer = threading.Timer(_GRACE_SECONDS, _kill_group, args=(self.child,))
        timer.daemon = True
        timer.start()


@contextlib.contextmanager
def interruptible() -> Iterator[Interruptions]:
    """Handle SIGINT and SIGTERM while the block runs; raises Interrupted after it if one arrived."""
    state = Interruptions()
    before = {number: signal.signal(number, state.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if state.signals:
        raise Interrupted(
            f"interrupted by {signal.Signals(state.signals[0]).name}: published days stay, run again to go on"
        )


def run_half(
    module: str,
    words: Sequence[str],
    state: Interruptions,
    *,
    result_on_stdout: bool = False,
    said: list[str] | None = None,
) -> int:
    """Run `python -m module` to its end; returns its exit code, which is not 0 unless that was its last word.

    The half gets a session of its own, so that Ctrl-C reaches it once and through the driver; its stderr is ours, and
    its stdout too where it holds the result of the command. Otherwise what it writes there goes to `said`.
    """
    if state.signals:
        return Interrupted.exit_code
    lifeline, holding = os.pipe()
    hearing, telling = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        # It inherits what is blocked here, until it has handlers of its own: an interrupt never meets its imports.
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.DEVNULL,
            stdout=None if result_on_stdout else subprocess.DEVNULL if said is None else subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(lifeline, telling),
            env={**os.environ, lifeline_variable: str(lifeline), supervisor_variable: str(telling)},
        )
        state.child = child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(lifeline)
        os.close(telling)
    told = Supervision(hearing)
    reading = _read_into(said, child)
    try:
        _wait(child, told)
    finally:
        state.child = None
        os.close(holding)
        _kill_group(child)
        child.wait()
        told.drain()
        os.close(hearing)
        reading.join(_GRACE_SECONDS)
    if state.signals:
        return Interrupted.exit_code if told.word is None else told.word
    return told.ended(f"python -m {module}", child.returncode)


def _wait(child: subprocess.Popen[str], told: Supervision) -> None:
    """Return when the half has ended, by itself or because it has had its time."""
    while child.poll() is None:
        told.look()
        if told.must_end(child.pid):
            _kill_group(child)


def _read_into(said: list[str] | None, child: subprocess.Popen[str]) -> threading.Thread:
    """Take in what the half writes on stdout, in a thread: who waits for the half looks at other things too."""

    def read() -> None:
        if said is not None and child.stdout is not None:
            with child.stdout:
                said.append(child.stdout.read())

    reading = threading.Thread(target=read, daemon=True, name="stdout")
    reading.start()
    return reading


def _kill_group(child: subprocess.Popen[str]) -> None:
    """Kill what is left of the half's process group; its leader's id stays reserved while the group has members."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)

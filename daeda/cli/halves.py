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

from daeda.cli.lifeline import VARIABLE
from daeda.cli.outcome import say
from daeda.errors import Interrupted

# How long a half may take to stop its days and workers after a signal, before its whole process group is killed.
_GRACE_SECONDS = 30.0


@dataclass
class Interruptions:
    """Signals that arrived while halves were running; the first is passed on, the second kills."""

    signals: list[int] = field(default_factory=list)
    child: subprocess.Popen[str] | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
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
    """Run `python -m module` to its end; returns its exit code, 1 where a signal ended it.

    The half gets a session of its own, so that Ctrl-C reaches it once and through the driver; its stderr is ours, and
    its stdout too where it holds the result of the command. Otherwise what it writes there goes to `said`.
    """
    if state.signals:
        return Interrupted.exit_code
    reading, writing = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.DEVNULL,
            stdout=None if result_on_stdout else subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(reading,),
            env={**os.environ, VARIABLE: str(reading)},
        )
    finally:
        os.close(reading)
    state.child = child
    try:
        written, _ = child.communicate()
    finally:
        state.child = None
        os.close(writing)
        _kill_group(child)
    if said is not None:
        said.append(written or "")
    if child.returncode >= 0:
        return child.returncode
    if not state.signals:
        name = signal.Signals(-child.returncode).name
        say(f"error: {module} was ended by {name}: days that were published stay, run again to go on")
    return 1


def _kill_group(child: subprocess.Popen[str]) -> None:
    """Kill what is left of the half's process group; its leader's id stays reserved while the group has members."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)

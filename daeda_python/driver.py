"""Commands in a process of their own: what they answer is read, what they tell is shown, how they fail is raised.

Each call is what the command line would be: its checks, its sentences, its processes, its end by Ctrl-C. Nothing of it
happens in the process of the user: modules of a project are loaded anew by each call, and an edit of them is seen.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from daeda.errors import ERROR_CLASSES, DaedaError, DayError, Interrupted
from daeda.process import interrupts
from daeda.process.log import FORMAT
from daeda.process.parent_watch import VARIABLE as parent_pipe_variable
from daeda.process.supervised import VARIABLE as supervisor_variable
from daeda_python.told import Progress

# The supervisor of a command kills it 8 s after a signal, and then ends what it has started.
_GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Ended:
    """A command that has ended: what it answered, and what it told as warnings and errors."""

    code: int = 0
    answer: str = ""
    warnings: list[str] = field(default_factory=list)
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    other_lines: list[str] = field(default_factory=list)

    def raise_error(self) -> None:
        """Raise what the command failed of, by the class and with the sentences that it has there."""
        sentences = list(dict.fromkeys(str(line["message"]) for line in self.errors))
        if self.code == Interrupted.exit_code:
            raise Interrupted(*sentences or ["interrupted: published days stay, run again to go on"])
        named = [line for line in self.errors if line.get("error") in ERROR_CLASSES]
        kind = ERROR_CLASSES[str(named[0]["error"])] if named else DaedaError
        error = kind(*sentences or [f"the command ended with exit code {self.code} and said nothing"])
        if isinstance(error, DayError) and named[0].get("day"):
            error.day = dt.date.fromisoformat(named[0]["day"])
        for line in self.errors:
            if line.get("traceback"):
                error.add_note("\n".join(line["traceback"]))
        if not sentences and self.other_lines:
            error.add_note("\n".join(self.other_lines[-20:]))
        raise error


def run(words: Sequence[str], progress: Progress) -> Ended:
    """Run a command to its end, without a terminal: it asks nothing. An exception stops it as Ctrl-C does.

    Raises KeyboardInterrupt where the user interrupts; the command and what it started have ended then.
    """
    ended = Ended()
    with tempfile.TemporaryFile() as answer, contextlib.ExitStack() as held:
        with _signals_held():
            child = _started(words, answer, held)
        for line in _lines(child):
            _heard(line, ended, progress)
        ended.code = child.wait()
        answer.seek(0)
        ended.answer = answer.read().decode("utf-8")
    progress.end("done" if ended.code == 0 else "not done")
    return ended


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that come meanwhile are delivered at its end, also where they raise there.

    Blocked in this thread, they are blocked in the command that it starts. Another thread, of a notebook, may take
    them all the same, and the main thread would run their handlers: until the end these only note what came.
    """
    noted: list[int] = []
    handled = _handled_here()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with interrupts.handled(lambda number, _: noted.append(number), handled):
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            yield
    finally:
        for number in noted:
            # Sent to this thread, which has it blocked: it finds the handler of before, below.
            signal.raise_signal(number)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handled_here() -> list[signal.Signals]:
    """The signals whose handlers run in this thread and can be put back."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in _SIGNALS if signal.getsignal(number) is not None]


def _started(words: Sequence[str], answer: IO[bytes], held: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    """The command, begun; `held` closes its pipes, and stops it first where it is left by an exception."""
    parent_read, parent_write = os.pipe()
    held.callback(os.close, parent_write)
    try:
        # Signals stay blocked in the command until it has handlers for them.
        child = subprocess.Popen(
            [sys.executable, "-m", "daeda_python", *words],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(parent_read,),
            env=_environment(parent_read),
        )
    finally:
        os.close(parent_read)
    assert child.stderr is not None
    held.callback(child.stderr.close)

    def stop_on_error(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            _stop(child)

    held.push(stop_on_error)
    return child


def _environment(parent_read: int) -> dict[str, str]:
    """What ends the command with this process, however that ends."""
    inherited = {name: value for name, value in os.environ.items() if name != supervisor_variable}
    return {**inherited, parent_pipe_variable: str(parent_read)}


def _heard(text: str, ended: Ended, progress: Progress) -> None:
    """A line of stderr: one of the log, or what a library writes there by itself."""
    line = _parsed(text)
    if line is None:
        ended.other_lines.append(text)
        progress.tell(text)
        return
    match line.get("level"):
        case "warning":
            ended.warnings.append(line["message"])
        case "error":
            ended.errors.append(line)
        case _:
            progress.tell(line["message"], line.get("done"), line.get("days"))


def _parsed(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.get("format") == FORMAT else None


def _lines(child: subprocess.Popen[bytes], seconds: float = float("inf")) -> Iterator[str]:
    """What the command says, until it has ended, or for so many seconds. Others may hold its stderr for longer."""
    assert child.stderr is not None
    begun, until = b"", time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(child.stderr, selectors.EVENT_READ)
        while time.monotonic() < until:
            ready = selector.select(_POLL_SECONDS)
            said = os.read(child.stderr.fileno(), 1 << 16) if ready else b""
            *whole, begun = (begun + said).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            if not said and (ready or child.poll() is not None):
                break
    if begun:
        yield begun.decode("utf-8", "replace")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Interrupt the command, and wait for its end; whoever interrupts once more kills it."""
    try:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
        # What it still says must not fill the pipe.
        for _ in _lines(child, _GRACE_SECONDS):
            pass
        child.wait(_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

"""What a process reports to its supervisor through a pipe: the user code that it runs, and its exit code.

    {"begin": 7, "what": "day 2024-01-02, operator 'o': function 'm:f'", "code": 1, "seconds": 600.0}
    {"end": 7}
    {"survivor": 4711}
    {"word": 0}

User code may end its process silently, or hold the interpreter so that nothing else in it runs. The supervisor
(`process.supervision`) then knows which call was running, for how long, and that no exit code was reported: a process
that ends without reporting one has not done its work, whatever its exit status is.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import signal
from collections.abc import Iterator
from typing import NoReturn

from daeda.process.log import is_json, log_line

# Set by a supervisor for a process that it starts; the number of the pipe's writing end.
VARIABLE = "DAEDA_SUPERVISOR_FD"
# What a pipe takes in one write, whoever else writes into it (PIPE_BUF).
_MOST_BYTES = 4096
_MOST_CHARACTERS = 600
_PR_SET_PDEATHSIG = 1

_descriptor: int | None = None
_numbers = itertools.count(1)
_has_run = False
_has_driver = False


def supervised_through(descriptor: int | None) -> None:
    """Report to the supervisor at the other end of this pipe from now on; None for nobody."""
    global _descriptor
    _descriptor = descriptor


def supervised_by_environment() -> bool:
    """Report through the pipe that the environment names; returns whether it names one."""
    global _has_driver
    descriptor = os.environ.pop(VARIABLE, None)
    if descriptor is None:
        return False
    os.set_inheritable(int(descriptor), False)
    supervised_through(int(descriptor))
    _has_driver = True
    return True


def has_driver() -> bool:
    """Whether a command does part of its work in this process: that command tells of its interruption, and once."""
    return _has_driver


def is_supervised() -> bool:
    """Whether this process was made for one command, and a supervisor waits for it."""
    return _descriptor is not None


def die_with(parent: int) -> None:
    """Let the kernel kill this process together with its parent, at once."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def report_exit_code(code: int) -> None:
    """The command has ended with this exit code; what follows only cleans up."""
    _send({"word": code})


def report_survivor(process: int) -> None:
    """A process that this one has started outlives it, and ends by itself: the supervisor leaves it alone."""
    _send({"survivor": process})


@contextlib.contextmanager
def user_code(what: str, *, code: int, seconds: float | None = None) -> Iterator[None]:
    """While the block runs, user code is running, for at most so many seconds.

    `what` names it in a sentence, and `code` is the exit code of the command if the call ends the process.
    """
    global _has_run
    _has_run = True
    number, process = next(_numbers), os.getpid()
    _send({"begin": number, "what": what[:_MOST_CHARACTERS], "code": code, "seconds": seconds})
    try:
        yield
    finally:
        if os.getpid() != process:
            _end_fork(what)
        _send({"end": number})


def has_run_user_code() -> bool:
    """Whether user code has run in this process."""
    return _has_run


def _end_fork(what: str) -> NoReturn:
    """End a process that user code has forked, when its call returns: two processes would go on with the same work."""
    sentence = f"{what} came back in a process that it forked, which was ended: end it there with os._exit"
    line = f"{log_line('error', sentence) if is_json() else f'error: {sentence}'}\n"
    with contextlib.suppress(OSError):
        # Another thread may have held the lock of the stream at the fork, so the descriptor is written directly.
        os.write(2, line.encode("utf-8", "backslashreplace"))
    os._exit(1)


def _send(message: dict[str, object]) -> None:
    if _descriptor is None:
        return
    line = json.dumps(message).encode() + b"\n"
    assert len(line) <= _MOST_BYTES
    # If the supervisor is gone, the kernel or the parent watch ends this process.
    with contextlib.suppress(OSError):
        os.write(_descriptor, line)

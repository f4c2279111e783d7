"""What a process tells the one that supervises it, through a pipe: the user's code that it runs, and its last word.

    {"begin": 7, "what": "day 2024-01-02, operator 'o': function 'm:f'", "code": 1, "seconds": 600.0}
    {"end": 7}
    {"word": 0}

Code of a user may end its process without a word, or hold the interpreter so that nothing else in it runs. The
supervisor (`process.supervision`) then knows what was at work, for how long, and that there was no last word: a process
that ends without one has not done what it was asked, whatever its exit code.
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

# Set by a supervisor for a process that it starts; the number of the pipe's writing end.
VARIABLE = "DAEDA_SUPERVISOR_FD"
# What a pipe takes in one piece, whoever else writes into it.
_MOST_BYTES = 4096
_MOST_CHARACTERS = 600
_PR_SET_PDEATHSIG = 1

_descriptor: int | None = None
_numbers = itertools.count(1)


def supervised_through(descriptor: int | None) -> None:
    """Tell the supervisor at the other end of this pipe from now on; None for nobody."""
    global _descriptor
    _descriptor = descriptor


def supervised_by_environment() -> bool:
    """Take the pipe that the environment names, if it names one."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return False
    os.set_inheritable(int(given), False)
    supervised_through(int(given))
    return True


def die_with(parent: int) -> None:
    """Let the kernel kill this process together with its parent, at once."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def last_word(code: int) -> None:
    """The command has come to its end, with this exit code; what follows is only tidying up."""
    _tell({"word": code})


@contextlib.contextmanager
def users_code(what: str, *, code: int, seconds: float | None = None) -> Iterator[None]:
    """While the block runs, code of the user is at work, for at most so many seconds.

    `what` names it in a sentence, and `code` is the exit code where it ends the process.
    """
    number, process = next(_numbers), os.getpid()
    _tell({"begin": number, "what": what[:_MOST_CHARACTERS], "code": code, "seconds": seconds})
    try:
        yield
    finally:
        if os.getpid() != process:
            _end_copy(what)
        _tell({"end": number})


def _end_copy(what: str) -> NoReturn:
    """End a process that code of the user has forked, where it comes back: two would go on with the work of one."""
    line = f"error: {what} came back in a process that it forked, which was ended: end it there with os._exit\n"
    with contextlib.suppress(OSError):
        # Another thread may have held the lock of the stream while the process was copied.
        os.write(2, line.encode("utf-8", "backslashreplace"))
    os._exit(1)


def _tell(message: dict[str, object]) -> None:
    if _descriptor is None:
        return
    line = json.dumps(message).encode() + b"\n"
    assert len(line) <= _MOST_BYTES
    # A supervisor that is gone ends this process by other means.
    with contextlib.suppress(OSError):
        os.write(_descriptor, line)

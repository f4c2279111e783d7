"""What a process tells the one that supervises it, through a pipe: the user's code that it runs, and its last word.

    {"begin": 7, "what": "day 2024-01-02, operator 'o': function 'm:f'", "code": 1, "seconds": 600.0}
    {"end": 7}
    {"word": 0}

Code of a user may end its process without a word, or hold the interpreter so that nothing else in it runs. The
supervisor (`daeda.cli.supervise`) then knows what was at work, for how long, and that there was no last word: a process
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
    number = next(_numbers)
    _tell({"begin": number, "what": what[:_MOST_CHARACTERS], "code": code, "seconds": seconds})
    try:
        yield
    finally:
        _tell({"end": number})


def _tell(message: dict[str, object]) -> None:
    if _descriptor is None:
        return
    line = json.dumps(message).encode() + b"\n"
    assert len(line) <= _MOST_BYTES
    # A supervisor that is gone ends this process by other means.
    with contextlib.suppress(OSError):
        os.write(_descriptor, line)

"""How a process ended, in words, and what follows from it for the user."""

from __future__ import annotations

import signal

AGAIN = "days that were published stay, run again to go on"


def ended_with(code: int | None) -> str:
    """How a process ended, by its exit code as Python has it; None where nobody knows.

    >>> ended_with(1), ended_with(-9), ended_with(None)
    ('ended with code 1', 'was ended by SIGKILL', 'ended')
    """
    if code is None:
        return "ended"
    if code >= 0:
        return f"ended with code {code}"
    if -code not in set(signal.Signals):
        return f"was ended by signal {-code}"
    return f"was ended by {signal.Signals(-code).name}"

"""Whether a signal has asked this process to stop: what tells an interrupt from code that raises KeyboardInterrupt."""

from __future__ import annotations

import signal
import time

# A signal that a terminal sends to a whole group of processes, and that one of them passes on, arrives twice.
_SAME_SECONDS = 1.0

_arrived: list[tuple[int, float]] = []


def note(number: int) -> bool:
    """Record a signal, for its handler; returns False where it is one that has just arrived already."""
    now = time.monotonic()
    again = bool(_arrived) and now - _arrived[-1][1] < _SAME_SECONDS
    if not again:
        _arrived.append((number, now))
    return not again


def arrived() -> str | None:
    """The name of the first signal that arrived, None where none did."""
    return signal.Signals(_arrived[0][0]).name if _arrived else None


def forget() -> None:
    """A command begins: what arrived before it was for another."""
    _arrived.clear()

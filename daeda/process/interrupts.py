"""Whether a signal has asked this process to stop: what tells an interrupt from code that raises KeyboardInterrupt."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

# A signal that a terminal sends to a whole group of processes, and that one of them passes on, arrives twice.
_SAME_SECONDS = 1.0

_arrived: list[tuple[int, float]] = []


@contextlib.contextmanager
def handled(
    handler: Callable[[int, FrameType | None], None], numbers: Sequence[int] = (signal.SIGINT, signal.SIGTERM)
) -> Iterator[None]:
    """The handler takes these signals while the block runs, in the main thread; then the earlier handlers do again."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


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

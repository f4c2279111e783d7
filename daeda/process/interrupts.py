"""Signals that ask this process to stop: whether one has arrived, and the exception that it raises.

The exception comes up anywhere in the main thread, and libraries catch it: DuckDB makes a RuntimeError of it, others go
on without. So what ends a command is that a signal has raised, and not what became of the exception.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# A signal that a terminal sends to a whole group of processes, and that one of them passes on, arrives twice.
_SAME_SECONDS = 1.0

_arrived: list[tuple[int, float]] = []


class Interruptible(Protocol):
    """What works in a library, as a connection of a database does, and can be told to stop."""

    def interrupt(self) -> None:
        """Stop what is at work."""


_at_work: weakref.WeakSet[Interruptible] = weakref.WeakSet()


class Signalled(KeyboardInterrupt):
    """A signal has asked the command to stop. Nobody but a command's end catches it; see `command_signals`."""


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], None], numbers: Sequence[int] = SIGNALS) -> Iterator[None]:
    """The handler takes these signals while the block runs, in the main thread; then the earlier handlers do again."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def unheard_outside_of_commands() -> None:
    """For a process that has one command to do: a signal that comes before or behind it neither ends nor disturbs it.

    What came before is still blocked, and is heard when the command begins.
    """
    for number in SIGNALS:
        signal.signal(number, _unheard)


def _unheard(number: int, frame: FrameType | None) -> None:
    pass


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


def interrupted_by_signals(work: Interruptible) -> None:
    """What the main thread has opened, for as long as anybody has it: a signal interrupts it before it raises.

    Whoever closes it behind the exception would wait for the end of what is at work in there.
    """
    if threading.current_thread() is threading.main_thread():
        _at_work.add(work)


def interrupt_work() -> None:
    """Interrupt what the main thread has opened, for a handler of signals, in whose time that thread closes nothing."""
    for work in list(_at_work):
        # It may be closed, which each library says in its own way.
        with contextlib.suppress(Exception):
            work.interrupt()


def check_not_stopped() -> None:
    """Raise KeyboardInterrupt where a signal has asked this process to stop, whatever became of its exception."""
    if arrived() is not None and threading.current_thread() is threading.main_thread():
        raise Signalled


def interrupt_in(error: BaseException, known: BaseException | None = None) -> KeyboardInterrupt | None:
    """The KeyboardInterrupt that an exception was made of; what was `known` before is looked at no further.

    >>> try:
    ...     raise KeyboardInterrupt
    ... except BaseException as error:
    ...     made = RuntimeError("Query interrupted")
    ...     made.__cause__ = error
    >>> interrupt_in(made), interrupt_in(made, made.__cause__)
    (KeyboardInterrupt(), None)
    """
    seen: set[int] = set() if known is None else {id(known)}
    waiting: list[BaseException | None] = [error]
    while waiting:
        at = waiting.pop()
        if at is None or id(at) in seen:
            continue
        if isinstance(at, KeyboardInterrupt):
            return at
        seen.add(id(at))
        waiting += [at.__context__, at.__cause__]
        if isinstance(at, BaseExceptionGroup):
            waiting += at.exceptions
    return None


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """A KeyboardInterrupt in the block leaves it as one, whatever a library has made of it.

    For what is called from Python, where Ctrl-C is the caller's; a command ends by `command_signals`.
    """
    # The caller may be handling an interrupt of before, which is the context of all that is raised meanwhile.
    known = sys.exception()
    try:
        yield
    except Exception as error:
        if interrupt_in(error, known) is None:
            raise
        raise KeyboardInterrupt from error

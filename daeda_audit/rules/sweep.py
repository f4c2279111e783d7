"""Windows of many rows: one walk through the history of a key, in the order of the rows that ask.

A history row enters a window when it is known and before its end, and leaves it when it is older than the window is
long. What is inside is held by the aggregate; whatever it adds up is exact, so that what leaves takes away exactly what
it brought.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Running(Protocol):
    """An aggregate over what is inside. Rows are numbers in the total order, and each enters once at most."""

    def enter(self, row: int) -> None:
        """Take a row in."""

    def leave(self, row: int) -> None:
        """Give a row up that is inside."""

    def value(self, now: int) -> Any:
        """The aggregate of what is inside now; none of it is later."""


def walk(
    instants: Sequence[int],
    known: Sequence[int],
    window: Callable[[int], tuple[int | None, int]],
    asked: Sequence[int],
    running: Running,
) -> list[Any]:
    """The aggregate at each asked instant over the rows of its window that are known before it.

    The asked instants and the `instants` ascend. `known` are the instants at which the rows become known, which may be
    earlier than their own. `window` gives where the window of an instant begins and ends; neither ever moves back.
    """
    arriving = sorted(range(len(instants)), key=known.__getitem__)
    inside, told = bytearray(len(instants)), bytearray(len(instants))
    values = []
    arrived = newest = oldest = 0
    for now in asked:
        begin, end = window(now)
        fresh = []
        while arrived < len(arriving) and known[arriving[arrived]] < now:
            row = arriving[arrived]
            arrived += 1
            told[row] = 1
            if row < newest:
                fresh.append(row)
        while newest < len(instants) and instants[newest] < end:
            if told[newest]:
                fresh.append(newest)
            newest += 1
        for row in fresh:
            # Windows move on: what is too old when it becomes known will never be inside.
            if begin is None or instants[row] >= begin:
                inside[row] = 1
                running.enter(row)
        while begin is not None and oldest < len(instants) and instants[oldest] < begin:
            if inside[oldest]:
                inside[oldest] = 0
                running.leave(oldest)
            oldest += 1
        values.append(running.value(now))
    return values

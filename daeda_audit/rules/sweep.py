"""Windows of many rows: one walk through the history of a key, in the order of the rows that ask.

A history row enters a window when it is known, and leaves it when it is older than the window is long. What is inside
is held by the aggregate; whatever it adds up is exact, so that what leaves takes away exactly what it brought.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    instants: Sequence[int], known: Sequence[int], length: int | None, asked: Sequence[int], running: Running
) -> list[Any]:
    """The aggregate at each asked instant over the rows in `[now - length, now)` that are known before it.

    The asked instants and the `instants` ascend. `known` are the instants at which the rows become known, which may be
    earlier than their own.
    """
    seen_from = [max(pair) for pair in zip(instants, known, strict=True)]
    arriving = sorted(range(len(instants)), key=seen_from.__getitem__)
    inside = bytearray(len(instants))
    values = []
    arrived = oldest = 0
    for now in asked:
        begin = None if length is None else now - length
        while arrived < len(arriving) and seen_from[arriving[arrived]] < now:
            row = arriving[arrived]
            arrived += 1
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

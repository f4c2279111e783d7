"""The board of a run: which part is whose, and the vectors of the day at work. It is an actor of its own.

Its process starts before all others are of use, so this module imports next to nothing: tasks and receipts pass through
as bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

References = dict[str, Any]


@dataclass
class _Day:
    """A day: its tasks in order, how many of them are taken, and which of those are not done, by slot."""

    name: str
    tasks: list[bytes]
    taken: int = 0
    at_work: dict[int, int] = field(default_factory=dict)


class Board:
    """The parts of the run in order, and the vectors of the day at work. Actors come here for their parts, and leave
    their receipts here.

    `days` holds the name of each day and the packed tasks of its parts; `turns` slots work on each. Ray Data hands its
    inputs to actors in any order. So an input is only a slot: whichever slot comes next has the next turn, and nobody
    waits for a day that cannot begin before his own is done. A slot that runs again, because its actor died, has the
    same turn again, and first the part that it had. An actor has one slot at a time: a repeated slot behind another,
    which waits for a later day, would never run.
    """

    def __init__(self, days: list[tuple[str, list[bytes]]], turns: int) -> None:
        self._days = [_Day(name, tasks) for name, tasks in days]
        self._turns = turns
        self._turn_of: dict[int, int] = {}
        self._shown = ""
        self._references: References = {}
        self._receipts: list[bytes] = []
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def post(self, day: str, references: References) -> None:
        """Show a day; what was shown before is let go."""
        async with self._changed:
            self._shown, self._references = day, references
            self._changed.notify_all()

    async def begun(self) -> None:
        """Return when the first actor has come."""
        await self._begun.wait()

    async def claim(self, slot: int) -> tuple[bytes, References] | None:
        """The next part of the slot's day and the references of the day, once it is shown; None when all are taken."""
        self._begun.set()
        day = self._day_of(slot)
        async with self._changed:
            await self._changed.wait_for(lambda: self._shown == day.name or day.taken == len(day.tasks))
            if slot not in day.at_work:
                if day.taken == len(day.tasks):
                    return None
                day.at_work[slot] = day.taken
                day.taken += 1
            return day.tasks[day.at_work[slot]], self._references

    async def report(self, slot: int, receipt: bytes) -> None:
        """Take the receipt of the part that the slot has."""
        async with self._changed:
            # A report that is sent again, because its answer was lost, has been taken.
            if self._day_of(slot).at_work.pop(slot, None) is not None:
                self._receipts.append(receipt)
            self._changed.notify_all()

    async def receipt(self, number: int) -> bytes:
        """The receipt that came as the `number`-th of the run, counted from 0, as soon as it is there."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._receipts) > number)
            return self._receipts[number]

    def _day_of(self, slot: int) -> _Day:
        turn = self._turn_of.setdefault(slot, len(self._turn_of))
        return self._days[turn // self._turns]

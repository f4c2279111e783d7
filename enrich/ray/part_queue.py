"""The queue of the parts of a run, and the vectors of the day at work. It is an actor of its own.

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
    """A day: its tasks in order, how many are claimed, and those that are claimed and not done, by position."""

    name: str
    tasks: list[bytes]
    claimed: int = 0
    at_work: dict[int, int] = field(default_factory=dict)


class PartQueue:
    """The parts of the run in order, and the vectors of the day at work. Actors claim their parts here, and report
    their receipts here.

    `days` holds the name of each day and the packed tasks of its parts; each day has `shares`, one for each actor. Ray
    Data hands its inputs to actors in any order. So an input is only a position: whichever position comes next has the
    next share, and no actor waits for a day that cannot begin before its own is done. A position that runs again,
    because its actor died, has the same share again, and first the part that it had. An actor has one position at a
    time: a repeated position behind another, which waits for a later day, would never run.
    """

    def __init__(self, days: list[tuple[str, list[bytes]]], shares: int) -> None:
        self._days = [_Day(name, tasks) for name, tasks in days]
        self._shares = shares
        self._share_of: dict[int, int] = {}
        self._posted = ""
        self._references: References = {}
        self._receipts: list[bytes] = []
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def post(self, day: str, references: References) -> None:
        """Let a day begin; the references of the day before are let go."""
        async with self._changed:
            self._posted, self._references = day, references
            self._changed.notify_all()

    async def begun(self) -> None:
        """Return when the first actor has asked for a part."""
        await self._begun.wait()

    async def claim(self, position: int) -> tuple[bytes, References] | None:
        """The next part of the position's day and the references of the day, once posted; None when all are claimed."""
        self._begun.set()
        day = self._day_of(position)
        async with self._changed:
            await self._changed.wait_for(lambda: self._posted == day.name or day.claimed == len(day.tasks))
            if position not in day.at_work:
                if day.claimed == len(day.tasks):
                    return None
                day.at_work[position] = day.claimed
                day.claimed += 1
            return day.tasks[day.at_work[position]], self._references

    async def report(self, position: int, receipt: bytes) -> None:
        """Take the receipt of the part that the position has claimed."""
        async with self._changed:
            # A report that is sent again, because its answer was lost, is here already.
            if self._day_of(position).at_work.pop(position, None) is not None:
                self._receipts.append(receipt)
            self._changed.notify_all()

    async def receipt(self, number: int) -> bytes:
        """The receipt that came as the `number`-th of the run, counted from 0, as soon as it is there."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._receipts) > number)
            return self._receipts[number]

    def _day_of(self, position: int) -> _Day:
        share = self._share_of.setdefault(position, len(self._share_of))
        return self._days[share // self._shares]

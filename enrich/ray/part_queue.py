"""The queue of the parts of a run, and the vectors of the days at work. It is an actor of its own.

It lives on the driver's node, so that no other node takes it along. Its process starts before all others are of use, so
this module imports next to nothing: tasks and receipts pass through as bytes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

References = dict[str, Any]
# An actor that died under a part is replaced; a part under which one more dies than so many is given up.
MOST_DEATHS = 2


class Life(NamedTuple):
    """One process of an actor, which has another one after it died: who it is for Ray."""

    actor: str
    node: str
    pid: int


class Claimed(NamedTuple):
    """A part for an actor, and the vectors of its day; without a task, the day is done and its vectors are let go."""

    day: str
    number: int
    task: bytes | None
    references: References


class Deadly(NamedTuple):
    """What comes instead of a receipt: actors died under this part, over and over."""

    task: bytes
    deaths: int


@dataclass(eq=False)
class _Day:
    """A day: its tasks in order, which of them are to be claimed, how many are done, the deaths under each, and what
    came back. Its references are let go when it is done.
    """

    name: str
    tasks: list[bytes]
    free: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    deaths: dict[int, int] = field(default_factory=dict)
    receipts: list[bytes | Deadly] = field(default_factory=list)
    posted: bool = False
    references: References = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return len(self.done) == len(self.tasks)


class _Work(NamedTuple):
    """The part that an actor has, and which of its lives."""

    day: _Day
    number: int
    life: Life


class PartQueue:
    """The parts of the run in order, and the vectors of the days at work. Actors claim their parts here, and report
    their receipts here.

    `days` holds the name of each day and the packed tasks of its parts. A day that is posted while another one is at
    work is for actors that have nothing else. An actor has one position for the whole run,
    and asks again and again; `at_once` says how many of a node work at once, by its id, and `most` how many of another.
    A position that runs again, because its actor died, gets the part that it had. If Ray has no place for the actor any
    more, the part goes to others: two actors may have it then, and the receipt of the first one counts.
    """

    def __init__(self, days: list[tuple[str, list[bytes]]], at_once: Mapping[str, int], most: int) -> None:
        self._days = {name: _Day(name, tasks, list(range(len(tasks)))) for name, tasks in days}
        self._at_once = dict(at_once)
        self._most = most
        self._at_work: dict[int, _Work] = {}
        self._lives: dict[int, Life] = {}
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def post(self, day: str, references: References, tasks: list[bytes] | None = None) -> None:
        """Let a day begin, of other packed `tasks` than it was made with, where they are given; as many as those."""
        async with self._changed:
            posted = self._days[day]
            if tasks is not None:
                posted.tasks[:] = tasks
            posted.references = references
            posted.posted = True
            self._changed.notify_all()

    async def begun(self) -> None:
        """Return when the first actor has asked for a part."""
        await self._begun.wait()

    async def claim(self, position: int, life: Life, day: str) -> Claimed | None:
        """The next part for the position, as soon as there is one; None when the run is done.

        `day` is the one whose vectors the actor holds, or empty: it lets them go before it waits for the next day.
        """
        self._begun.set()
        async with self._changed:
            self._lives[position] = life
            self._die(position, life)
            await self._changed.wait_for(lambda: self._may_claim(position, life) or self._is_over(position, life, day))
            if not self._may_claim(position, life):
                return None if self._all_done() else Claimed("", 0, None, {})
            if position not in self._at_work:
                first = next(self._open_days())
                self._at_work[position] = _Work(first, heapq.heappop(first.free), life)
            work = self._at_work[position]
            return Claimed(work.day.name, work.number, work.day.tasks[work.number], work.day.references)

    def _open_days(self) -> Iterator[_Day]:
        """The days that have parts to be claimed, in order."""
        return (day for day in self._days.values() if day.posted and day.free)

    def _all_done(self) -> bool:
        return all(day.is_done for day in self._days.values())

    def _may_claim(self, position: int, life: Life) -> bool:
        if self._lives[position] != life:
            # Nobody listens any more.
            return False
        if position in self._at_work:
            return True
        if next(self._open_days(), None) is None:
            return False
        busy = sum(work.life.node == life.node for work in self._at_work.values())
        return busy < self._at_once.get(life.node, self._most)

    def _is_over(self, position: int, life: Life, day: str) -> bool:
        """Whether an actor with vectors of this day, or with none, has nothing to wait for."""
        if self._lives[position] != life or self._all_done():
            return True
        return bool(day) and self._days[day].is_done

    def _die(self, position: int, life: Life) -> None:
        """If the position had a part in another life, its actor died under it, and keeps the part."""
        work = self._at_work.get(position)
        if work is not None and work.life != life:
            self._at_work[position] = work._replace(life=life)
            self._count_death(work)

    def _count_death(self, work: _Work) -> None:
        deaths = work.day.deaths[work.number] = work.day.deaths.get(work.number, 0) + 1
        if deaths > MOST_DEATHS:
            work.day.receipts.append(Deadly(work.day.tasks[work.number], deaths))
            self._changed.notify_all()

    async def report(self, position: int, day: str, number: int, receipt: bytes) -> None:
        """Take the receipt of a part that the position had claimed."""
        async with self._changed:
            work, of_day = self._at_work.get(position), self._days[day]
            if work is not None and (work.day, work.number) == (of_day, number):
                del self._at_work[position]
            # A part may be done twice, and a report may be sent again, because its answer was lost.
            if number not in of_day.done:
                of_day.done.add(number)
                if number in of_day.free:
                    of_day.free.remove(number)
                    heapq.heapify(of_day.free)
                of_day.receipts.append(receipt)
            if of_day.is_done:
                of_day.references = {}
            self._changed.notify_all()

    async def progress(self) -> tuple[int, dict[int, Life]]:
        """How many receipts have come, and which life of which actor has a part, by position."""
        count = sum(len(day.receipts) for day in self._days.values())
        return count, {position: work.life for position, work in self._at_work.items()}

    async def lose(self, position: int, life: Life, with_its_node: bool) -> None:
        """This life has ended, and Ray may have no place for another one: its part is for whoever asks first.

        A part is not blamed for the loss of a node.
        """
        async with self._changed:
            work = self._at_work.get(position)
            if work is None or work.life != life:
                return
            del self._at_work[position]
            if work.number not in work.day.done:
                heapq.heappush(work.day.free, work.number)
                if not with_its_node:
                    self._count_death(work)
            self._changed.notify_all()

    async def receipt(self, day: str, number: int) -> bytes | Deadly:
        """The receipt that came as the `number`-th of the day, counted from 0, as soon as it is there."""
        receipts = self._days[day].receipts
        async with self._changed:
            await self._changed.wait_for(lambda: len(receipts) > number)
            return receipts[number]

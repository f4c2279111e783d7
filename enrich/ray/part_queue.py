"""The queue of the parts of a run, and the vectors of the day at work. It is an actor of its own.

It lives on the driver's node, so that no other node takes it along. Its process starts before all others are of use, so
this module imports next to nothing: tasks and receipts pass through as bytes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
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


@dataclass
class _Day:
    """A day: its tasks in order, which of them are to be claimed, how many are done, and the deaths under each."""

    name: str
    tasks: list[bytes]
    free: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    deaths: dict[int, int] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return len(self.done) == len(self.tasks)


class _Work(NamedTuple):
    """The part that an actor has, and which of its lives."""

    number: int
    life: Life


class PartQueue:
    """The parts of the run in order, and the vectors of the day at work. Actors claim their parts here, and report
    their receipts here.

    `days` holds the name of each day and the packed tasks of its parts. An actor has one position for the whole run,
    and asks again and again; `at_once` says how many of a node work at once, by its id, and `most` how many of another.
    A position that runs again, because its actor died, gets the part that it had. If Ray has no place for the actor any
    more, the part goes to others: two actors may have it then, and the receipt of the first one counts.
    """

    def __init__(self, days: list[tuple[str, list[bytes]]], at_once: Mapping[str, int], most: int) -> None:
        self._days = [_Day(name, tasks, list(range(len(tasks)))) for name, tasks in days]
        self._at_once = dict(at_once)
        self._most = most
        self._day: _Day | None = None
        self._references: References = {}
        self._at_work: dict[int, _Work] = {}
        self._lives: dict[int, Life] = {}
        self._receipts: list[bytes | Deadly] = []
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def post(self, day: str, references: References, tasks: list[bytes] | None = None) -> None:
        """Let a day begin, of other packed `tasks` than it was made with, where they are given; as many as those.

        The references of the day before are let go.
        """
        async with self._changed:
            self._day = next(one for one in self._days if one.name == day)
            if tasks is not None:
                self._day.tasks[:] = tasks
            self._references = references
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
                return None if all(one.is_done for one in self._days) else Claimed("", 0, None, {})
            assert self._day is not None
            if position not in self._at_work:
                self._at_work[position] = _Work(heapq.heappop(self._day.free), life)
            number = self._at_work[position].number
            return Claimed(self._day.name, number, self._day.tasks[number], self._references)

    def _may_claim(self, position: int, life: Life) -> bool:
        if self._lives[position] != life:
            # Nobody listens any more.
            return False
        if position in self._at_work:
            return True
        if self._day is None or not self._day.free:
            return False
        busy = sum(work.life.node == life.node for work in self._at_work.values())
        return busy < self._at_once.get(life.node, self._most)

    def _is_over(self, position: int, life: Life, day: str) -> bool:
        """Whether an actor with vectors of this day, or with none, has nothing to wait for."""
        if self._lives[position] != life or all(one.is_done for one in self._days):
            return True
        return bool(day) and (self._day is None or self._day.name != day or self._day.is_done)

    def _die(self, position: int, life: Life) -> None:
        """If the position had a part in another life, its actor died under it, and keeps the part."""
        work = self._at_work.get(position)
        if work is not None and work.life != life:
            self._at_work[position] = work._replace(life=life)
            self._count_death(work.number)

    def _count_death(self, number: int) -> None:
        assert self._day is not None
        deaths = self._day.deaths[number] = self._day.deaths.get(number, 0) + 1
        if deaths > MOST_DEATHS:
            self._receipts.append(Deadly(self._day.tasks[number], deaths))
            self._changed.notify_all()

    async def report(self, position: int, day: str, number: int, receipt: bytes) -> None:
        """Take the receipt of a part that the position had claimed."""
        async with self._changed:
            work = self._at_work.get(position)
            if work is not None and work.number == number:
                del self._at_work[position]
            # A part may be done twice, and a report may be sent again, because its answer was lost.
            if self._day is not None and self._day.name == day and number not in self._day.done:
                self._day.done.add(number)
                if number in self._day.free:
                    self._day.free.remove(number)
                    heapq.heapify(self._day.free)
                self._receipts.append(receipt)
            self._changed.notify_all()

    async def progress(self) -> tuple[int, dict[int, Life]]:
        """How many receipts have come, and which life of which actor has a part, by position."""
        return len(self._receipts), {position: work.life for position, work in self._at_work.items()}

    async def lose(self, position: int, life: Life, with_its_node: bool) -> None:
        """This life has ended, and Ray may have no place for another one: its part is for whoever asks first.

        A part is not blamed for the loss of a node.
        """
        async with self._changed:
            work = self._at_work.get(position)
            if work is None or work.life != life or self._day is None:
                return
            del self._at_work[position]
            if work.number not in self._day.done:
                heapq.heappush(self._day.free, work.number)
                if not with_its_node:
                    self._count_death(work.number)
            self._changed.notify_all()

    async def receipt(self, number: int) -> bytes | Deadly:
        """The receipt that came as the `number`-th of the run, counted from 0, as soon as it is there."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._receipts) > number)
            return self._receipts[number]

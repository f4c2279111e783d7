"""What runs inside Ray: the board that holds the vectors of the day at work, and the workers that enrich its parts.

One pool of actors serves all days of a run, because a new one takes seconds. A part of a later day waits at the board
until that day's vectors are posted, which is after the day before was published:

    driver   post(day 1)  <- receipts of day 1, publish   post(day 2) ...
    actors   part 0, 1, 2 of day 1 | part 0 of day 2 waits | part 0, 1 of day 2 ...
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import ray

from daeda.errors import DaedaError
from enrich.part import PartTask, Receipt, enrich_part

# The number of a slot, and the bytes of a pickled Receipt or DaedaError: Ray Data moves them as one column.
SLOT = "slot"
RECEIPT = "receipt"

References = dict[str, Any]


class Board:
    """The parts of the run in order, and the vectors of the day at work. Actors come here for their next part.

    Ray Data hands its inputs to actors in any order. So an input is only a slot: whichever slot runs next gets the next
    part, and nobody waits for a day that cannot begin before his own part is done. A slot that runs again, because its
    actor died, gets the same part again. An actor has one slot at a time: a repeated slot behind another, which waits
    for a later day, would never run.
    """

    def __init__(self, tasks: list[bytes]) -> None:
        self._tasks = [unpack(task) for task in tasks]
        self._claims: dict[int, int] = {}
        self._day = ""
        self._references: References = {}
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def post(self, day: str, references: References) -> None:
        """Show a day; what was shown before is let go."""
        async with self._changed:
            self._day, self._references = day, references
            self._changed.notify_all()

    async def begun(self) -> None:
        """Return when the first actor has come."""
        await self._begun.wait()

    async def claim(self, slot: int) -> tuple[PartTask, References]:
        """The part of a slot and the references of its day, as soon as the day is shown."""
        self._begun.set()
        day, task = self._tasks[self._claims.setdefault(slot, len(self._claims))]
        async with self._changed:
            await self._changed.wait_for(lambda: self._day == day)
            return task, self._references


class PartWorker:
    """Enriches one part per call. Nothing is kept between calls, so that the vectors of a day go when it ends.

    A second call for the same part writes the same bytes: Ray may repeat one whose actor died.
    """

    def __init__(self, board: Any) -> None:
        self._board = board

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """One part: a batch of one row. Its own errors are results too: Ray Data would add its advice to them."""
        task, references = ray.get(self._board.claim.remote(int(batch[SLOT][0])))
        result: Receipt | DaedaError
        try:
            # Arrays come as views of the object store, and a store is opened where it arrives.
            vectors = {name: ray.get(reference) for name, reference in references.items()}
            result = enrich_part(task, vectors)
        except DaedaError as error:
            result = error
        return {RECEIPT: [pickle.dumps(result)]}


def pack(day: str, task: PartTask) -> bytes:
    """A part of a day as bytes."""
    return pickle.dumps((day, task))


def unpack(packed: bytes) -> tuple[str, PartTask]:
    """The inverse of pack."""
    day, task = pickle.loads(packed)
    return day, task

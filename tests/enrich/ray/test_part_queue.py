"""The queue of parts: who has which part, when a day begins, and what becomes of the part of an actor that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from enrich.ray.part_queue import MOST_DEATHS, Claimed, Deadly, Life, PartQueue
from tests.enrich.tiny_project import DAYS

FIRST, SECOND = (day.isoformat() for day in DAYS)
HERE, THERE = "node here", "node there"
VECTORS = {"items": 1}
LET_GO = Claimed("", 0, None, {})


def life(number: int, node: str = HERE, pid: int = 1) -> Life:
    return Life(f"actor {number}", node, pid)


def part(number: int) -> Claimed:
    """A part of the first day."""
    return Claimed(FIRST, number, f"1.{number}".encode(), VECTORS)


def queue_of(parts: int = 4, at_once: dict[str, int] | None = None, most: int = 9) -> PartQueue:
    first = [f"1.{number}".encode() for number in range(parts)]
    return PartQueue([(FIRST, first), (SECOND, [b"2.0"])], at_once or {}, most)


async def waits(claim: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A claim that is not answered now."""
    task = asyncio.create_task(claim)
    for _turn in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    return task


def test_parts_in_order_and_days_one_after_another() -> None:
    async def run() -> None:
        queue = queue_of(2)
        early = await waits(queue.claim(3, life(3), ""))
        await queue.post(FIRST, VECTORS)
        assert await early == part(0)
        assert await queue.claim(0, life(0), "") == part(1)
        await queue.report(0, FIRST, 1, b"receipt of 1.1")
        # Nothing is left of the day, and it is not done: the actor keeps its vectors.
        idle = await waits(queue.claim(0, life(0), FIRST))
        await queue.report(3, FIRST, 0, b"receipt of 1.0")
        await queue.report(3, FIRST, 0, b"receipt of 1.0")
        assert await idle == LET_GO
        assert await queue.claim(3, life(3), FIRST) == LET_GO
        assert [await queue.receipt(FIRST, number) for number in range(2)] == [b"receipt of 1.1", b"receipt of 1.0"]
        waiting = await waits(queue.claim(3, life(3), ""))
        last = await waits(queue.claim(0, life(0), ""))
        await queue.post(SECOND, {"items": 2})
        assert await waiting == Claimed(SECOND, 0, b"2.0", {"items": 2})
        # What is late from the day before counts no more.
        await queue.report(0, FIRST, 0, b"late")
        await queue.report(3, SECOND, 0, b"receipt of 2.0")
        assert await last is None
        assert await queue.claim(3, life(3), SECOND) is None
        assert await queue.receipt(SECOND, 0) == b"receipt of 2.0"

    asyncio.run(run())


def test_a_day_that_is_posted_meanwhile_is_for_whoever_has_nothing_else() -> None:
    async def run() -> None:
        queue = queue_of(2)
        await queue.post(FIRST, VECTORS)
        assert await queue.claim(0, life(0, THERE), "") == part(0)
        assert await queue.claim(1, life(1), "") == part(1)
        await queue.report(1, FIRST, 1, b"receipt of 1.1")
        idle = await waits(queue.claim(1, life(1), FIRST))
        await queue.post(SECOND, {"items": 2}, [b"2.0 anew"])
        assert await idle == Claimed(SECOND, 0, b"2.0 anew", {"items": 2})
        await queue.report(1, SECOND, 0, b"receipt of 2.0")
        # The first day is not done: its part comes back with its own vectors.
        await queue.lose(0, life(0, THERE), True)
        assert await queue.claim(1, life(1), SECOND) == part(0)
        first = await waits(queue.receipt(FIRST, 1))
        assert await queue.receipt(SECOND, 0) == b"receipt of 2.0"
        await queue.report(1, FIRST, 0, b"receipt of 1.0")
        assert await first == b"receipt of 1.0"
        assert (await queue.progress()) == (3, {})
        assert await queue.claim(1, life(1), FIRST) is None
        # Nobody holds the vectors of a day that is done.
        assert not any(day.references for day in queue._days.values())

    asyncio.run(run())


def test_an_actor_that_died_has_its_part_again() -> None:
    async def run() -> None:
        queue = queue_of()
        await queue.post(FIRST, VECTORS)
        assert await queue.claim(0, life(0), "") == part(0)
        # A call that is sent again, because its answer was lost.
        assert await queue.claim(0, life(0), "") == part(0)
        assert await queue.claim(0, life(0, pid=2), "") == part(0)
        assert await queue.claim(1, life(1), "") == part(1)
        await queue.report(0, FIRST, 0, b"receipt of 1.0")
        assert await queue.claim(0, life(0, pid=2), FIRST) == part(2)

    asyncio.run(run())


def test_a_part_under_which_actors_die_over_and_over_is_given_up() -> None:
    async def run() -> None:
        queue = queue_of()
        await queue.post(FIRST, VECTORS)
        for pid in range(1 + MOST_DEATHS):
            assert await queue.claim(0, life(0, pid=pid), "") == part(0)
        assert await queue.progress() == (0, {0: life(0, pid=MOST_DEATHS)})
        # The last one is seen by its watch, and none comes after it.
        await queue.lose(0, life(0, pid=MOST_DEATHS), False)
        assert await queue.receipt(FIRST, 0) == Deadly(b"1.0", 1 + MOST_DEATHS)

    asyncio.run(run())


def test_the_part_of_an_actor_that_is_lost_is_for_whoever_asks_first() -> None:
    async def run() -> None:
        queue = queue_of(2)
        await queue.post(FIRST, VECTORS)
        assert await queue.claim(0, life(0, THERE), "") == part(0)
        assert await queue.claim(1, life(1), "") == part(1)
        idle = await waits(queue.claim(2, life(2), ""))
        assert await queue.progress() == (0, {0: life(0, THERE), 1: life(1)})
        # Another life of it is at work by now.
        await queue.lose(1, life(1, pid=7), True)
        # A part is not blamed for the loss of a node, however often.
        for _loss in range(9):
            await queue.lose(0, life(0, THERE), True)
            assert await idle == part(0)
            await queue.lose(2, life(2), True)
            assert await queue.claim(0, life(0, THERE), "") == part(0)
            idle = await waits(queue.claim(2, life(2), ""))
        # The one that was taken for lost is done all the same: what the other one does then counts no more.
        await queue.lose(0, life(0, THERE), True)
        assert await idle == part(0)
        await queue.report(0, FIRST, 0, b"receipt of 1.0")
        assert await queue.progress() == (1, {1: life(1), 2: life(2)})
        await queue.report(2, FIRST, 0, b"the same again")
        await queue.report(1, FIRST, 1, b"receipt of 1.1")
        assert [await queue.receipt(FIRST, number) for number in range(2)] == [b"receipt of 1.0", b"receipt of 1.1"]
        assert (await queue.progress())[0] == 2

    asyncio.run(run())


def test_a_claim_of_an_actor_that_died_while_it_waited_takes_nothing() -> None:
    async def run() -> None:
        queue = queue_of(2)
        dead = await waits(queue.claim(0, life(0, THERE), ""))
        alive = await waits(queue.claim(0, life(0, HERE, 2), ""))
        await queue.post(FIRST, VECTORS)
        assert await alive == part(0)
        assert await dead == LET_GO
        assert await queue.progress() == (0, {0: life(0, HERE, 2)})

    asyncio.run(run())


def test_no_more_actors_of_a_node_are_at_work_than_its_envelope_has() -> None:
    async def run() -> None:
        queue = queue_of(4, {HERE: 2, THERE: 1}, most=1)
        await queue.post(FIRST, VECTORS)
        assert await queue.claim(0, life(0, THERE), "") == part(0)
        crowded = await waits(queue.claim(1, life(1, THERE), ""))
        assert await queue.claim(2, life(2), "") == part(1)
        assert await queue.claim(3, life(3), "") == part(2)
        full = await waits(queue.claim(4, life(4), ""))
        await queue.report(0, FIRST, 0, b"receipt of 1.0")
        assert await crowded == part(3)
        # A node that came later.
        assert not full.done()
        await queue.lose(3, life(3), True)
        assert await full == part(2)

    asyncio.run(run())

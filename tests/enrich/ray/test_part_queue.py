"""The queue of parts: who has which part, and when a day begins."""

from __future__ import annotations

import asyncio

from enrich.ray.part_queue import PartQueue
from tests.enrich.tiny_project import DAYS


def test_positions_in_any_order_take_parts_in_order() -> None:
    async def run() -> None:
        first, second = (day.isoformat() for day in DAYS)
        queue = PartQueue([(first, [b"1.0", b"1.1", b"1.2"]), (second, [b"2.0"])], shares=2)
        await queue.post(first, {"items": 1})
        assert await queue.claim(3) == (b"1.0", {"items": 1})
        assert await queue.claim(0) == (b"1.1", {"items": 1})
        # The actor of position 3 died: it gets its own part again, not the next, and its receipt counts once.
        assert await queue.claim(3) == (b"1.0", {"items": 1})
        await queue.report(3, b"receipt of 1.0")
        await queue.report(3, b"receipt of 1.0")
        assert await queue.claim(3) == (b"1.2", {"items": 1})
        await queue.report(3, b"receipt of 1.2")
        # All parts are taken: this share is done, and the next one is of the next day.
        assert await queue.claim(3) is None
        early = asyncio.create_task(queue.claim(2))
        await asyncio.sleep(0.01)
        assert not early.done()
        # The actor of position 0 died when nothing was left to take: its part is not lost.
        assert await queue.claim(0) == (b"1.1", {"items": 1})
        await queue.report(0, b"receipt of 1.1")
        assert await queue.claim(0) is None
        assert [await queue.receipt(i) for i in range(3)] == [b"receipt of 1.0", b"receipt of 1.2", b"receipt of 1.1"]
        await queue.post(second, {"items": 2})
        assert await early == (b"2.0", {"items": 2})
        # A day with fewer parts than shares.
        assert await queue.claim(1) is None

    asyncio.run(run())

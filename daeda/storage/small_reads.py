"""Many small reads: one after another while they are answered at once, several at a time where they are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from daeda.storage.client import AT_ONCE

Item = TypeVar("Item")
Result = TypeVar("Result")

_WAIT_SECONDS = 0.002


def read_each(read: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What `read` gives for each item, in order.

    A page cache answers sooner than a thread has started, while disks and servers answer late: what is behind the first
    item that was waited for is read by threads.
    """
    results: list[Result] = []
    waited = 0.0
    while len(results) < len(items) and waited <= _WAIT_SECONDS:
        began, worked = time.monotonic(), time.thread_time()
        results.append(read(items[len(results)]))
        waited = time.monotonic() - began - (time.thread_time() - worked)
    if len(results) == len(items):
        return results
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*results, *pool.map(read, items[len(results) :])]

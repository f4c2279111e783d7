"""Work of one operator on several chunks at once: as many as it has threads and memory for, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Task(Generic[T]):
    """A piece of work, which takes a `share` of the memory that there is for such work."""

    share: float
    run: Callable[[], T]


def results_in_order(tasks: Iterable[Task[T]], threads: int) -> Iterator[T]:
    """What the tasks give, in their order.

    Those at work have shares of 1 together, or one is alone. The next one is asked for where there is room beside them:
    so behind one that takes all of the memory nothing is read before it has ended. Raises what the first of them that
    fails has raised, when those at work have ended; what the iterable raises comes behind all tasks before it.
    """
    if threads < 2:
        for task in tasks:
            yield task.run()
        return
    at_work: deque[tuple[float, Future[T]]] = deque()
    pool = ThreadPoolExecutor(threads, "chunks")
    try:
        for task in _and_what_ends_them(tasks):
            while at_work and _shares(at_work) + task.share > 1:
                yield at_work.popleft()[1].result()
            at_work.append((task.share, pool.submit(task.run)))
            while at_work and (len(at_work) == threads or _shares(at_work) >= 1 or at_work[0][1].done()):
                yield at_work.popleft()[1].result()
        while at_work:
            yield at_work.popleft()[1].result()
    finally:
        # It waits for those at work.
        pool.shutdown(cancel_futures=True)


def _and_what_ends_them(tasks: Iterable[Task[T]]) -> Iterator[Task[T]]:
    """The tasks, and one that raises what has ended them."""
    try:
        yield from tasks
    except Exception as error:  # noqa: BLE001 - it is raised in its turn
        yield Task(0, partial(_raise, error))


def _raise(error: Exception) -> NoReturn:
    raise error


def _shares(at_work: Iterable[tuple[float, Future[T]]]) -> float:
    return sum(share for share, _ in at_work)

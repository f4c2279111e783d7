"""Something done in another thread while its caller does something else."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import TypeVar

from daeda_data.loader.read_ahead import Failed, Worker

T = TypeVar("T")


class Beside:
    """A thread for what is done beside; it begins with the first of it. For one caller.

    It is none of an executor: those do nothing any more once the main thread is over, and another one may train still.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: Worker | None = None
        self._wanted: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """Have it done; what is returned waits for it, and gives or raises what it has come to."""
        done: queue.SimpleQueue[T | Failed] = queue.SimpleQueue()

        def do() -> None:
            try:
                done.put(work())
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                done.put(Failed(error))

        def result() -> T:
            found = done.get()
            if isinstance(found, Failed):
                raise found.error
            return found

        if self._thread is None:
            thread = Worker(target=_work, args=(self._wanted,), name=self._name, daemon=True)
            thread.start()
            self._thread = thread
        self._wanted.put(do)
        return result

    def close(self) -> None:
        """End the thread, once it has done what was begun."""
        if self._thread is not None:
            self._wanted.put(None)
            self._thread.join()


def _work(wanted: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (do := wanted.get()) is not None:
        do()
        # What it has found belongs to the caller alone.
        del do

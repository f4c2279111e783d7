"""Work ahead of its reader, in a thread that ends with the reader."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(threading.Thread):
    """A thread of the loader.

    The collector of garbage runs in any thread, in these too, and may end any reader there. Which one waits for which
    then must not be a circle: a worker waits for threads that it has started itself, and for no other.
    """


@dataclass(frozen=True)
class Failed:
    """What was raised in a thread, for whoever waits for it."""

    error: BaseException


@dataclass(frozen=True)
class _End:
    pass


@dataclass
class _Channel:
    """What thread and reader share. The thread knows nothing of the reader: one that is dropped ends it.

    Nothing in it is a lock of Python, which an interrupt, or a fork at the wrong time, would leave locked.
    """

    slots: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)
    items: queue.SimpleQueue[object] = field(default_factory=queue.SimpleQueue)
    is_over: bool = False
    process: int = field(default_factory=os.getpid)
    starter: threading.Thread = field(default_factory=threading.current_thread)


class ReadAhead(Generic[T]):
    """The items of an iterator, made in a thread.

    `most` items exist at a time, the one that the reader has and the one that is being made among them. An exception of
    the iterator is raised by `__next__`, again and again; the thread ends at the end, when `close` is called, and when
    nobody has the reader any more. One thread reads; any may close, and who waits for an item then has the end.
    """

    def __init__(self, items: Generator[T], most: int, name: str) -> None:
        self._channel = _Channel()
        for _ in range(most):
            self._channel.slots.put(None)
        self._number = 0
        # The number of an item, and the item as soon as it has come, until a reader that has it empties the list.
        self.came: tuple[int, list[object]] = (0, [])
        self._over: Failed | _End | None = None
        thread = Worker(target=_work, args=(items, self._channel), name=name, daemon=True)
        self._finalizer = weakref.finalize(self, _end, self._channel, thread)
        thread.start()

    def __iter__(self) -> ReadAhead[T]:
        return self

    def __next__(self) -> T:
        number = self._number
        item = self.item(number)
        self._number, self.came = number + 1, (number, [])
        return item

    def item(self, number: int) -> T:
        """Item `number`, from 0: the one that came last, again, or the one behind it.

        Who is interrupted here, by a signal that raises, has lost none: it is given when it is asked for again.
        """
        if self._over is None:
            last, came = self.came
            if number > last:
                # Should the first of these two be done twice, an item more is there for a while.
                self._channel.slots.put(None)
                came = []
                self.came = number, came
            if not came:
                # One call, in which nothing is interrupted between what leaves the queue and what is kept here.
                came.extend(map(self._channel.items.get, (True,)))
            item = came[0]
            # Another thread may have closed it meanwhile.
            if self._over is None and not isinstance(item, Failed | _End):
                return item  # type: ignore[return-value]
            self._over = self._over or item
        if isinstance(self._over, Failed):
            raise self._over.error
        raise StopIteration

    def close(self) -> None:
        """End the thread, and wait until it has ended; what is ready is lost."""
        self._over = self._over or _End()
        self.came = self.came[0], []
        self._finalizer()


def _work(items: Generator[object], channel: _Channel) -> None:
    try:
        with contextlib.closing(items):
            while True:
                channel.slots.get()
                if channel.is_over:
                    return
                try:
                    channel.items.put(next(items))
                except StopIteration:
                    break
    except BaseException as error:  # noqa: BLE001 - the reader raises it
        channel.items.put(Failed(error))
    else:
        channel.items.put(_End())


def _end(channel: _Channel, thread: threading.Thread) -> None:
    if os.getpid() != channel.process:
        # Of a process that was forked: the thread is none of this one.
        return
    channel.is_over = True
    channel.slots.put(None)
    # Who waits for an item in another thread gets none any more.
    channel.items.put(_End())
    current = threading.current_thread()
    # One that the system has not let begin is none to wait for.
    if thread.is_alive() and (current is channel.starter or not isinstance(current, Worker)):
        thread.join()

"""Work ahead of its reader, in a thread that ends with the reader."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True)
class _End:
    pass


@dataclass
class _Channel:
    """What thread and reader share. The thread knows nothing of the reader: one that is dropped ends it."""

    slots: threading.Semaphore
    items: queue.SimpleQueue[object] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)


class ReadAhead(Generic[T]):
    """The items of an iterator, made in a thread.

    `most` items exist at a time, the one that the reader has and the one that is being made among them. An exception of
    the iterator is raised by `__next__`, again and again; the thread ends at the end, when `close` is called, and when
    nobody has the reader any more. One thread reads; any may close, and who waits for an item then has the end.
    """

    def __init__(self, items: Generator[T], most: int, name: str) -> None:
        self._channel = _Channel(threading.Semaphore(most))
        self._has_item = False
        self._over: _Failed | _End | None = None
        thread = threading.Thread(target=_work, args=(items, self._channel), name=name, daemon=True)
        self._finalizer = weakref.finalize(self, _end, self._channel, thread)
        thread.start()

    def __iter__(self) -> ReadAhead[T]:
        return self

    def __next__(self) -> T:
        if self._over is None:
            if self._has_item:
                self._channel.slots.release()
                self._has_item = False
            item = self._channel.items.get()
            # Another thread may have closed it meanwhile.
            if self._over is None and not isinstance(item, _Failed | _End):
                self._has_item = True
                return item  # type: ignore[return-value]
            self._over = self._over or item
        if isinstance(self._over, _Failed):
            raise self._over.error
        raise StopIteration

    def close(self) -> None:
        """End the thread, and wait until it has ended; what is ready is lost."""
        self._over = self._over or _End()
        self._finalizer()


def _work(items: Generator[object], channel: _Channel) -> None:
    try:
        with contextlib.closing(items):
            while True:
                channel.slots.acquire()
                if channel.stop.is_set():
                    return
                try:
                    channel.items.put(next(items))
                except StopIteration:
                    break
    except BaseException as error:  # noqa: BLE001 - the reader raises it
        channel.items.put(_Failed(error))
    else:
        channel.items.put(_End())


def _end(channel: _Channel, thread: threading.Thread) -> None:
    channel.stop.set()
    channel.slots.release()
    # The collector of garbage may run in any thread, in this one too.
    if thread is not threading.current_thread():
        thread.join()
    # Who waits for an item in another thread gets none any more.
    channel.items.put(_End())

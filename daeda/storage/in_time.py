"""Work that is abandoned when it makes no progress for too long: a slow server, a name that is not resolved.

The work is done in a thread, because nothing ends a system call that waits: whoever asked for it waits beside it, hears
signals, and leaves. The thread ends by itself, at its next heartbeat or when the server does.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

ResultT = TypeVar("ResultT")
BLOCK = 1 << 20


class Abandoned(Exception):
    """Nobody waits for the work any more."""


class Heartbeat:
    """When the work made progress last."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.nbytes = 0
        self._abandoned = threading.Event()

    def beat(self, nbytes: int = 0) -> None:
        """Record progress, of so many bytes; raises Abandoned where nobody waits for it."""
        self.check()
        self.last = time.monotonic()
        self.nbytes += nbytes

    def check(self) -> None:
        """Raise Abandoned where nobody waits any more."""
        if self._abandoned.is_set():
            raise Abandoned

    def abandon(self) -> None:
        """Nobody waits any more."""
        self._abandoned.set()


def in_time(work: Callable[[Heartbeat], ResultT], heartbeat: Heartbeat, seconds: float) -> ResultT:
    """The result of the work; raises TimeoutError when its heartbeat is so many seconds old."""
    done: Future[ResultT] = Future()
    threading.Thread(target=_work, args=(work, heartbeat, done), daemon=True, name="request").start()
    try:
        while True:
            left = heartbeat.last + seconds - time.monotonic()
            try:
                return done.result(max(0.0, left))
            except TimeoutError:
                # The work may have raised a TimeoutError itself, or made progress meanwhile.
                if done.done():
                    return done.result()
                if time.monotonic() >= heartbeat.last + seconds:
                    raise
    finally:
        heartbeat.abandon()


def _work(work: Callable[[Heartbeat], ResultT], heartbeat: Heartbeat, done: Future[ResultT]) -> None:
    try:
        done.set_result(work(heartbeat))
    except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
        done.set_exception(error)


def blocks_of(answer: Any, heartbeat: Heartbeat) -> Iterator[bytes]:
    """The body of an answer, each block of it a heartbeat."""
    for block in answer["Body"].iter_chunks(BLOCK):
        heartbeat.beat(len(block))
        yield block


class _WatchedFile(io.BufferedReader):
    """A file that is put: each block that is read of it has been sent, but for what the network buffers."""

    def __init__(self, path: Path, heartbeat: Heartbeat) -> None:
        super().__init__(io.FileIO(str(path)))
        self._heartbeat = heartbeat

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        block = super().read(size)
        self._heartbeat.beat(len(block))
        return block


@contextmanager
def opened(body: bytes | Path, heartbeat: Heartbeat) -> Iterator[bytes | IO[bytes]]:
    """The body of an upload: bytes as they are, or a file whose reads are heartbeats."""
    if isinstance(body, bytes):
        yield body
        return
    with _WatchedFile(body, heartbeat) as file:
        yield file

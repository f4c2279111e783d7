"""Bodies of answers and of uploads, in blocks that tell the heartbeat of the request how far it has come."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from daeda.storage.in_time import Heartbeat

BLOCK = 1 << 20


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

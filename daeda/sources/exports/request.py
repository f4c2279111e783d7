"""What one process exports, as it is handed to it, and how it tells how far it has come.

It tells whether it gets on: by bytes that arrive, that are written, and by work on them. DuckDB's own thread spins
while it waits, so the time of its processor says nothing; that of its workers does.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from daeda.sources.models.source import DatabaseSource, ParsedSource, Source

_TELL_SECONDS = 0.5
# Where `struct tcp_info` of the kernel has the number of bytes that were received.
_BYTES_RECEIVED = struct.Struct("@128xQ")
# A trickle is none: what counts is so many bytes, or hundredths of a second.
LEAST_BYTES = 64 * 1024
LEAST_TICKS = 5


@dataclass(frozen=True)
class Wanted:
    """A view to export: which columns of its table, and those by which the rows are sorted."""

    view: str
    source: DatabaseSource
    columns: tuple[str, ...]
    order: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What one process exports: views of one database, into a directory."""

    wanted: tuple[Wanted, ...]
    data_root: str
    directory: Path
    memory_limit: int | None

    def to_json(self) -> str:
        """The request as the process reads it."""
        wanted = [
            [view.view, view.source.model_dump(mode="json", exclude_unset=True), view.columns, view.order]
            for view in self.wanted
        ]
        return json.dumps([wanted, self.data_root, str(self.directory), self.memory_limit])

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote."""
        views, data_root, directory, memory_limit = json.loads(text)
        wanted = []
        for view, entries, columns, order in views:
            source = _model().validate_python(entries)
            assert isinstance(source, DatabaseSource)
            wanted.append(Wanted(view, source, tuple(columns), tuple(order)))
        return cls(tuple(wanted), data_root, Path(directory), memory_limit)


@cache
def _model() -> TypeAdapter[Source]:
    return TypeAdapter(ParsedSource)


def tell_progress() -> None:
    """Write a line on stdout now and then, from a thread, for whoever waits for the end.

    It has two numbers that only grow: bytes received and written, and hundredths of a second of all threads but the
    first and this one.
    """

    def tell() -> None:
        received: dict[str, int] = {}
        while True:
            time.sleep(_TELL_SECONDS)
            received |= _received()
            write_message({"progress": (sum(received.values()) + _written(), _worked())})

    threading.Thread(target=tell, daemon=True, name="progress").start()


def write_message(message: dict[str, object]) -> None:
    """Write a line on stdout in one piece: `print` writes its end apart, where another thread may come between."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _received() -> dict[str, int]:
    """Bytes that have arrived, by socket."""
    received = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError, struct.error):
            name = os.readlink(entry)  # noqa: PTH115 - a name, and no path
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                    tcp_info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                received[name] = int(_BYTES_RECEIVED.unpack_from(tcp_info)[0])
    return received


def _written() -> int:
    """Bytes that were written, but for the lines of this module."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return 0


def _worked() -> int:
    idle = {os.getpid(), threading.get_native_id()}
    ticks = 0
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) not in idle:
            with contextlib.suppress(OSError):
                stat = (task / "stat").read_text(encoding="utf-8", errors="replace")
                ticks += sum(map(int, stat.rpartition(")")[2].split()[11:13]))
    return ticks

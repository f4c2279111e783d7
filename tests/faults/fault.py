"""A fault that strikes a process of daeda from within, just before one of its steps on the file system.

A step is what Python does below the output root: a directory made, a file opened for writing, a rename, a removal; and
each block that the enrichment copies of a published part. Every stage of a day begins and ends with some, so that the
steps, numbered from 1, are the boundaries of all stages.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# _LINUX_CAPABILITY_VERSION_3; CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
_CAPABILITY_VERSION = 0x20080522
_PASSES_PERMISSIONS = 1 << 1 | 1 << 2
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# A block of a published part is about to be copied by the enrichment; the skeleton links such parts before it copies.
_COPY = "tests.copy"
_STEPS = frozenset({"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "shutil.rmtree", _COPY})
# Small parts are copied in several steps.
_BLOCK_BYTES = 16


@dataclass(frozen=True)
class Fault:
    """`what` happens to `target` before step `at`, or before the first step whose path contains `path`.

    Step 0 never comes, so that a Fault(0) counts and does nothing.
    `signal` sends the signal of that number to the process itself, `remove` removes a file, `truncate` halves it,
    `append` makes it longer, and `forbid` takes away all permissions of a directory. With `extending` steps count from
    the first one on that takes a published part to copy its columns.
    """

    at: int
    what: str = "signal"
    target: str = str(int(signal.SIGKILL))
    path: str = ""
    extending: bool = False

    def strike(self) -> None:
        path = Path(self.target)
        match self.what:
            case "signal":
                os.kill(os.getpid(), int(self.target))
            case "remove":
                path.unlink()
            case "truncate":
                os.truncate(path, path.stat().st_size // 2)
            case "append":
                with path.open("ab") as file:
                    file.write(b"more")
            case "forbid":
                path.chmod(0)
            case _:
                raise ValueError(self.what)


def arm(fault: Fault, below: str, count_file: str) -> None:
    """Watch the steps of this process below a directory; their number is written to a file when the process ends."""
    counter = itertools.count(1)
    within = threading.local()
    struck = threading.Event()
    begun = threading.Event()
    if not fault.extending:
        begun.set()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if getattr(within, "busy", False) or not _is_step(event, arguments, below):
            return
        if event in ("os.link", _COPY):
            begun.set()
        if not begun.is_set():
            return
        within.busy = True
        try:
            number = next(counter)
            with open(count_file, "w") as file:  # noqa: PTH123 - in an audit hook as little as can be
                file.write(str(number))
            if number == fault.at or (fault.path and fault.path in str(arguments[0]) and not struck.is_set()):
                struck.set()
                fault.strike()
        finally:
            within.busy = False

    sys.addaudithook(watch)


def _is_step(event: str, arguments: tuple[Any, ...], below: str) -> bool:
    if event == "open":
        path, _mode, flags = arguments
        return isinstance(flags, int) and bool(flags & _WRITES) and _below(path, below)
    if event not in _STEPS:
        return False
    # shutil.rmtree removes by names relative to an open directory.
    relative = event in ("os.remove", "os.rmdir") and arguments[1] not in (None, -1)
    return relative or _below(arguments[0], below)


def _below(path: object, below: str) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(below)


def tell_of_copies() -> None:
    """From now on each block that the enrichment copies is a step."""
    from enrich.part import published_part

    blocks = published_part.PublishedPart.blocks

    @functools.wraps(blocks)
    def told(self: published_part.PublishedPart, start: int, size: int) -> Iterator[bytes]:
        for block in blocks(self, start, size):
            sys.audit(_COPY, str(self._path))
            yield block

    published_part._BLOCK = _BLOCK_BYTES
    published_part.PublishedPart.blocks = told  # type: ignore[method-assign]


def shift_clock(seconds: float) -> None:
    """The wall clock of this process is wrong by so much, and steps back by an hour whenever it is read."""
    reads = itertools.count()
    true_time, true_gmtime, true_strftime = time.time, time.gmtime, time.strftime

    def wrong() -> float:
        return true_time() + seconds - 3600 * next(reads)

    def gmtime(at: float | None = None) -> time.struct_time:
        return true_gmtime(max(0.0, wrong()) if at is None else at)

    def strftime(form: str, at: Any = None) -> str:
        return true_strftime(form, gmtime() if at is None else at)

    time.time, time.gmtime, time.strftime = wrong, gmtime, strftime  # type: ignore[assignment]


def give_up_root() -> None:
    """From now on permissions bind this thread, and those that it starts, even if root runs it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted and inheritable of the capabilities 0 to 31, then of the others.
    capabilities = (ctypes.c_uint32 * 6)()
    if libc.capget(header, capabilities):
        raise OSError(ctypes.get_errno(), "capget")
    for kind in range(3):
        capabilities[kind] &= ~_PASSES_PERMISSIONS
    if libc.capset(header, capabilities):
        raise OSError(ctypes.get_errno(), "capset")

"""What a directory is good for: room, files that can be made, locks between processes, and its clock.

All of it is tried in a directory of its own, which is removed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from daeda.doctor.finding import Finding, State
from daeda.process.host import size_text

_PREFIX = ".daeda-doctor-"
# Below it a day of any size fails.
_LEAST_ROOM = 100 * 2**20
# A file's time may lag by a tick of the kernel; what a server adds to it is seen in seconds.
_MOST_SKEW = 2.0
_KINDS: dict[str, Callable[[FileIO, int], None]] = {"flock": fcntl.flock, "lockf": fcntl.lockf}
# Another process tries the lock of each file, and says whether it got it.
_TRY = """
import fcntl, sys
for name, lock in (("flock", fcntl.flock), ("lockf", fcntl.lockf)):
    try:
        lock(open(f"{sys.argv[1]}/{name}", "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("free")
    except BlockingIOError:
        print("held")
    except OSError as error:
        print(error.strerror)
"""
_TRY_SECONDS = 5.0


@dataclass(frozen=True)
class Tried:
    """What a file system did: what is wrong with its locks, by kind, and how far its clock is ahead."""

    locks: dict[str, str]
    skew_seconds: float


def try_directory(directory: Path) -> Tried:
    """Make files, lock them against another process, and look at their times; raises OSError where that fails."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=directory) as made:
        before = time.time()
        clock = Path(made) / "clock"
        clock.write_bytes(bytes(4096))
        skew = clock.stat().st_mtime - (before + time.time()) / 2
        return Tried(_try_locks(Path(made)), skew)


def _try_locks(made: Path) -> dict[str, str]:
    problems: dict[str, str] = {}
    with ExitStack() as files:
        for name, lock in _KINDS.items():
            file = files.enter_context((made / name).open("wb", buffering=0))
            try:
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                problems[name] = f"{name} is refused ({error.strerror})"
        held = _try_in_another_process(made)
    let_go = _try_in_another_process(made)
    for name, during, after in zip(_KINDS, held, let_go, strict=True):
        if name in problems:
            continue
        if during == "free":
            problems[name] = f"{name} does not hold against another process"
        elif during != "held" or after != "free":
            problems[name] = f"{name} does not work between processes ({after if during == 'held' else during})"
    return problems


def _try_in_another_process(made: Path) -> list[str]:
    command = [sys.executable, "-I", "-S", "-c", _TRY, str(made)]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=_TRY_SECONDS, check=True)
    return tried.stdout.splitlines()


def look_at_directory(what: str, directory: Path, choose: str, *, shared: bool = False) -> Iterator[Finding]:
    """Whether a run may work in a directory, or in the nearest one above it that is there.

    `choose` says which setting names another one. In a `shared` directory runs hold claims by flock.
    """
    there = next(path for path in (directory, *directory.parents) if path.exists())
    try:
        tried = try_directory(there)
    except OSError as error:
        yield Finding("wrong", what, f"{directory}: nothing can be made in {there} ({error.strerror or error})", choose)
        return
    room = os.statvfs(there)
    free, total = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    seen = f"{directory}: {size_text(free)} free of {size_text(total)}, writable"
    if tried.locks:
        state: State = "wrong" if shared and "flock" in tried.locks else "warning"
        cure = f"mount it with locks (NFS: without nolock), or {choose}"
        yield Finding(state, what, f"{seen}; {', '.join(tried.locks.values())}", cure)
    elif free < _LEAST_ROOM:
        yield Finding("wrong", what, f"{seen}, locks work", f"make room, or {choose}")
    else:
        yield Finding("ok", what, f"{seen}, locks work")
    if abs(tried.skew_seconds) > _MOST_SKEW:
        order = "ahead of" if tried.skew_seconds > 0 else "behind"
        yield Finding(
            "warning",
            f"clock of {there}",
            f"{abs(tried.skew_seconds):.1f} s {order} this host",
            "set both clocks by NTP: whether a file has changed is told by its time, too",
        )

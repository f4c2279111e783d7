"""Waiting for a lock that everybody holds for a moment, and for no longer than that is worth: then who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from io import FileIO
from pathlib import Path

from daeda.errors import TransientError

# Under the staging lock a run makes its directory, or removes those of dead runs, which may hold many files.
SECONDS = 60.0
_LOOK_SECONDS = 0.02


def take(lock: FileIO, path: Path, seconds: float | None = None) -> None:
    """Lock an open file exclusively; raises TransientError with who holds it where that takes longer than `SECONDS`."""
    limit = SECONDS if seconds is None else seconds
    until = time.monotonic() + limit
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise TransientError(
                    f"{path} has been locked for {limit:g} s by {holder_of(lock)}: end that process, or let it go on"
                ) from None
        time.sleep(_LOOK_SECONDS)


def holder_of(lock: FileIO) -> str:
    """The process that holds the lock of a file, where the kernel tells."""
    inode = str(os.fstat(lock.fileno()).st_ino)
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for words in map(str.split, lines):
        # 1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF
        if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and words[4] != "0":
            return f"process {words[4]}{', which is stopped' if is_stopped(int(words[4])) else ''}"
    return "another process, maybe on another host"


def is_stopped(process: int) -> bool:
    """Whether somebody has stopped a process of this host (SIGSTOP): it does nothing until it goes on."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")

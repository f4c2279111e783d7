"""A directory for what a day has no room for in memory, on a disk that the user has chosen.

A day that is killed leaves it behind, and nobody else knows of it: the disk would fill. So its day holds the lock of a
file in it, which the kernel releases however the process ends, and the next day that begins there removes what is free.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from daeda.storage.regular import regular_descriptor

_PREFIX = "daeda-spill-"
_LOCK = "lock"


class SpillDirectory:
    """A directory of its own below `chosen`, made and locked at once. Raises OSError where it cannot be made."""

    def __init__(self, chosen: Path, name: str) -> None:
        chosen.mkdir(parents=True, exist_ok=True)
        self.path = chosen / f"{_PREFIX}{name}"
        _remove_free(chosen)
        # Under a name that nobody takes for a dead day's, until it is locked.
        fresh = chosen / f".{self.path.name}"
        fresh.mkdir()
        self._lock: int | None = os.open(fresh / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # The file system has no locks: then nobody can tell whether the day is alive, and it is left alone.
            (fresh / _LOCK).unlink()
        fresh.rename(self.path)

    def close(self) -> None:
        """Remove the directory."""
        _remove(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _remove_free(chosen: Path) -> None:
    """Remove the directories of days that are dead."""
    for directory in sorted(chosen.glob(f"{_PREFIX}*")):
        # It may go meanwhile, belong to another user, or be locked: by its day, or by another that removes it.
        with contextlib.suppress(OSError):
            lock = regular_descriptor(directory / _LOCK, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not directory.is_symlink():
                    _remove(directory)
            finally:
                os.close(lock)


def _remove(directory: Path) -> None:
    """Remove a directory, its lock last: without one, what is left of it would be nobody's to remove.

    What cannot be removed now is left to the next day.
    """
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            if path.name == _LOCK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        shutil.rmtree(directory)

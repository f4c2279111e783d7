"""What tells a file from another one at the cost of a look."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from daeda.storage.regular import check_regular


@dataclass(frozen=True)
class FileState:
    """What tells a file from another one at its path, or from itself before a change.

    The kernel sets `ctime_ns` whenever a file is written, moved into place or given another mtime, and nobody can set
    it back. An object has its ETag, and in `mtime_ns` when it was put, 0 where that is not told. States of two
    paths are compared with their `inode`: it is one for all names of a local file.
    """

    size: int
    mtime_ns: int
    ctime_ns: int = 0
    etag: str = ""
    inode: int = field(default=0, compare=False)


def state_of(path: str | Path) -> FileState:
    """The state of a local file as it is now; raises OSError, NotRegular for what is no regular file among it."""
    stat = check_regular(path)
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, inode=stat.st_ino)

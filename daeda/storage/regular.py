"""Files that are opened to be read or locked: regular ones alone.

Opening a FIFO waits for whoever writes into it, a device never ends, and either does so without a word. What is opened
here is looked at first, opened without waiting, and looked at again through its descriptor: nobody can put something
else there in between.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

from daeda.errors import NotRegular

# More than any file of metadata that daeda or its user writes: manifests, locks, status files, YAML.
MOST_METADATA = 64 * 2**20
_BLOCK = 1 << 20
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(mode: int) -> str:
    """What a mode of `stat` says that is neither a regular file nor a directory."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def check_regular(path: str | Path) -> os.stat_result:
    """The `stat` of a regular file, links followed; raises NotRegular for anything else, and OSError."""
    return _checked(os.stat(path), path)  # noqa: PTH116 - a path of any kind


def regular_descriptor(
    path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o666, *, dir_fd: int | None = None
) -> int:
    """Open a regular file, as `os.open` does; raises NotRegular for anything else, and OSError."""
    try:
        _checked(os.stat(path, dir_fd=dir_fd, follow_symlinks=not flags & os.O_NOFOLLOW), path)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    try:
        _checked(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_regular(path: str | Path, *, dir_fd: int | None = None) -> BufferedReader:
    """A regular file, open for reading; raises NotRegular for anything else, and OSError."""
    return os.fdopen(regular_descriptor(path, dir_fd=dir_fd), "rb")


def read_regular(path: str | Path, most: int = MOST_METADATA, *, dir_fd: int | None = None) -> bytes:
    """The bytes of a regular file; raises NotRegular where it is none, or has more than `most`, and OSError.

    What has more is not read to its end: files of `/proc` have none that their size would tell.
    """
    with open_regular(path, dir_fd=dir_fd) as file:
        blocks, size = [], 0
        while block := file.read(_BLOCK):
            blocks.append(block)
            size += len(block)
            if size > most:
                raise NotRegular(f"has more than {most:,} bytes", path)
    return b"".join(blocks)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a regular file, in hexadecimal; raises NotRegular for anything else, and OSError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(status: os.stat_result, path: str | Path) -> os.stat_result:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        raise NotRegular(f"is {kind_of(kind)}, not a regular file", path)
    return status

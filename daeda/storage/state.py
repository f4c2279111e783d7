"""What tells a file from another one at the cost of a look, and a file that a day reads, as manifests list it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from daeda.storage.regular import check_regular

# How manifests are read: a key that is not known, or a value of another type, is a mistake and never converted.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

Count = Annotated[int, Field(ge=0)]


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


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError("is not a SHA-256 in hexadecimal")
    return text


Digest = Annotated[str, AfterValidator(_digest)]


@dataclass(frozen=True)
class InputFile:
    """A file that the day read. Size, mtime and ctime are a short cut; the digest decides. The path is for people only.

    Of an object nothing is digested: its size and ETag decide, and `mtime_ns` is when it was put, 0 where that is not
    told. `ctime_ns` is 0 in manifests that are older than it.
    """

    __pydantic_config__ = STRICT

    operator: str
    path: str
    size: Count
    mtime_ns: int
    sha256: Literal[""] | Digest
    etag: str = ""
    ctime_ns: int = 0

    @property
    def state(self) -> FileState:
        """What the file was like when it was identified."""
        return FileState(self.size, self.mtime_ns, self.ctime_ns, self.etag)

    @property
    def version(self) -> str:
        """What tells this content from another."""
        return f"{self.size} {self.etag}" if self.etag else self.sha256

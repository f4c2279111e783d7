"""A file that a day reads, told from any other at its path; manifests list it as it is here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from daeda.storage.state import FileState

# How manifests are read: a key that is not known, or a value of another type, is a mistake and never converted.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

Count = Annotated[int, Field(ge=0)]


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

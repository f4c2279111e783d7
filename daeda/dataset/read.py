"""Reading a published day so that it is one publication, whole, whatever is published meanwhile.

    with open_day(Path("output/ranking/skeleton/dt=2024-01-02")) as day:
        tables = [pq.read_table(file) for file in day.files]

The directory is opened once, and everything in it through that opening: a day that is replaced meanwhile is read to its
end as it was. Every part is compared with its digest in the manifest.

The parts are files of Arrow, not of Python: Arrow's threads let go of a file after the read of it has returned, and one
that has to wait for Python's lock to do so ends a process whose Python is ending by then (`std::terminate`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daeda.dataset.layout import MANIFEST_NAME
from daeda.dataset.manifest import Manifest, parse_manifest
from daeda.errors import InputError, refusal
from daeda.storage.regular import MOST_METADATA, regular_descriptor

if TYPE_CHECKING:
    import pyarrow as pa

# A day may be absent between two renames; on a busy machine that moment lasts.
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class OpenDay:
    """A day that is open for reading: its manifest, and its parts in the order of their rows, each at its beginning."""

    manifest: Manifest
    files: tuple[pa.NativeFile, ...]


@contextlib.contextmanager
def open_day(directory: Path) -> Iterator[OpenDay]:
    """Open a day on a local file system and verify its parts. Raises InputError when it is not there or not whole."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with contextlib.ExitStack() as stack:
            try:
                day = _open(directory, stack)
            except FileNotFoundError as error:
                # It is replaced or removed at this moment, or it is not there at all.
                if time.monotonic() > until:
                    raise InputError(f"{directory} is not a published day: build it, or correct the path") from error
            except OSError as error:
                raise InputError(f"{directory} cannot be read: {refusal(error)}") from error
            else:
                _verify(directory, day)
                yield day
                return
        time.sleep(_LOOK_SECONDS)


def _open(directory: Path, stack: contextlib.ExitStack) -> OpenDay:
    import pyarrow as pa

    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    stack.callback(os.close, descriptor)

    def opened(name: str) -> int:
        return regular_descriptor(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)

    def part(name: str) -> pa.NativeFile:
        opening = opened(name)
        try:
            # The file behind the descriptor, whatever is at its path by now.
            return stack.enter_context(pa.OSFile(f"/dev/fd/{opening}", mode="r"))
        finally:
            os.close(opening)

    with os.fdopen(opened(MANIFEST_NAME), "rb") as file:
        manifest = parse_manifest(file.read(MOST_METADATA), directory)
    return OpenDay(manifest, tuple(part(entry.name) for entry in manifest.parts))


def _verify(directory: Path, day: OpenDay) -> None:
    for part, file in zip(day.manifest.parts, day.files, strict=True):
        if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
            raise InputError(f"{directory / part.name} is not the file that was published: build the day again")
        file.seek(0)

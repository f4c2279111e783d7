"""Local copies of objects, made when they are read, in a directory that goes with the audit. Nothing is put or deleted.

An object is asked for at the version that was listed; what comes back otherwise, or not whole, is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from daeda.errors import InputError
from daeda.storage.client import StoredObject
from daeda.storage.objects import client

# What may lie in the directory at once, unless one object alone is larger.
MOST_BYTES = 2 << 30

RawFile = Path | StoredObject


@dataclass(frozen=True)
class Export:
    """A view of a database as a file, and what was read: database, table, and the number of a snapshot if it has one.

    For example `ducklake://lake.ducklake/prices@12`, `postgres://environment/shop.prices`.
    """

    path: Path
    reference: str


def table_of(reference: str) -> str:
    """What was read of a database, whatever its state.

    >>> table_of("ducklake://lake.ducklake/prices@12")
    'ducklake://lake.ducklake/prices'
    """
    return re.sub(r"@\d+$", "", reference)


def snapshot_of(reference: str) -> str:
    """The number of the snapshot that was read; empty where the database has none."""
    return reference.removeprefix(table_of(reference)).removeprefix("@")


class LocalCopies:
    """Copies of at most so many bytes together; what was not read for longest makes room."""

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._held: dict[StoredObject, Path] = {}
        self._made = 0

    def local(self, file: RawFile) -> Path:
        """The file itself, or the copy of an object, valid until the next one is asked for."""
        if isinstance(file, Path):
            return file
        path = self._held.pop(file, None) or self._fetch(file)
        # Behind all others: a dict keeps the order in which it was filled.
        self._held[file] = path
        return path

    def _fetch(self, file: StoredObject) -> Path:
        while self._held and sum(copied.size for copied in self._held) + file.size > self._most_bytes:
            self._held.pop(next(iter(self._held))).unlink()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._made += 1
        path = self._directory / f"{self._made}.parquet"
        fetch_listed(file, path)
        return path


def fetch_listed(file: StoredObject, target: Path) -> None:
    """Copy an object as it was listed; raises StorageError."""
    size, _ = client().fetch(file.path, target, file.etag)
    if size != file.size:
        raise InputError(f"{file.path}: {size} bytes arrived of {file.size}: run again")


def shown(file: RawFile) -> str:
    """A file in messages."""
    return str(file) if isinstance(file, Path) else str(file.path)

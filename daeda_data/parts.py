"""Parts: the Parquet files of published days, each opened as the file that it was when the days were looked at."""

from __future__ import annotations

import datetime as dt
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daeda.errors import ChangedMeanwhile, InputError
from daeda.storage.location import is_object, object_path

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from daeda.dataset.manifest import Manifest
    from daeda.storage.objects import ObjectFile


@dataclass(frozen=True)
class PartState:
    """What tells a file from another one at its path. A link to it or other permissions make no other file.

    Of an object the ETag does; `inode` and `mtime_ns` are those of a local file.
    """

    size: int
    mtime_ns: int = 0
    inode: int = 0
    etag: str = ""

    @classmethod
    def of(cls, status: os.stat_result) -> PartState:
        """The state that a local file has."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class DayPart:
    """One Parquet file of a published day, which holds `rows` consecutive rows of it.

    `number` counts from 0 within the day; `sha256` is the digest that the manifest has, so that the digests of all
    parts tell a set of days from any other. `path` is local or an address of object storage. Parts can be pickled.
    """

    day: dt.date
    number: int
    path: str
    rows: int
    sha256: str
    state: PartState

    def open(self) -> pa.NativeFile:
        """The file, open for reading from any position; close it, or use it in a `with`.

        Raises ChangedMeanwhile when another file is there by now, or none, and InputError when it may not be read.
        """
        import pyarrow as pa

        if is_object(self.path):
            from daeda.storage.arrow_files import arrow_file

            return arrow_file(self._object())
        try:
            # A FIFO would keep whoever opens it waiting.
            self._check(os.lstat(self.path))
            file = pa.OSFile(self.path, mode="r")
        except FileNotFoundError:
            raise self._changed() from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}): change its permissions") from error
        try:
            self._check(os.fstat(file.fileno()))
        except BaseException:
            file.close()
            raise
        return file

    def open_parquet(self) -> pq.ParquetFile:
        """The same as a Parquet file, whose footer tells its row groups; raises InputError besides where it is none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self.open()
        try:
            return pq.ParquetFile(file)
        except pa.ArrowException as error:
            file.close()
            raise InputError(f"{self.path} is no Parquet file ({error}): build the day again") from error

    def digest(self) -> str:
        """SHA-256 of what is there now, in hexadecimal; raises as `open` does."""
        import hashlib

        with self.open() as file:
            found = hashlib.sha256()
            while block := file.read(1 << 20):
                found.update(block)
        return found.hexdigest()

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode) or PartState.of(status) != self.state:
            raise self._changed()

    def _changed(self) -> ChangedMeanwhile:
        return ChangedMeanwhile(
            f"{self.path} is not the file any more that was there when {self.day} was looked at: the day was built "
            "again or removed meanwhile; open the dataset anew"
        )

    def _object(self) -> ObjectFile:
        from daeda.storage.client import StoredObject
        from daeda.storage.objects import ObjectFile, client

        stored = StoredObject(object_path(self.path), self.state.size, self.state.etag)
        return ObjectFile(client(), stored)


@dataclass(frozen=True)
class PublishedDay:
    """A day that is published: where, with which manifest, and its parts in the order of their rows."""

    day: dt.date
    directory: str
    manifest: Manifest
    parts: tuple[DayPart, ...]

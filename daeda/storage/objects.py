"""Objects as files, and the client of this process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

from daeda.errors import ChangedMeanwhile, InputError, StorageError
from daeda.storage.access import Access, find_access
from daeda.storage.client import RetryPolicy, S3Client, StoredObject
from daeda.storage.location import ObjectPath

RETRY_POLICY = RetryPolicy()


def limit_request_time(seconds: float) -> None:
    """How long a request of this process may take, all its attempts together: `timeouts.storage_seconds`."""
    global RETRY_POLICY
    if seconds != RETRY_POLICY.total:
        RETRY_POLICY = replace(RETRY_POLICY, total=seconds, timeout=min(RETRY_POLICY.timeout, seconds))
        _client_of.cache_clear()


def client() -> S3Client:
    """The client of this process, for the access that the environment gives now; raises InputError without any."""
    return _client_of(find_access())


@lru_cache(maxsize=4)
def _client_of(access: Access) -> S3Client:
    return S3Client(access, RETRY_POLICY)


@contextmanager
def before_the_first_day() -> Iterator[None]:
    """What object storage refuses while a run is checked is an InputError: nothing was written."""
    try:
        yield
    except StorageError as error:
        raise InputError(str(error)) from error


class ObjectFile(io.RawIOBase):
    """An object as a file that is read at any position; every read is of one version, or raises ChangedMeanwhile."""

    def __init__(self, client: S3Client, stored: StoredObject) -> None:
        self._client = client
        self._stored = stored
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Bytes from here on, fewer only at the end."""
        left = max(0, self._stored.size - self._position)
        count = left if size < 0 else min(size, left)
        if not count:
            return b""
        block = self._client.read_range(self._stored.path, self._position, count, self._stored.etag)
        self._position += len(block)
        return block


def present(path: ObjectPath) -> StoredObject:
    """The object as it is now; raises ChangedMeanwhile when it is gone."""
    stored = client().look(path)
    if stored is None:
        raise ChangedMeanwhile(f"{path} is gone: run again when it is complete")
    return stored

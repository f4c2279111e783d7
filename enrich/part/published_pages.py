"""The pages of vectors of a published part, read as they lie in its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from daeda.dataset.thrift import Struct, decode
from daeda.errors import DayError
from daeda.storage.regular import open_regular
from enrich.part.vector_parquet import PublishedPages

_MAGIC = b"PAR1"
# The length of the footer, and the magic.
_TAIL_BYTES = 8
# Bytes that are read at once.
_BLOCK = 4 << 20


class PublishedVectors:
    """A published enriched part, whose row groups are read one after another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_regular(path)
        size = self._file.seek(0, 2)
        self._file.seek(max(0, size - _TAIL_BYTES))
        tail = self._file.read(_TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        self._file.seek(max(0, size - _TAIL_BYTES - length))
        self._groups: list[Struct] = decode(self._file.read(length))[4][1].values

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def pages(self, group: int, rows: int, column: str) -> PublishedPages:
        """Those of a column in a row group, which has so many rows; DayError where the file is cut otherwise."""
        if group >= len(self._groups) or self._groups[group][3][1] != rows:
            raise DayError(f"{self._path} has other groups of rows: enrich the day anew with --no-extend")
        for chunk in self._groups[group][1][1].values:
            meta = chunk[3][1]
            if meta[3][1].values[0] == column.encode():
                return PublishedPages(self._blocks(meta[9][1], meta[7][1]), meta[5][1], meta[6][1])
        raise DayError(f"{self._path} has no column '{column}': enrich the day anew with --no-extend")

    def _blocks(self, start: int, size: int) -> Iterator[bytes]:
        self._file.seek(start)
        while size:
            block = self._file.read(min(size, _BLOCK))
            if not block:
                raise DayError(f"{self._path} ends in the middle of a page: enrich the day anew with --no-extend")
            size -= len(block)
            yield block

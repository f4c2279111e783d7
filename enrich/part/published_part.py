"""A published enriched part, whose chunks and pages of vectors are read as they lie in its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from daeda.dataset.thrift import Struct, decode
from daeda.errors import DayError
from daeda.storage.regular import open_regular

MAGIC = b"PAR1"
# The length of the footer, and the magic.
_TAIL_BYTES = 8
# Bytes that are read at once.
_BLOCK = 1 << 20
# Of an element of the schema, its name.
_NAME = 4


@dataclass(frozen=True)
class PublishedPages:
    """The pages of a column of vectors in one row group of a published file: their bytes, and what its footer says."""

    blocks: Iterator[bytes]
    values: int
    plain_bytes: int


class PublishedPart:
    """The file, whose row groups are read one after another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_regular(path)
        size = self._file.seek(0, 2)
        self._file.seek(max(0, size - _TAIL_BYTES))
        length = int.from_bytes(self._file.read(_TAIL_BYTES)[:4], "little")
        self._file.seek(max(0, size - _TAIL_BYTES - length))
        self._footer = footer_of(self._file.read(length + _TAIL_BYTES))
        self._groups: list[Struct] = self._footer[4][1].values

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_alike(self, column: str, footer: Struct, name: str) -> bool:
        """Whether a column is of the type of `name` in a footer of the same software."""
        there, here = (_elements(one).get(of) for one, of in ((self._footer, column), (footer, name)))
        return there is not None and there == here and self._footer.get(6) == footer.get(6)

    def chunks(self, group: int, rows: int, column: str) -> list[Struct]:
        """What the footer says of a column in a row group, which has so many rows, for each of its leaves.

        DayError where the file is cut otherwise.
        """
        if group >= len(self._groups) or self._groups[group][3][1] != rows:
            raise DayError(f"{self._path} has other groups of rows: enrich the day anew with --no-extend")
        chunks = [one for one in self._groups[group][1][1].values if one[3][1][3][1].values[0] == column.encode()]
        if not chunks:
            raise DayError(f"{self._path} has no column '{column}': enrich the day anew with --no-extend")
        return chunks

    def pages(self, group: int, rows: int, column: str) -> PublishedPages:
        """The pages of a column of vectors in a row group; DayError as above."""
        (chunk,) = self.chunks(group, rows, column)
        meta = chunk[3][1]
        return PublishedPages(self.blocks(meta[9][1], meta[7][1]), meta[5][1], meta[6][1])

    def blocks(self, start: int, size: int) -> Iterator[bytes]:
        """So many bytes of the file."""
        self._file.seek(start)
        while size:
            block = self._file.read(min(size, _BLOCK))
            if not block:
                raise DayError(f"{self._path} ends in the middle of a page: enrich the day anew with --no-extend")
            size -= len(block)
            yield block


def footer_of(text: bytes | memoryview) -> Struct:
    """The footer that these bytes of a file end with."""
    length = int.from_bytes(text[-_TAIL_BYTES:][:4], "little")
    return decode(bytes(text[-_TAIL_BYTES - length : -_TAIL_BYTES]))


def _elements(footer: Struct) -> dict[str, list[Struct]]:
    """The elements of the schema of each column, without the name of its first one."""
    _, *elements = footer[2][1].values
    columns: dict[str, list[Struct]] = {}
    left = 0
    for element in elements:
        if not left:
            head = {key: value for key, value in element.items() if key != _NAME}
            of_column = columns.setdefault(element[_NAME][1].decode(), [])
            of_column.append(head)
            left = 1
        else:
            of_column.append(element)
        left += element[5][1] - 1 if 5 in element else -1
    return columns

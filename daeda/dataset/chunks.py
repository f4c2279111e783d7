"""Columns and groups of several Parquet files of one writer, put in one file as that writer would have written it.

Files whose columns stand side by side have the same rows in the same groups; those whose groups follow one another have
the same columns. A chunk of a column, which depends on nothing but its values, is copied as it is; the footer gets the
schema of the columns, and the positions that their chunks have now:

    PAR1 | group 0: a b | group 1: a b | filters of a b a b | footer

A file that has anything in its footer which is not known here raises NotOfOneWriter, and nothing is lost: whoever asked
writes the columns anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daeda.dataset.thrift import I32, I64, LIST, STRUCT, Items, Struct, decode, encode
from daeda.storage.regular import open_regular

_MAGIC = b"PAR1"
# The length of the footer, and the magic.
_TAIL_BYTES = 8
# Bytes that are copied at once.
_BLOCK = 1 << 20

# The fields of parquet.thrift that DuckDB writes.
_VERSION, _SCHEMA, _ROWS, _GROUPS, _CREATED_BY, _ORDERS = 1, 2, 3, 4, 6, 7
_CHUNKS, _PLAIN_BYTES, _GROUP_ROWS, _GROUP_START, _PACKED_BYTES = 1, 2, 3, 5, 6
_META, _NAME, _CHILDREN, _PATH = 3, 4, 5, 3
_CHUNK_PLAIN, _CHUNK_PACKED, _DATA_PAGE, _DICTIONARY_PAGE, _FILTER, _FILTER_BYTES = 6, 7, 9, 11, 14, 15
_KNOWN = {
    "footer": {_VERSION, _SCHEMA, _ROWS, _GROUPS, _CREATED_BY, _ORDERS},
    "group": {_CHUNKS, _PLAIN_BYTES, _GROUP_ROWS, _GROUP_START, _PACKED_BYTES},
    "chunk": {2, _META},
    "meta": {1, 2, _PATH, 4, 5, _CHUNK_PLAIN, _CHUNK_PACKED, _DATA_PAGE, _DICTIONARY_PAGE, 12, _FILTER, _FILTER_BYTES},
}


class NotOfOneWriter(Exception):
    """Files whose chunks cannot be put side by side."""


@dataclass(frozen=True)
class TakenColumn:
    """A column of the new file, and where it is taken from."""

    name: str
    path: Path
    name_there: str


def write_side_by_side(target: Path, columns: Sequence[TakenColumn]) -> str:
    """Write a file of these columns, in this order; returns its SHA-256. Raises NotOfOneWriter, OSError, NotRegular."""
    with ExitStack() as stack:
        files = {
            path: stack.enter_context(closing(_File(path))) for path in dict.fromkeys(column.path for column in columns)
        }
        first, *others = files.values()
        if any(other.shape != first.shape for other in others):
            raise NotOfOneWriter("they have other rows, or were written by another version")
        taken = [(one.name, files[one.path].column(one.name_there), files[one.path]) for one in columns]
        with target.open("xb") as file:
            out = _Digested(file)
            _write(out, first.footer, [(first.groups, taken)])
            return out.digest


def write_one_behind_the_other(target: Path, paths: Sequence[Path]) -> str:
    """Write a file of the groups of these, at least one; returns its SHA-256. Raises what `write_side_by_side` does."""
    with ExitStack() as stack:
        first, *others = files = [stack.enter_context(closing(_File(path))) for path in paths]
        if any(other.columns != first.columns or other.footer[_SCHEMA] != first.footer[_SCHEMA] for other in others):
            raise NotOfOneWriter("they have other columns")
        if any(other.writer != first.writer for other in others):
            raise NotOfOneWriter("they were written by another version")
        slabs = [(file.groups, [(name, column, file) for name, column in file.columns.items()]) for file in files]
        with target.open("xb") as file:
            out = _Digested(file)
            _write(out, {**first.footer, _ROWS: (I64, sum(each.footer[_ROWS][1] for each in files))}, slabs)
            return out.digest


def is_understood(path: Path) -> bool:
    """Whether the chunks of a file can be put beside those of another one."""
    try:
        _File(path).close()
    except NotOfOneWriter:
        return False
    return True


class _Digested:
    """A file that is written from its begin to its end, and digested on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._at = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._at += len(data)


@dataclass(frozen=True)
class _Column:
    """The elements of the schema of a column, itself first, and the places of its leaves among all leaves."""

    elements: list[Struct]
    leaves: range


class _File:
    """A file that is read: its footer, and its columns by name."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._file = open_regular(path)
        try:
            self.footer = self._read_footer()
            self.columns = self._split_schema()
        except (ValueError, IndexError, KeyError) as error:
            self._file.close()
            raise NotOfOneWriter(f"{path.name} has a footer that is not understood") from error
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    @property
    def groups(self) -> list[Struct]:
        groups: list[Struct] = self.footer[_GROUPS][1].values
        return groups

    @property
    def shape(self) -> tuple[object, ...]:
        """What is the same in files that can stand side by side."""
        return (self.writer, self.footer[_ROWS], [group[_GROUP_ROWS] for group in self.groups])

    @property
    def writer(self) -> Struct:
        """What a footer says of who wrote the file."""
        return {key: self.footer[key] for key in (_VERSION, _CREATED_BY) if key in self.footer}

    def column(self, name: str) -> _Column:
        if name not in self.columns:
            raise NotOfOneWriter(f"{self.name} has no column '{name}'")
        return self.columns[name]

    def chunk(self, group: int, leaf: int) -> Struct:
        chunk: Struct = self.groups[group][_CHUNKS][1].values[leaf]
        return chunk

    def copy(self, out: _Digested, start: int, size: int) -> None:
        self._file.seek(start)
        while size:
            block = self._file.read(min(size, _BLOCK))
            if not block:
                raise NotOfOneWriter(f"{self.name} ends in the middle of a chunk")
            out.write(block)
            size -= len(block)

    def _read_footer(self) -> Struct:
        size = self._file.seek(0, 2)
        self._file.seek(max(0, size - _TAIL_BYTES))
        tail = self._file.read(_TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - _TAIL_BYTES - len(_MAGIC):
            raise ValueError("no footer")
        self._file.seek(size - _TAIL_BYTES - length)
        text = self._file.read(length)
        footer = decode(text)
        if encode(footer) != text:
            raise ValueError("the footer is not encoded as here")
        _check(footer)
        return footer

    def _split_schema(self) -> dict[str, _Column]:
        root, *elements = self.footer[_SCHEMA][1].values
        columns: dict[str, _Column] = {}
        at, leaf = 0, 0
        for _ in range(root[_CHILDREN][1]):
            end = _end_of(elements, at)
            chosen = elements[at:end]
            leaves = sum(_CHILDREN not in element for element in chosen)
            columns[chosen[0][_NAME][1].decode()] = _Column(chosen, range(leaf, leaf + leaves))
            at, leaf = end, leaf + leaves
        if at != len(elements):
            raise ValueError("the schema has more elements than columns")
        return columns


# The name that a column gets, the column, and the file that has it.
_Taken = Sequence[tuple[str, _Column, _File]]


def _check(footer: Struct) -> None:
    """Raise ValueError for what this module would not carry over."""
    found: list[tuple[str, Struct]] = [("footer", footer)]
    for group in footer[_GROUPS][1].values:
        found.append(("group", group))
        for chunk in group[_CHUNKS][1].values:
            found += [("chunk", chunk), ("meta", chunk[_META][1])]
    for what, struct in found:
        if not set(struct) <= _KNOWN[what]:
            raise ValueError(f"a {what} has fields that are not known")
    orders = footer[_ORDERS][1].values
    if any(order != orders[0] for order in orders):
        raise ValueError("columns have orders of their own")


def _end_of(elements: Sequence[Struct], at: int) -> int:
    """Where the elements of a column end that begin at `at`."""
    end = at + 1
    for _ in range(elements[at].get(_CHILDREN, (I32, 0))[1]):
        end = _end_of(elements, end)
    return end


def _write(out: _Digested, model: Struct, slabs: Sequence[tuple[list[Struct], _Taken]]) -> None:
    """Write groups and the columns of each: those of one slab come from the same files."""
    out.write(_MAGIC)
    groups: list[Struct] = []
    filters: list[tuple[Struct, _File]] = []
    for there, columns in slabs:
        for number, group in enumerate(there):
            start, chunks = out.tell(), []
            for name, column, file in columns:
                for leaf in column.leaves:
                    chunk, meta = _copied(out, file.chunk(number, leaf), file)
                    meta[_PATH] = _renamed(meta[_PATH], name)
                    if _FILTER in meta:
                        filters.append((meta, file))
                    chunks.append(chunk)
            metas = [chunk[_META][1] for chunk in chunks]
            groups.append({
                **group,
                _CHUNKS: (LIST, Items(STRUCT, chunks)),
                _PLAIN_BYTES: (I64, sum(meta[_CHUNK_PLAIN][1] for meta in metas)),
                _GROUP_START: (I64, start),
                _PACKED_BYTES: (I64, sum(meta[_CHUNK_PACKED][1] for meta in metas)),
            })  # fmt: skip
    _, columns = slabs[0]
    for meta, file in filters:
        start = out.tell()
        file.copy(out, meta[_FILTER][1], meta[_FILTER_BYTES][1])
        meta[_FILTER] = (I64, start)
    orders = [model[_ORDERS][1].values[0] for _, column, _ in columns for _ in column.leaves]
    footer = encode({
        **model,
        _SCHEMA: (LIST, Items(STRUCT, _schema(model, columns))),
        _GROUPS: (LIST, Items(STRUCT, groups)),
        _ORDERS: (LIST, Items(STRUCT, orders)),
    })  # fmt: skip
    out.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def _schema(model: Struct, columns: _Taken) -> list[Struct]:
    root = {**model[_SCHEMA][1].values[0], _CHILDREN: (I32, len(columns))}
    elements = [root]
    for name, column, _ in columns:
        head, *rest = column.elements
        kind = head[_NAME][0]
        elements += [{**head, _NAME: (kind, name.encode())}, *rest]
    return elements


def _copied(out: _Digested, chunk: Struct, file: _File) -> tuple[Struct, Struct]:
    """The chunk and its description behind what is written, with its pages copied there."""
    meta: Struct = dict(chunk[_META][1])
    begins = min(meta[field][1] for field in (_DATA_PAGE, _DICTIONARY_PAGE) if field in meta)
    moved = out.tell() - begins
    file.copy(out, begins, meta[_CHUNK_PACKED][1])
    for field in (_DATA_PAGE, _DICTIONARY_PAGE):
        if field in meta:
            meta[field] = (I64, meta[field][1] + moved)
    return {**chunk, _META: (STRUCT, meta)}, meta


def _renamed(path: tuple[int, Items], name: str) -> tuple[int, Items]:
    kind, items = path
    return kind, Items(items.kind, [name.encode(), *items.values[1:]])

"""Lists of numbers, vectors among them, from the pages of a Parquet file, which pyarrow takes apart item by item.

pyarrow makes two levels of two bytes for each item, looks at each of them, and copies float16 through a pointer. Here
machine code finds out of levels where rows begin, and values are copied as they lie, or looked up in their dictionary:

    levels of repetition  0 1 1 0 0 1      rows begin at 0, 3 and 4, and have 3, 1 and 2 levels
    levels of definition  3 3 3 0 3 3      the second row is NULL; the others have values alone

Only what is exactly as expected is read so: columns and pages as daeda, pyarrow and DuckDB write them, each count and
length of which is what the others say. For all else there is no answer, and pyarrow reads the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.thrift import FALSE, I32, STRUCT, TRUE, Struct, decode_at
from daeda_data.loader.memory import Memory
from daeda_data.loader.run_kernel import MOST_BITS, NULL, SLACK, VALUE, Bytes, Kernel, Rows

# Types of items whose values in Parquet are their memory, and the name of that type in Parquet.
_ITEMS: Mapping[pa.DataType, tuple[str, np.dtype[Any]]] = {
    pa.int32(): ("INT32", np.dtype(np.int32)),
    pa.int64(): ("INT64", np.dtype(np.int64)),
    pa.float16(): ("FIXED_LEN_BYTE_ARRAY", np.dtype(np.float16)),
    pa.float32(): ("FLOAT", np.dtype(np.float32)),
    pa.float64(): ("DOUBLE", np.dtype(np.float64)),
}
# Codecs whose pages can be known to be exactly as long as their headers say. The pages of an older LZ4, which has the
# same name here, are none of this one.
_LZ4 = "lz4_raw"
_CODECS: Mapping[str, str | None] = {"UNCOMPRESSED": None, "ZSTD": "zstd", "LZ4": _LZ4}
# Numbers of parquet.thrift.
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
_PLAIN, _PLAIN_DICTIONARY, _RLE, _RLE_DICTIONARY = 0, 2, 3, 8
# No header of a page of numbers is longer, however long its statistics are.
_HEADER_BYTES = 1 << 14
_ABSENT: tuple[int, Any] = (0, None)
# Offsets of lists are int32.
_MOST_VALUES = (1 << 31) - 1


@dataclass(frozen=True)
class Lists:
    """A list column of a file: the number of its leaf, and its type."""

    leaf: int
    kind: pa.DataType


@dataclass(frozen=True)
class Chunk:
    """Such a column in a row group: where its pages lie in the file, and what the footer says of them."""

    kind: pa.DataType
    start: int
    size: int
    rows: int
    levels: int
    plain_size: int
    codec: str | None


class Room:
    """Memory for bytes that nobody needs once a column is read, and that the next column has. For one thread.

    Fresh memory costs as much as what is done with it: the system clears each page.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Bytes] = {}

    def of(self, use: str, size: int) -> Bytes:
        """So many bytes, with anything in them, for one use; those that were given for it before are the same ones."""
        kept = self._kept.get(use)
        if kept is None or len(kept) < size:
            # Row groups differ by little.
            kept = self._kept[use] = np.empty(size + size // 8, np.uint8)
        return kept[:size]


class _AnotherForm(Exception):
    """Pages are not what is expected."""


def list_columns(file: pq.ParquetFile, names: Iterable[str]) -> dict[str, Lists]:
    """Those of the columns that are lists of numbers, each item of which may be NULL, as everybody writes them."""
    paths = [file.schema.column(number).path for number in range(len(file.schema.names))]
    schema = file.schema_arrow
    found = {}
    for name in names:
        kind = schema.field(name).type
        if not pa.types.is_list(kind) or kind.value_type not in _ITEMS:
            continue
        leaves = [number for number, path in enumerate(paths) if path.startswith(f"{name}.")]
        if len(leaves) != 1 or paths[leaves[0]].removeprefix(f"{name}.").count(".") != 1:
            continue
        leaf = file.schema.column(leaves[0])
        physical, item = _ITEMS[kind.value_type]
        if leaf.physical_type != physical or (leaf.max_repetition_level, leaf.max_definition_level) != (1, VALUE):
            continue
        if kind.value_type == pa.float16() and leaf.length != item.itemsize:
            continue
        found[name] = Lists(leaves[0], kind)
    return found


def chunk_of(file: pq.ParquetFile, group: int, column: Lists) -> Chunk | None:
    """The column in a row group; None where its pages have another form."""
    footer = file.metadata.row_group(group)
    leaf = footer.column(column.leaf)
    if leaf.compression not in _CODECS or leaf.num_values > _MOST_VALUES:
        return None
    start = leaf.data_page_offset
    if leaf.has_dictionary_page and 0 < leaf.dictionary_page_offset < start:
        start = leaf.dictionary_page_offset
    # A row has a level at least.
    if start <= 0 or leaf.total_compressed_size <= 0 or not 0 < footer.num_rows <= leaf.num_values:
        return None
    return Chunk(
        column.kind, start, leaf.total_compressed_size, footer.num_rows, leaf.num_values, leaf.total_uncompressed_size,
        _CODECS[leaf.compression],
    )  # fmt: skip


def read_lists(pages: Bytes, chunk: Chunk, kernel: Kernel, room: Room, memory: Memory) -> pa.ListArray | None:
    """The column, from the `chunk.size` bytes of its pages; None where they have another form.

    Its items lie in `memory`; nothing of the answer is in those bytes or in the room.
    """
    try:
        return _Reading(pages, chunk, kernel, room, memory, Rows.of(chunk.rows)).lists()
    except _AnotherForm:
        return None


@dataclass(frozen=True)
class _Codec:
    """How pages are compressed, and how many bytes they have at most otherwise."""

    name: str | None
    most: int
    kernel: Kernel

    def plain(self, body: Bytes, size: int) -> Bytes:
        """Bytes as they were before they were compressed, exactly so many."""
        _expect(size <= self.most)
        if self.name is None or not len(body):
            _expect(len(body) == size)
            return body
        if self.name == _LZ4:
            # Its decoder tells nobody where it stops. A block begins with literals, and an older frame with zeros.
            _expect(self.kernel.lz4_size(body) == size and (body[0] >> 4 > 0 or not size))
        try:
            return np.frombuffer(pa.Codec(self.name).decompress(pa.py_buffer(body), size), np.uint8)
        except (OSError, pa.ArrowException):
            raise _AnotherForm from None


@dataclass(frozen=True)
class _Page:
    """A page of data: its levels of both kinds, and its values, each by the bytes that hold it."""

    count: int
    encoding: int
    repetitions: Bytes
    definitions: Bytes
    values: Bytes
    rows: int | None = None
    nulls: int | None = None


@dataclass
class _Reading:
    """What was read of a chunk so far."""

    pages: Bytes
    chunk: Chunk
    kernel: Kernel
    room: Room
    memory: Memory
    rows: Rows
    dictionary: npt.NDArray[Any] | None = None

    def lists(self) -> pa.ListArray:
        """All pages, one after another."""
        item = _ITEMS[self.chunk.kind.value_type][1]
        values = self.memory.array((self.chunk.levels,), item)
        codec = _Codec(self.chunk.codec, self.chunk.plain_size, self.kernel)
        read, at = self.pages.data, 0
        while self.rows.levels < self.chunk.levels:
            header, behind = _header(read[at : min(at + _HEADER_BYTES, self.chunk.size)])
            at += behind
            size = _number(header, 3)
            _expect(size <= self.chunk.size - at)
            body = self.pages[at : at + size]
            at += size
            match _number(header, 1):
                case kind if kind == _DICTIONARY_PAGE:
                    _expect(self.dictionary is None and not self.rows.levels)
                    self.dictionary = _dictionary(header, body, codec, item)
                case kind if kind == _DATA_PAGE:
                    self._add(_page(header, body, codec), values)
                case kind if kind == _DATA_PAGE_V2:
                    self._add(_page_v2(header, body, codec), values)
                case _:
                    raise _AnotherForm
        _expect(self.rows.levels == self.chunk.levels and at == self.chunk.size)
        return self._array(values)

    def _add(self, page: _Page, values: npt.NDArray[Any]) -> None:
        """The levels of a page, and its values behind those of the pages before it."""
        rows = self.rows
        _expect(page.count <= self.chunk.levels - rows.levels)
        count, present = rows.count, rows.values
        repetitions = self._with_slack("repetitions", page.repetitions)
        definitions = self._with_slack("definitions", page.definitions)
        _expect(self.kernel.levels(repetitions, definitions, page.count, rows))
        nulls = page.count - (rows.values - present)
        _expect(page.rows is None or (page.rows == rows.count - count and page.nulls == nulls))
        self._values(page, values[present : rows.values])

    def _values(self, page: _Page, into: npt.NDArray[Any]) -> None:
        if not len(into):
            # What stands in place of no value, nobody reads.
            return
        if page.encoding == _PLAIN:
            _expect(len(page.values) == into.nbytes)
            into.view(np.uint8)[:] = page.values
            return
        _expect(page.encoding in (_PLAIN_DICTIONARY, _RLE_DICTIONARY) and self.dictionary is not None)
        assert self.dictionary is not None
        _expect(len(page.values) > 0 and page.values[0] <= MOST_BITS)
        runs = page.values[1:]
        places = self._with_slack("places", runs)
        _expect(self.kernel.values(places, len(runs), int(page.values[0]), self.dictionary, into))

    def _with_slack(self, use: str, runs: Bytes) -> Bytes:
        room = self.room.of(use, len(runs) + SLACK)
        room[: len(runs)] = runs
        return room

    def _array(self, values: npt.NDArray[Any]) -> pa.ListArray:
        """The lists that levels tell of: a row has as many levels as it has items, or one."""
        rows, starts, firsts = self.rows, self.rows.starts, self.rows.firsts
        _expect(rows.count == self.chunk.rows and rows.count > 0 and starts[0] == 0)
        offsets = np.append(starts, np.int32(rows.levels))
        has_no_items = firsts != VALUE
        nulls = 0
        if has_no_items.any():
            _expect(bool((np.diff(offsets)[has_no_items] == 1).all()))
            offsets[1:] -= np.cumsum(has_no_items, dtype=np.int32)
            there = firsts != NULL
            nulls = rows.count - int(np.count_nonzero(there))
        # So each level of a row that begins with a value is that of a value.
        _expect(int(offsets[-1]) == rows.values)
        kind = self.chunk.kind
        items = pa.Array.from_buffers(kind.value_type, rows.values, [None, pa.py_buffer(values)], 0)
        validity = pa.py_buffer(np.packbits(there, bitorder="little")) if nulls else None
        return pa.Array.from_buffers(kind, rows.count, [validity, pa.py_buffer(offsets)], nulls, children=[items])


def _page(header: Struct, body: Bytes, codec: _Codec) -> _Page:
    """A page in which all is compressed together: levels of both kinds, each behind its length, then values."""
    about = _struct(header, 5)
    _expect(_number(about, 3) == _RLE and _number(about, 4) == _RLE)
    plain = codec.plain(body, _number(header, 2))
    levels = []
    for _ in range(2):
        _expect(len(plain) >= 4)
        size = int.from_bytes(plain[:4], "little")
        _expect(size <= len(plain) - 4)
        levels.append(plain[4 : 4 + size])
        plain = plain[4 + size :]
    return _Page(_number(about, 1), _number(about, 2), levels[0], levels[1], plain)


def _page_v2(header: Struct, body: Bytes, codec: _Codec) -> _Page:
    """A page of version 2, in which values alone may be compressed; it has whole rows."""
    about = _struct(header, 8)
    definitions, repetitions = _number(about, 5, len(body)), _number(about, 6, len(body))
    levels = definitions + repetitions
    _expect(levels <= len(body))
    is_packed = about.get(7, (TRUE, True))
    _expect(is_packed[0] in (TRUE, FALSE))
    size = _number(header, 2) - levels
    _expect(size >= 0)
    packed = body[levels:]
    if is_packed[1]:
        values = codec.plain(packed, size)
    else:
        _expect(len(packed) == size)
        values = packed
    return _Page(
        _number(about, 1), _number(about, 4), body[:repetitions], body[repetitions:levels], values,
        _number(about, 3), _number(about, 2),
    )  # fmt: skip


def _dictionary(header: Struct, body: Bytes, codec: _Codec, item: np.dtype[Any]) -> npt.NDArray[Any]:
    about = _struct(header, 7)
    _expect(_number(about, 2) in (_PLAIN, _PLAIN_DICTIONARY))
    plain = codec.plain(body, _number(header, 2))
    _expect(len(plain) == _number(about, 1) * item.itemsize)
    # They begin anywhere; the kernel does not mind.
    return plain.view(item)


def _header(data: memoryview) -> tuple[Struct, int]:
    try:
        return decode_at(data, 0)
    except (IndexError, ValueError, RecursionError):
        raise _AnotherForm from None


def _number(struct: Struct, number: int, most: int = _MOST_VALUES) -> int:
    kind, value = struct.get(number, _ABSENT)
    _expect(kind == I32 and 0 <= value <= most)
    return int(value)


def _struct(struct: Struct, number: int) -> Struct:
    kind, value = struct.get(number, _ABSENT)
    _expect(kind == STRUCT)
    found: Struct = value
    return found


def _expect(holds: bool) -> None:
    if not holds:
        raise _AnotherForm

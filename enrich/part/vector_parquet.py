"""A Parquet file whose columns of vectors are written as they lie in memory; pyarrow writes all the others.

pyarrow takes each float16 of a list by itself: it makes two levels of two bytes for it, which it then packs, and copies
it through a pointer. But all vectors of a column have one dimension, so the levels of a row are a few bytes, and the
values of a page are the vectors themselves. For each row group

    pyarrow writes its columns, those of vectors all NULL   ->   a page after another of each column of vectors

and in the end pyarrow's footer gets the positions of the pages. Any reader of Parquet finds a column `list<float16>` in
pages of version 2; what pyarrow wrote for its NULLs, some 50 bytes for a column and row group, nobody reads. The
statistics of other columns of floating point are written into the footer too: pyarrow's hide a NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.thrift import FALSE, I32, I64, LIST, STRUCT, TRUE, Items, Struct, decode, encode, varint
from enrich.part.float_statistics import FloatStatistics, float_leaves, float_statistics
from enrich.part.pooling import DTYPES, Element
from enrich.part.published_part import PublishedPages

EMBEDDING = pa.list_(pa.float16())
# The type of a column of vectors, by that of its elements.
VECTORS: Mapping[Element, pa.DataType] = {"halffloat": EMBEDDING, "float": pa.list_(pa.float32())}
# Bytes of vectors in a page: it stays in a core's second-level cache from the mean to the disk.
PAGE_BYTES = 1024**2
# What passes through from the skeleton is small beside the vectors.
ZSTD_LEVEL = 1

_MAGIC = b"PAR1"
# The length of the footer, and the magic.
_TAIL_BYTES = 8
# Numbers of parquet.thrift.
_DATA_PAGE_V2, _PLAIN, _RLE = 3, 0, 3
# The definition level of a value; that of a NULL list is 0.
_PRESENT = 3
# Values in a byte of levels of one bit.
_BITS = 8


def rows_per_page(dimension: int, element: Element = "halffloat") -> int:
    """Rows of a page of vectors."""
    return max(1, PAGE_BYTES // (DTYPES[element].itemsize * dimension))


@dataclass
class _Chunk:
    """The pages of one column in one row group: where they begin, and what the footer says of them."""

    start: int
    values: int = 0
    plain_bytes: int = 0
    written_bytes: int = 0


class VectorFile:
    """The file being written; `dimensions` names its columns of vectors.

    A row group is `write_rows`, then for each column of vectors its pages from the first to the last. The bytes depend
    on the rows and on the cut into pages. `sha256` and `size` are those of what was written so far.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema, dimensions: Mapping[str, int]) -> None:
        self._dimensions = dimensions
        self._output = DigestedFile(file)
        self._codec = pa.Codec("lz4_raw")
        self._writer = pq.ParquetWriter(self._output, schema, **parquet_options(schema, tuple(dimensions)))
        self._groups: list[dict[str, _Chunk]] = []
        self._floats: list[dict[int, FloatStatistics]] = []

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._output.size

    @property
    def sha256(self) -> str:
        """Digest of the bytes written, in hexadecimal."""
        return self._output.sha256

    def write_rows(self, rows: pa.Table) -> None:
        """Begin a row group: all columns, those of vectors without any value, in one chunk each."""
        self._writer.write_table(rows, row_group_size=rows.num_rows)
        self._groups.append({})
        self._floats.append(float_statistics(rows))

    def write_page(self, name: str, vectors: pa.ListArray) -> None:
        """The next rows of a column of vectors in the row group: at least one, each NULL or a whole vector."""
        chunk = self._groups[-1].setdefault(name, _Chunk(self.size))
        dimension, width = self._dimensions[name], vectors.type.value_type.bit_width // 8
        present = vectors.is_valid().to_numpy(zero_copy_only=False)
        values = vectors.values.buffers()[1]
        count = int(np.count_nonzero(present))
        assert len(vectors.values) == count * dimension
        repetitions, definitions = _levels(present, dimension)
        plain = memoryview(values)[: count * dimension * width] if count else memoryview(b"")
        packed = self._codec.compress(plain)
        smaller = packed.size < len(plain)
        # A view of it would be as long as the room that was made for it.
        kept = memoryview(packed)[: packed.size] if smaller else plain
        levels = len(repetitions) + len(definitions)
        rows = len(vectors)
        total = count * dimension + rows - count
        page: Struct = {
            1: (I32, total),
            2: (I32, rows - count),
            3: (I32, rows),
            4: (I32, _PLAIN),
            5: (I32, len(definitions)),
            6: (I32, len(repetitions)),
            7: (TRUE if smaller else FALSE, smaller),
        }
        sizes: Struct = {1: (I32, _DATA_PAGE_V2), 2: (I32, levels + len(plain)), 3: (I32, levels + len(kept))}
        head = encode({**sizes, 8: (STRUCT, page)}) + repetitions + definitions
        self._output.write(head)
        self._output.write(kept)
        chunk.values += total
        chunk.plain_bytes += len(head) + len(plain)
        chunk.written_bytes += len(head) + len(kept)

    def copy_pages(self, name: str, pages: PublishedPages) -> None:
        """All rows of a column of vectors in the row group, by the pages that another file has of them."""
        chunk = self._groups[-1][name] = _Chunk(self.size, pages.values, pages.plain_bytes)
        for block in pages.blocks:
            self._output.write(block)
        chunk.written_bytes = self.size - chunk.start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the footer; of a file that failed pyarrow's writer is closed alone."""
        self._output.kept = bytearray()
        self._writer.close()
        footer, self._output.kept = bytes(self._output.kept), None
        if error is not None:
            return
        assert footer.endswith(_MAGIC)
        changed = encode(self._with_vectors(decode(footer[:-_TAIL_BYTES])))
        self._output.write(changed + len(changed).to_bytes(4, "little") + _MAGIC)

    def _with_vectors(self, footer: Struct) -> Struct:
        """pyarrow's footer with the positions that its offsets have in this file."""
        if not self._groups:
            return footer
        moved = 0
        for group, chunks, floats in zip(footer[4][1].values, self._groups, self._floats, strict=True):
            _move(group, moved, (5,))
            for number, column in enumerate(group[1][1].values):
                meta = column[3][1]
                chunk = chunks.get(meta[3][1].values[0].decode())
                _move(column, moved, (2,))
                _move(meta, moved, (9, 10, 11, 14))
                if chunk is None and number in floats:
                    meta[12] = (STRUCT, floats[number].statistics)
                if chunk is not None:
                    _grow(group, chunk.plain_bytes - meta[6][1], chunk.written_bytes - meta[7][1])
                    describe_pages(meta, chunk.start, chunk.values, chunk.plain_bytes, chunk.written_bytes)
            moved += sum(chunk.written_bytes for chunk in chunks.values())
        return footer


class DigestedFile:
    """A file as pyarrow writes to it, digested on the way. What is written while `kept` is set goes there instead."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.kept: bytearray | None = None

    @property
    def sha256(self) -> str:
        """Digest of the bytes written, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Put bytes behind what is written."""
        if self.kept is not None:
            self.kept += data
            return len(data)
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self.size

    def flush(self) -> None:
        """Give what is written to the system."""
        self._file.flush()

    def close(self) -> None:
        """The file is closed by who opened it."""


def _levels(present: npt.NDArray[np.bool_], dimension: int) -> tuple[bytes, bytes]:
    """Repetition and definition levels of a page, in runs: (number << 1), value.

    Of two vectors of dimension 1152 and a NULL, the levels 0 1 1 ... 0 1 1 ... 0 and 3 3 3 ... 3 3 3 ... 0:

        1 x 0, 1151 x 1, 1 x 0, 1151 x 1, 1 x 0      and      2304 x 3, 1 x 0
    """
    row = _run(1, 0) + (_run(dimension - 1, 1) if dimension > 1 else b"")
    bits = dimension % _BITS == 0 and dimension // _BITS < len(row)
    repetitions, definitions = bytearray(), bytearray()
    edges = np.flatnonzero(np.diff(present.view(np.int8), prepend=-1, append=-1))
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        count = end - start
        if not present[start]:
            repetitions += _run(count, 0)
            definitions += _run(count, 0)
            continue
        definitions += _run(count * dimension, _PRESENT)
        if bits:
            # A bit for each value, eight of them at a time: shorter than two runs for vectors this small.
            groups = dimension // _BITS
            repetitions += varint(count * groups << 1 | 1) + (b"\xfe" + b"\xff" * (groups - 1)) * count
        else:
            repetitions += row * count
    return bytes(repetitions), bytes(definitions)


def _run(count: int, level: int) -> bytes:
    return varint(count << 1) + bytes([level])


def _move(struct: Struct, by: int, fields: tuple[int, ...]) -> None:
    """Add to the offsets that are given; 0 is none."""
    for field in fields:
        if field in struct and struct[field][1]:
            kind, offset = struct[field]
            struct[field] = (kind, offset + by)


def _grow(group: Struct, plain: int, written: int) -> None:
    """Count what a row group has more than pyarrow knew."""
    for field, by in ((2, plain), (6, written)):
        kind, size = group[field]
        group[field] = (kind, size + by)


def describe_pages(meta: Struct, start: int, values: int, plain_bytes: int, written_bytes: int) -> None:
    """Say of a column of vectors where its pages are and what is in them."""
    # Statistics, encodings by page and histograms of levels are those of pyarrow's NULLs.
    for field in (10, 11, 12, 13, 16):
        meta.pop(field, None)
    meta[2] = (LIST, Items(I32, [_PLAIN, _RLE]))
    meta[5] = (I64, values)
    meta[6] = (I64, plain_bytes)
    meta[7] = (I64, written_bytes)
    meta[9] = (I64, start)


def parquet_options(schema: pa.Schema, embeddings: Iterable[str]) -> dict[str, Any]:
    """Dictionary encoding, statistics and zstd for every column but the embeddings; see `float_statistics` for floats.

    Embeddings are plain: DuckDB 1.5 cannot read float16 in the smaller BYTE_STREAM_SPLIT. Pages that LZ4 does not make
    smaller, as of most vectors, are kept as they are; repeated vectors and zeros become small.
    """
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    leaves = pq.ParquetFile(pa.BufferReader(empty.getvalue())).schema
    vectors = [f"{name}.list.element" for name in embeddings]
    paths = [leaves.column(i).path for i in range(len(leaves))]
    others = [path for path in paths if path not in vectors]
    floats = set(float_leaves(schema))
    return {
        "version": "2.6",
        "compression": dict.fromkeys(others, "zstd") | dict.fromkeys(vectors, "lz4"),
        "compression_level": dict.fromkeys(others, ZSTD_LEVEL),
        "use_dictionary": others or False,
        "write_statistics": [path for number, path in enumerate(paths) if path in others and number not in floats]
        or False,
    }

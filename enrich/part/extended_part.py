"""One part whose vectors are all unchanged: what a new enrichment would write, with unchanged columns copied.

    published part --chunks of unchanged columns, pages of vectors--.
                                                                     >--> part
    skeleton part --other columns, by pyarrow, a group at a time ---'

A chunk depends on nothing but its values, the cut into groups of rows and pyarrow, so a file of these is the one that
`enrich_part` writes.
"""

from __future__ import annotations

import copy
import os
import uuid
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.profile import Meter, measured
from daeda.dataset.thrift import I64, LIST, STRUCT, Items, Struct, encode
from enrich.part.float_statistics import float_statistics
from enrich.part.part import WRITE, rows_per_group, usage_of
from enrich.part.published_part import MAGIC, PublishedPart, footer_of
from enrich.part.skeleton import enriched_schema, open_skeleton, read_batches, row_groups, without_placeholders
from enrich.part.task import PartTask, Receipt
from enrich.part.vector_parquet import DigestedFile, describe_pages, parquet_options


def extend_part(task: PartTask) -> Receipt:
    """Write `task.output`, whose columns of vectors are all kept; DayError where a file is not as the task says."""
    final = Path(task.output)
    work = Path(task.unfinished or final.parent) / f"{final.name}.{uuid.uuid4().hex[:12]}.tmp"
    meter = Meter() if task.profile else None
    rows = 0
    with open_skeleton(task.skeleton) as skeleton, work.open("xb") as sink:
        schema = enriched_schema(task, skeleton.schema_arrow)
        with PublishedPart(Path(task.published)) as published:
            file = _ExtendedFile(sink, task, schema, published)
            group_rows = rows_per_group(task.columns)
            batches = skeleton.iter_batches(
                batch_size=max(1, min(task.batch_rows, group_rows)), columns=file.written.names, use_threads=False
            )
            read = read_batches(task.skeleton, batches, meter)
            emptied = (without_placeholders(task, batch, file.written) for batch in read)
            for group in row_groups(emptied, group_rows):
                with measured(meter, WRITE):
                    file.write_group(group)
                rows += group.num_rows
        with measured(meter, WRITE):
            file.write_footer()
            sink.flush()
            os.fsync(sink.fileno())
    work.replace(final)
    return Receipt(task.number, rows, file.output.size, file.output.sha256, (), usage_of(task, rows, meter))


class _ExtendedFile:
    """The file being written: pyarrow writes the columns `written`, and all others are copied.

    Of a column of vectors pyarrow writes the NULLs that stand before its pages in every enriched file.
    """

    def __init__(self, sink: BinaryIO, task: PartTask, schema: pa.Schema, published: PublishedPart) -> None:
        self.output = DigestedFile(sink)
        self._published = published
        self._schema = schema
        self._vectors = {column.name: task.kept[column.name] for column in task.columns}
        self._options = parquet_options(schema, tuple(self._vectors))
        # What a file of these columns says in its footer, whatever rows it has.
        self._footer = self._written_by_pyarrow(schema.empty_table())[0]
        self._copied = {
            name: there
            for name, there in task.copied.items()
            if name not in self._vectors and published.is_alike(there, self._footer, name)
        }
        self.written = pa.schema([field for field in schema if field.name not in self._copied])
        self._written_options = parquet_options(self.written, tuple(self._vectors))
        self._groups: list[Struct] = []
        self._rows = 0
        self.output.write(MAGIC)

    def write_group(self, rows: pa.Table) -> None:
        """The next group of rows, of which `rows` has the columns that are written."""
        number, start = len(self._groups), self.output.size
        group, made, text = self._made(rows)
        chunks: dict[str, list[Struct]] = {}
        for name in self._schema.names:
            if name in self._copied:
                known = self._published.chunks(number, rows.num_rows, self._copied[name])
                chunks[name] = [self._copy(chunk, name) for chunk in known]
            else:
                chunks[name] = [self._put(chunk, text) for chunk in made[name]]
        for name, there in self._vectors.items():
            pages = self._published.pages(number, rows.num_rows, there)
            at = self.output.size
            for block in pages.blocks:
                self.output.write(block)
            describe_pages(chunks[name][0][3][1], at, pages.values, pages.plain_bytes, self.output.size - at)
        listed = [chunk for of_column in chunks.values() for chunk in of_column]
        group[1] = (LIST, Items(STRUCT, listed))
        for field, size in ((2, 6), (6, 7)):
            group[field] = (group[field][0], sum(chunk[3][1][size][1] for chunk in listed))
        for field, value in ((5, start), (7, number)):
            if field in group:
                group[field] = (group[field][0], value)
        self._groups.append(group)
        self._rows += rows.num_rows

    def _made(self, rows: pa.Table) -> tuple[Struct, dict[str, list[Struct]], memoryview]:
        """A group as pyarrow writes it: what its footer says, of each column too, and its bytes."""
        footer, text = self._written_by_pyarrow(rows)
        (group,) = footer[4][1].values
        floats = float_statistics(rows)
        made: dict[str, list[Struct]] = {}
        for position, chunk in enumerate(group[1][1].values):
            if position in floats:
                chunk[3][1][12] = (STRUCT, floats[position].statistics)
            made.setdefault(_column_of(chunk), []).append(chunk)
        return group, made, text

    def _put(self, chunk: Struct, text: memoryview) -> Struct:
        begin, size = _extent(chunk)
        moved = _moved(chunk, self.output.size - begin, _column_of(chunk))
        self.output.write(text[begin : begin + size])
        return moved

    def write_footer(self) -> None:
        """The end of the file."""
        whole = encode({**self._footer, 3: (I64, self._rows), 4: (LIST, Items(STRUCT, self._groups))})
        self.output.write(whole + len(whole).to_bytes(4, "little") + MAGIC)

    def _copy(self, chunk: Struct, name: str) -> Struct:
        begin, size = _extent(chunk)
        moved = _moved(copy.deepcopy(chunk), self.output.size - begin, name)
        for block in self._published.blocks(begin, size):
            self.output.write(block)
        return moved

    def _written_by_pyarrow(self, rows: pa.Table) -> tuple[Struct, memoryview]:
        """The footer and the bytes of a file of one group of these rows, or of none."""
        sink = pa.BufferOutputStream()
        options = self._options if rows.schema == self._schema else self._written_options
        with pq.ParquetWriter(sink, rows.schema, **options) as writer:
            if rows.num_rows:
                writer.write_table(rows, row_group_size=rows.num_rows)
        text = memoryview(sink.getvalue())
        return footer_of(text), text


def _column_of(chunk: Struct) -> str:
    name: bytes = chunk[3][1][3][1].values[0]
    return name.decode()


def _extent(chunk: Struct) -> tuple[int, int]:
    """Where the pages of a chunk begin, and how many bytes they have."""
    meta = chunk[3][1]
    begin = min(meta[field][1] for field in (9, 11) if field in meta and meta[field][1])
    return begin, meta[7][1]


def _moved(chunk: Struct, by: int, name: str) -> Struct:
    """The chunk so many bytes further back, of a column of this name."""
    meta = chunk[3][1]
    for struct, fields in ((chunk, (2,)), (meta, (9, 10, 11, 14))):
        for field in fields:
            if field in struct and struct[field][1]:
                struct[field] = (struct[field][0], struct[field][1] + by)
    kind, path = meta[3]
    meta[3] = (kind, Items(path.kind, [name.encode(), *path.values[1:]]))
    return chunk

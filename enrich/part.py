"""One part: the rows of a skeleton part with the embedding columns filled in, written as one Parquet file.

The bytes of the file depend on the skeleton part, the task and the vectors, and on nothing else: row groups are cut by
a count that follows from the dimensions, so that neither the number of rows that are worked on at a time matters, nor
how the skeleton was cut.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.profile import Meter, Usage, measured
from daeda.errors import DayError, did_you_mean
from enrich.arrays import ABSENT, Halves, Positions
from enrich.pooling import Normalize, average, lookup
from enrich.store import VectorSource

PLACEHOLDER = pa.float32()
EMBEDDING = pa.list_(pa.float16())

# A row group is held in memory as a whole by most readers, and seven times over by this writer with its list levels,
# its pages and the joined copy: some 240 MiB for each actor.
GROUP_BYTES = 32 * 1024**2
# What DuckDB writes, and the most for small vectors.
MOST_GROUP_ROWS = 122_880
# What passes through from the skeleton is small beside the vectors.
ZSTD_LEVEL = 1
# Distinct ids gathered from this many batches are merged, so that repeated ids do not pile up.
MERGE_BATCHES = 64
ID_BATCH_ROWS = 65_536

# Steps of a part in a profile, beside one for each column.
READ = "read skeleton"
WRITE = "write part"


@dataclass(frozen=True)
class VectorColumn:
    """One embedding column: `source` holds an id (`lookup`) or a list of ids (`avg_pool`) of the store `store`."""

    name: str
    kind: Literal["lookup", "avg_pool"]
    source: str
    store: str
    dimension: int
    normalize: Normalize


@dataclass(frozen=True)
class PartTask:
    """One part to enrich. `output` is the final name in the staging directory; `batch_rows` bounds memory only.

    With `profile` the receipt says what reading, each column and writing took.
    """

    skeleton: str
    output: str
    number: int
    batch_rows: int
    columns: tuple[VectorColumn, ...]
    profile: bool = False


@dataclass(frozen=True)
class Nulls:
    """The rows of an embedding column that are NULL: how many, and the first of them, counted from 0 in the part."""

    column: str
    count: int = 0
    first: int | None = None


@dataclass(frozen=True)
class Receipt:
    """What was written for part `number`: rows, size of the file in bytes, its sha256 as hexadecimal digits, the NULLs
    of each embedding column, and what the steps took where the task asks for that.
    """

    number: int
    rows: int
    bytes: int
    sha256: str
    nulls: tuple[Nulls, ...]
    usage: tuple[Usage, ...] = ()


def enrich_part(task: PartTask, vectors: Mapping[str, VectorSource]) -> Receipt:
    """Write `task.output`; `vectors` has a source for every store that the columns name.

    The file appears under its name when it is complete and on disk; a second run replaces it with the same bytes.
    DayError when the skeleton part does not have the columns that the task needs, in the types that it needs.
    """
    final = Path(task.output)
    work = final.with_name(final.name + ".tmp")
    rows = 0
    nulls = [Nulls(column.name) for column in task.columns]
    meter = Meter() if task.profile else None
    with pq.ParquetFile(task.skeleton) as skeleton, work.open("wb") as sink:
        schema = _enriched_schema(task, skeleton.schema_arrow)
        group_rows = rows_per_group(task.columns)
        batches = skeleton.iter_batches(batch_size=max(1, min(task.batch_rows, group_rows)), use_threads=False)
        enriched = (_enrich_batch(task, batch, schema, vectors, meter) for batch in _read(batches, meter))
        with pq.ParquetWriter(sink, schema, **_parquet_options(task, schema)) as writer:
            for group in _row_groups(enriched, group_rows):
                with measured(meter, WRITE):
                    writer.write_table(group, row_group_size=group_rows)
                nulls = [_count_nulls(before, group, rows) for before in nulls]
                rows += group.num_rows
        with measured(meter, WRITE):
            sink.flush()
            os.fsync(sink.fileno())
    with measured(meter, WRITE), work.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    size = work.stat().st_size
    work.replace(final)
    return Receipt(task.number, rows, size, digest, tuple(nulls), _usage(task, rows, meter))


def _usage(task: PartTask, rows: int, meter: Meter | None) -> tuple[Usage, ...]:
    if meter is None:
        return ()
    for step in (READ, *(_step(column) for column in task.columns), WRITE):
        meter.add_rows(step, rows)
    return meter.found


def _step(column: VectorColumn) -> str:
    return f"{column.kind} {column.name}"


def _read(batches: Iterator[pa.RecordBatch], meter: Meter | None) -> Iterator[pa.RecordBatch]:
    while True:
        with measured(meter, READ):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def needed_ids(parts: Iterable[str | Path], columns: Sequence[VectorColumn]) -> pa.Array:
    """The distinct ids, without NULL, that the columns of one store use in these skeleton parts, ascending.

    Integers come as int64, or as uint64 where one exceeds int64; text as `large_string`. DayError when both occur.
    """
    sources = sorted({column.source for column in columns})
    distinct: list[pa.Array] = []
    for part in parts:
        with pq.ParquetFile(part) as skeleton:
            for batch in skeleton.iter_batches(batch_size=ID_BATCH_ROWS, columns=sources, use_threads=False):
                for source in batch.columns:
                    distinct.append(pc.unique(_ids_in(source)).drop_null())
                if len(distinct) > MERGE_BATCHES:
                    distinct = [_merge(distinct, sources)]
    merged = _merge(distinct, sources)
    return merged.take(pc.sort_indices(merged))


def rows_per_group(columns: Sequence[VectorColumn]) -> int:
    """Rows of a row group: 32 MiB of vectors, so that list offsets stay far within int32."""
    row_bytes = 2 * sum(column.dimension for column in columns)
    return max(1, min(MOST_GROUP_ROWS, GROUP_BYTES // max(1, row_bytes)))


def _enriched_schema(task: PartTask, skeleton: pa.Schema) -> pa.Schema:
    """The skeleton's schema with embedding types in place, without metadata: who wrote the skeleton leaves no trace."""
    for column in task.columns:
        for name in (column.name, column.source):
            if name not in skeleton.names:
                raise DayError(f"{task.skeleton}: column '{name}' is missing; {did_you_mean(name, skeleton.names)}")
        placeholder, source = skeleton.field(column.name).type, skeleton.field(column.source).type
        if not (pa.types.is_list(placeholder) and placeholder.value_type == PLACEHOLDER):
            raise DayError(
                f"{task.skeleton}: column '{column.name}' is {placeholder}, and the placeholder of an embedding is "
                "list<float>; build the skeleton again"
            )
        if _is_list(source) != (column.kind == "avg_pool"):
            wanted = "a list of ids" if column.kind == "avg_pool" else "one id"
            raise DayError(
                f"{task.skeleton}: '{column.name}' is {column.kind} of column '{column.source}', which is {source}; "
                f"{column.kind} needs {wanted} per row"
            )
    embeddings = {column.name for column in task.columns}
    return pa.schema(
        [
            pa.field(field.name, EMBEDDING if field.name in embeddings else field.type, field.nullable)
            for field in skeleton
        ]
    )


def _enrich_batch(
    task: PartTask,
    batch: pa.RecordBatch,
    schema: pa.Schema,
    vectors: Mapping[str, VectorSource],
    meter: Meter | None,
) -> pa.RecordBatch:
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    filled: dict[str, pa.Array] = {}
    for column in task.columns:
        if arrays[column.name].null_count != batch.num_rows:
            raise DayError(
                f"{task.skeleton}: column '{column.name}' is the placeholder of an embedding and holds values; "
                "build the skeleton again"
            )
        with measured(meter, _step(column)):
            filled[column.name] = _vectors_of(column, arrays[column.source], vectors[column.store])
    return pa.RecordBatch.from_arrays([filled.get(name, arrays[name]) for name in schema.names], schema=schema)


def _vectors_of(column: VectorColumn, source: pa.Array, vectors: VectorSource) -> pa.ListArray:
    positions, matrix = vectors.fetch(_ids_in(source))
    match column.kind:
        case "lookup":
            return lookup(positions, matrix, column.normalize)
        case "avg_pool":
            return _average_lists(source, positions, matrix, column.normalize)


def _average_lists(lists: pa.Array, positions: Positions, matrix: Halves, normalize: Normalize) -> pa.ListArray:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    offsets -= offsets[0]
    if lists.null_count:
        # A NULL list may span values that belong to nobody.
        valid = lists.is_valid().to_numpy(zero_copy_only=False)
        positions = np.where(np.repeat(valid, np.diff(offsets)), positions, ABSENT)
    return average(offsets, positions, matrix, normalize)


def _ids_in(source: pa.Array) -> pa.Array:
    """The ids of a column, or the members of its lists from the first list's start to the last one's end."""
    if not _is_list(source.type):
        return source
    start, end = source.offsets[0].as_py(), source.offsets[-1].as_py()
    return source.values.slice(start, end - start)


def _is_list(found: pa.DataType) -> bool:
    return bool(pa.types.is_list(found) or pa.types.is_large_list(found))


def _merge(distinct: list[pa.Array], sources: list[str]) -> pa.Array:
    """One array of distinct ids, in the widest type that they need."""
    distinct = [ids for ids in distinct if len(ids)]
    if not distinct:
        return pa.array([], pa.int64())
    numbers = [pa.types.is_integer(ids.type) for ids in distinct]
    wider = (pa.int64(), pa.uint64()) if all(numbers) else () if any(numbers) else (pa.large_string(),)
    for wide in wider:
        try:
            return pc.unique(pa.chunked_array([ids.cast(wide) for ids in distinct]))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    raise DayError(
        f"columns {', '.join(sources)}: their ids are {', '.join(sorted({str(ids.type) for ids in distinct}))}, and no "
        "integer type and no text holds all of them; cast the columns to the type of the store's ids"
    )


def _row_groups(batches: Iterable[pa.RecordBatch], group_rows: int) -> Iterator[pa.Table]:
    """The rows of the batches in tables of `group_rows` rows, the last with what is left, each of one chunk.

    One chunk, because the cut of the chunks shows in the pages of a column that outgrows its dictionary.
    """
    pending: list[pa.RecordBatch] = []
    free = group_rows
    for batch in batches:
        done = 0
        while done < batch.num_rows:
            piece = batch.slice(done, free)
            pending.append(piece)
            done += piece.num_rows
            free -= piece.num_rows
            if not free:
                free = group_rows
                yield _joined(pending)
    if pending:
        yield _joined(pending)


def _count_nulls(before: Nulls, group: pa.Table, start: int) -> Nulls:
    """Add the rows of a group that begins at row `start`."""
    column = group.column(before.column)
    if not column.null_count:
        return before
    first = start + pc.index(column.is_null(), True).as_py() if before.first is None else before.first
    return Nulls(before.column, before.count + column.null_count, first)


def _joined(pending: list[pa.RecordBatch]) -> pa.Table:
    """Move the batches into one table: the list is emptied, so that nothing holds them while the table is written."""
    table = pa.Table.from_batches(pending).combine_chunks()
    pending.clear()
    return table


def _parquet_options(task: PartTask, schema: pa.Schema) -> dict[str, Any]:
    """Dictionary encoding, statistics and zstd for every column but the embeddings, where they cost most of the time.

    Embeddings are plain: DuckDB 1.5 cannot read float16 in the smaller BYTE_STREAM_SPLIT. LZ4 takes as long as no
    compression where there is nothing to gain, as in most vectors, and keeps repeated ones and zeros small; zstd takes
    a fifth longer to write, and saves about a tenth.
    """
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    leaves = pq.ParquetFile(pa.BufferReader(empty.getvalue())).schema
    embeddings = {f"{column.name}.list.element" for column in task.columns}
    others = [leaves.column(i).path for i in range(len(leaves)) if leaves.column(i).path not in embeddings]
    return {
        "version": "2.6",
        "compression": dict.fromkeys(others, "zstd") | dict.fromkeys(embeddings, "lz4"),
        "compression_level": dict.fromkeys(others, ZSTD_LEVEL),
        "use_dictionary": others or False,
        "write_statistics": others or False,
    }

"""One part: the rows of a skeleton part with the embedding columns filled in, written as one Parquet file.

The bytes of the file depend on the skeleton part, the task and the vectors, and on nothing else: row groups are cut by
a count that follows from the dimensions, so that neither the number of rows that are worked on at a time matters, nor
how the skeleton was cut.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.profile import Meter, Usage, measured
from daeda.errors import DayError, did_you_mean, first_line
from enrich.arrays import ABSENT, Halves, Positions
from enrich.part.pooling import Normalize, average, lookup
from enrich.part.vector_parquet import EMBEDDING, VectorFile, rows_per_page
from enrich.store.store import VectorSource

PLACEHOLDER = pa.float32()

# A row group is held in memory as a whole by most readers.
GROUP_BYTES = 32 * 1024**2
# What DuckDB writes, and the most for small vectors.
MOST_GROUP_ROWS = 122_880
# Distinct ids gathered from this many batches are merged, so that repeated ids do not pile up.
MERGE_BATCHES = 64
ID_BATCH_ROWS = 65_536
# Parts that are looked through at once.
ID_THREADS = 2

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

    So many `threads` make pages of vectors, while another one writes them. With `profile` the receipt says what
    reading, each column and writing took.
    """

    skeleton: str
    output: str
    number: int
    batch_rows: int
    columns: tuple[VectorColumn, ...]
    profile: bool = False
    threads: int = 1


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
    nulls = {column.name: Nulls(column.name) for column in task.columns}
    meter = Meter() if task.profile else None
    with _opened(task.skeleton) as skeleton, work.open("wb") as sink:
        schema = _enriched_schema(task, skeleton.schema_arrow)
        group_rows = rows_per_group(task.columns)
        batches = skeleton.iter_batches(batch_size=max(1, min(task.batch_rows, group_rows)), use_threads=False)
        read = _read(task.skeleton, batches, meter)
        emptied = (_without_placeholders(task, batch, schema) for batch in read)
        with VectorFile(sink, schema, {column.name: column.dimension for column in task.columns}) as file:
            for group in _row_groups(emptied, group_rows):
                with measured(meter, WRITE):
                    file.write_rows(group)
                for column in task.columns:
                    at = rows
                    for page in _pages(task, column, group.column(column.source), vectors[column.store], meter):
                        with measured(meter, WRITE):
                            file.write_page(column.name, page)
                        nulls[column.name] = _count_nulls(nulls[column.name], page, at)
                        at += len(page)
                rows += group.num_rows
        with measured(meter, WRITE):
            sink.flush()
            os.fsync(sink.fileno())
    work.replace(final)
    return Receipt(task.number, rows, file.size, file.sha256, tuple(nulls.values()), _usage(task, rows, meter))


def _usage(task: PartTask, rows: int, meter: Meter | None) -> tuple[Usage, ...]:
    if meter is None:
        return ()
    steps = (READ, *(_step(column) for column in task.columns), WRITE)
    for step in steps:
        meter.add_rows(step, rows)
    found = {one.operator: one for one in meter.found}
    return tuple(found[step] for step in steps)


def _step(column: VectorColumn) -> str:
    return f"{column.kind} {column.name}"


def _opened(path: str | Path) -> pq.ParquetFile:
    with _readable(path):
        return pq.ParquetFile(path)


@contextlib.contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """What was whole when the day began, and cannot be read now, as a DayError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DayError(f"{path} cannot be read any more ({first_line(error)}): run again") from error


def _read(path: str | Path, batches: Iterator[pa.RecordBatch], meter: Meter | None = None) -> Iterator[pa.RecordBatch]:
    while True:
        with measured(meter, READ), _readable(path):
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
    with ThreadPoolExecutor(ID_THREADS) as pool:
        for found in pool.map(lambda part: _ids_of_part(part, sources), parts):
            distinct += found
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    merged = _merge(distinct, sources)
    return merged.take(pc.sort_indices(merged))


def _ids_of_part(part: str | Path, sources: list[str]) -> list[pa.Array]:
    """The distinct ids of a part, without NULL, in few arrays."""
    distinct: list[pa.Array] = []
    with _opened(part) as skeleton:
        batches = skeleton.iter_batches(batch_size=ID_BATCH_ROWS, columns=sources, use_threads=False)
        for batch in _read(part, batches):
            for source in batch.columns:
                distinct.append(pc.unique(_ids_in(source)).drop_null())
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    return distinct if len(distinct) <= len(sources) else [_merge(distinct, sources)]


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
            pa.field(field.name, EMBEDDING)
            if field.name in embeddings
            else pa.field(field.name, field.type, field.nullable)
            for field in skeleton
        ]
    )


def _without_placeholders(task: PartTask, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with NULLs of the type of embeddings in place of the placeholders."""
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    for column in task.columns:
        if arrays[column.name].null_count != batch.num_rows:
            raise DayError(
                f"{task.skeleton}: column '{column.name}' is the placeholder of an embedding and holds values; "
                "build the skeleton again"
            )
        arrays[column.name] = pa.nulls(batch.num_rows, EMBEDDING)
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _pages(
    task: PartTask, column: VectorColumn, rows: pa.ChunkedArray, vectors: VectorSource, meter: Meter | None
) -> Iterator[pa.ListArray]:
    """The vectors of the rows of a row group, page by page.

    Pages are cut by their number of rows alone; vectors are fetched for as many rows at a time as the task says.
    """
    source = rows.combine_chunks()
    page_rows = rows_per_page(column.dimension)
    step = max(1, task.batch_rows // page_rows) * page_rows
    for start in range(0, len(source), step):
        batch = source.slice(start, step)
        with measured(meter, _step(column)):
            positions, matrix = vectors.fetch(_ids_in(batch))
        pages = [batch.slice(first, page_rows) for first in range(0, len(batch), page_rows)]
        places = [positions[_ids_before(batch, page) :] for page in pages]
        pooled = partial(_measured_page, column, matrix, meter)
        if task.threads == 1:
            yield from map(pooled, pages, places)
            continue
        with ThreadPoolExecutor(task.threads) as pool:
            yield from pool.map(pooled, pages, places)


def _measured_page(
    column: VectorColumn, matrix: Halves, meter: Meter | None, page: pa.Array, positions: Positions
) -> pa.ListArray:
    with measured(meter, _step(column)):
        return _pooled(column, page, positions, matrix)


def _ids_before(batch: pa.Array, page: pa.Array) -> int:
    """How many of the ids of a batch come before those of one of its pages."""
    if not _is_list(batch.type):
        return int(page.offset - batch.offset)
    return int(page.offsets[0].as_py() - batch.offsets[0].as_py())


def _pooled(column: VectorColumn, source: pa.Array, positions: Positions, matrix: Halves) -> pa.ListArray:
    """The vectors of some rows, whose ids are the first of those at `positions`."""
    match column.kind:
        case "lookup":
            return lookup(positions[: len(source)], matrix, column.normalize)
        case "avg_pool":
            return _average_lists(source, positions, matrix, column.normalize)


def _average_lists(lists: pa.Array, positions: Positions, matrix: Halves, normalize: Normalize) -> pa.ListArray:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    offsets -= offsets[0]
    positions = positions[: offsets[-1]]
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


def _count_nulls(before: Nulls, page: pa.ListArray, start: int) -> Nulls:
    """Add the rows of a page that begins at row `start`."""
    if not page.null_count:
        return before
    first = start + pc.index(page.is_null(), True).as_py() if before.first is None else before.first
    return Nulls(before.column, before.count + page.null_count, first)


def _joined(pending: list[pa.RecordBatch]) -> pa.Table:
    """Move the batches into one table: the list is emptied, so that nothing holds them while the table is written."""
    table = pa.Table.from_batches(pending).combine_chunks()
    pending.clear()
    return table

"""A skeleton part as it is read: its ids, and its rows without placeholders in row groups of a fixed number of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.profile import Meter, measured
from daeda.errors import DayError, did_you_mean, first_line
from enrich.part.task import PartTask, VectorColumn
from enrich.part.vector_parquet import VECTORS

PLACEHOLDER = pa.float32()

# Distinct ids gathered from this many batches are merged, so that repeated ids do not pile up.
MERGE_BATCHES = 64
ID_BATCH_ROWS = 65_536
# Parts that are looked through at once.
ID_THREADS = 2

# The step of a profile that reads.
READ = "read skeleton"


def open_skeleton(path: str | Path) -> pq.ParquetFile:
    """The file of a part; DayError when it cannot be read any more."""
    with _readable(path):
        return pq.ParquetFile(path)


@contextlib.contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """What was whole when the day began, and cannot be read now, as a DayError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DayError(f"{path} cannot be read any more ({first_line(error)}): run again") from error


def read_batches(
    path: str | Path, batches: Iterator[pa.RecordBatch], meter: Meter | None = None
) -> Iterator[pa.RecordBatch]:
    """The batches of an open part; DayError when the rest cannot be read any more."""
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
        for part_ids in pool.map(lambda part: _ids_of_part(part, sources), parts):
            distinct += part_ids
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    merged = _merge(distinct, sources)
    return merged.take(pc.sort_indices(merged))


def _ids_of_part(part: str | Path, sources: list[str]) -> list[pa.Array]:
    """The distinct ids of a part, without NULL, in few arrays."""
    distinct: list[pa.Array] = []
    with open_skeleton(part) as skeleton:
        batches = skeleton.iter_batches(batch_size=ID_BATCH_ROWS, columns=sources, use_threads=False)
        for batch in read_batches(part, batches):
            for source in batch.columns:
                distinct.append(pc.unique(ids_in(source)).drop_null())
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    return distinct if len(distinct) <= len(sources) else [_merge(distinct, sources)]


def ids_in(source: pa.Array) -> pa.Array:
    """The ids of a column, or the members of its lists from the first list's start to the last one's end."""
    if not is_list(source.type):
        return source
    start, end = source.offsets[0].as_py(), source.offsets[-1].as_py()
    return source.values.slice(start, end - start)


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


def enriched_schema(task: PartTask, skeleton: pa.Schema) -> pa.Schema:
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
        if is_list(source) != (column.kind == "avg_pool"):
            wanted = "a list of ids" if column.kind == "avg_pool" else "one id"
            raise DayError(
                f"{task.skeleton}: '{column.name}' is {column.kind} of column '{column.source}', which is {source}; "
                f"{column.kind} needs {wanted} per row"
            )
    vectors = {column.name: VECTORS[column.element] for column in task.columns}
    return pa.schema(
        [
            pa.field(field.name, vectors[field.name])
            if field.name in vectors
            else pa.field(field.name, field.type, field.nullable)
            for field in skeleton
        ]
    )


def without_placeholders(task: PartTask, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with NULLs of the type of embeddings in place of the placeholders."""
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    for column in task.columns:
        if arrays[column.name].null_count != batch.num_rows:
            raise DayError(
                f"{task.skeleton}: column '{column.name}' is the placeholder of an embedding and holds values; "
                "build the skeleton again"
            )
        arrays[column.name] = pa.nulls(batch.num_rows, VECTORS[column.element])
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def row_groups(batches: Iterable[pa.RecordBatch], group_rows: int) -> Iterator[pa.Table]:
    """The rows of the batches in tables of `group_rows` rows, the last with what is left, each of one chunk.

    One chunk, because the cut of the chunks shows in the pages of a column that outgrows its dictionary.
    """
    pending: list[pa.RecordBatch] = []
    free = group_rows
    for batch in batches:
        done = 0
        while done < batch.num_rows:
            rows = batch.slice(done, free)
            pending.append(rows)
            done += rows.num_rows
            free -= rows.num_rows
            if not free:
                free = group_rows
                yield _joined(pending)
    if pending:
        yield _joined(pending)


def _joined(pending: list[pa.RecordBatch]) -> pa.Table:
    """Move the batches into one table: the list is emptied, so that nothing holds them while the table is written."""
    table = pa.Table.from_batches(pending).combine_chunks()
    pending.clear()
    return table


def is_list(kind: pa.DataType) -> bool:
    """Whether values of the type are lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))

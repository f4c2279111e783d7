"""One part: the rows of a skeleton part with the embedding columns filled in, written as one Parquet file.

The bytes of the file depend on the skeleton part, the task and the vectors, and on nothing else: row groups are cut by
a fixed count, so that neither the number of rows that are worked on at a time matters, nor how the skeleton was cut,
nor which other columns of vectors there are.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daeda.dataset.profile import Meter, Usage, measured
from enrich.arrays import ABSENT, Halves, Positions
from enrich.part.pooling import average, lookup
from enrich.part.published_part import PublishedPart
from enrich.part.skeleton import (
    READ,
    enriched_schema,
    ids_in,
    is_list,
    open_skeleton,
    read_batches,
    row_groups,
    without_placeholders,
)
from enrich.part.task import Nulls, PartTask, Receipt, VectorColumn
from enrich.part.vector_parquet import VectorFile, rows_per_page
from enrich.store.vectors import VectorSource

# A row group is held in memory as a whole by most readers: 32 MiB of a column of 1,024 halves.
GROUP_ROWS = 16_384
# List offsets are int32.
MOST_GROUP_VALUES = 2**30
# The step of a profile that writes; each column is a step too.
WRITE = "write part"


def enrich_part(task: PartTask, vectors: Mapping[str, VectorSource]) -> Receipt:
    """Write `task.output`; `vectors` has a source for every store that the columns name which are not kept.

    The file appears under its name when it is complete and on disk; a second run replaces it with the same bytes, also
    while the first one goes on: each writes a file of its own.
    DayError when the skeleton part does not have the columns that the task needs, in the types that it needs.
    """
    final = Path(task.output)
    work = Path(task.unfinished or final.parent) / f"{final.name}.{uuid.uuid4().hex[:12]}.tmp"
    rows = 0
    nulls = {column.name: Nulls(column.name) for column in task.computed}
    meter = Meter() if task.profile else None
    with open_skeleton(task.skeleton) as skeleton, work.open("wb") as sink, ExitStack() as opened:
        published = opened.enter_context(PublishedPart(Path(task.published))) if task.kept else None
        schema = enriched_schema(task, skeleton.schema_arrow)
        group_rows = rows_per_group(task.columns)
        batches = skeleton.iter_batches(batch_size=max(1, min(task.batch_rows, group_rows)), use_threads=False)
        read = read_batches(task.skeleton, batches, meter)
        emptied = (without_placeholders(task, batch, schema) for batch in read)
        with VectorFile(sink, schema, {column.name: column.dimension for column in task.columns}) as file:
            for number, group in enumerate(row_groups(emptied, group_rows)):
                with measured(meter, WRITE):
                    file.write_rows(group)
                for column in task.columns:
                    if published is not None and column.name in task.kept:
                        with measured(meter, WRITE):
                            pages = published.pages(number, group.num_rows, task.kept[column.name])
                            file.copy_pages(column.name, pages)
                        continue
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
    return Receipt(task.number, rows, file.size, file.sha256, tuple(nulls.values()), usage_of(task, rows, meter))


def usage_of(task: PartTask, rows: int, meter: Meter | None) -> tuple[Usage, ...]:
    """What each step of a profile took, of a part of so many rows."""
    if meter is None:
        return ()
    steps = (READ, *(_step(column) for column in task.columns), WRITE)
    for step in steps:
        meter.add_rows(step, rows)
    usages = {usage.operator: usage for usage in meter.usages}
    return tuple(usages[step] for step in steps)


def _step(column: VectorColumn) -> str:
    return f"{column.kind} {column.name}"


def _pages(
    task: PartTask, column: VectorColumn, rows: pa.ChunkedArray, vectors: VectorSource, meter: Meter | None
) -> Iterator[pa.ListArray]:
    """The vectors of the rows of a row group, page by page.

    Pages are cut by their number of rows alone; vectors are fetched for as many rows at a time as the task says.
    """
    source = rows.combine_chunks()
    page_rows = rows_per_page(column.dimension, column.element)
    step = max(1, task.batch_rows // page_rows) * page_rows
    for start in range(0, len(source), step):
        batch = source.slice(start, step)
        with measured(meter, _step(column)):
            positions, matrix = vectors.fetch(ids_in(batch))
        pages = [batch.slice(first, page_rows) for first in range(0, len(batch), page_rows)]
        page_positions = [positions[_ids_before(batch, page) :] for page in pages]
        make_page = partial(_measured_page, column, matrix, meter)
        if task.threads == 1:
            yield from map(make_page, pages, page_positions)
            continue
        with ThreadPoolExecutor(task.threads) as pool:
            yield from pool.map(make_page, pages, page_positions)


def _measured_page(
    column: VectorColumn, matrix: Halves, meter: Meter | None, page: pa.Array, positions: Positions
) -> pa.ListArray:
    with measured(meter, _step(column)):
        return pooled(column, page, positions, matrix)


def _ids_before(batch: pa.Array, page: pa.Array) -> int:
    """How many of the ids of a batch come before those of one of its pages."""
    if not is_list(batch.type):
        return int(page.offset - batch.offset)
    return int(page.offsets[0].as_py() - batch.offsets[0].as_py())


def pooled(column: VectorColumn, source: pa.Array, positions: Positions, matrix: Halves) -> pa.ListArray:
    """The vectors of some rows, whose ids are the first of those at `positions`."""
    match column.kind:
        case "lookup":
            return lookup(positions[: len(source)], matrix, column.normalize, column.element)
        case "avg_pool":
            return _average_lists(column, source, positions, matrix)


def _average_lists(column: VectorColumn, lists: pa.Array, positions: Positions, matrix: Halves) -> pa.ListArray:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    offsets -= offsets[0]
    positions = positions[: offsets[-1]]
    if lists.null_count:
        # A NULL list may span values that belong to nobody.
        valid = lists.is_valid().to_numpy(zero_copy_only=False)
        positions = np.where(np.repeat(valid, np.diff(offsets)), positions, ABSENT)
    return average(offsets, positions, matrix, column.normalize, column.element)


def rows_per_group(columns: Sequence[VectorColumn]) -> int:
    """Rows of a row group: those of every part, unless its lists would come near the end of their offsets."""
    return max(1, min(GROUP_ROWS, MOST_GROUP_VALUES // max(column.dimension for column in columns)))


def _count_nulls(before: Nulls, page: pa.ListArray, start: int) -> Nulls:
    """Add the rows of a page that begins at row `start`."""
    if not page.null_count:
        return before
    first = start + pc.index(page.is_null(), True).as_py() if before.first is None else before.first
    return Nulls(before.column, before.count + page.null_count, first)

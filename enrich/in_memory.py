"""Embedding columns of rows in memory, filled without Ray by the kernels that fill those of a part."""

from __future__ import annotations

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.dataset.stores import Stores
from daeda.operators.dag import Dag
from daeda.storage.objects import before_the_first_day
from enrich.part.part import pooled, rows_per_group
from enrich.part.skeleton import ids_in
from enrich.part.task import VectorColumn
from enrich.preload import open_declared, vector_columns
from enrich.store.vectors import BatchedVectors


@before_the_first_day()
def fill_vectors(project: Project, dag: Dag, rows: pa.Table, pinned: Stores | None = None) -> pa.Table:
    """The rows with the vectors of each enrichment of the DAG, which made them, in place of the placeholders.

    Raises InputError where a store is not as it is declared, and DayError where a vector cannot be read.
    """
    columns = vector_columns(dag)
    declared = {operator.store.name: operator.store for operator in dag.enrichments}
    sources: dict[str, BatchedVectors] = {}
    for name, ref in declared.items():
        store = open_declared(ref, project.data_path(ref.path), pinned)
        store.check()
        sources[name] = BatchedVectors(store, store.row_map())
    # Offsets of lists are int32: no array has the vectors of more rows than a group of a part.
    step = rows_per_group(columns)
    for column in columns:
        batches = [
            _vectors_of(column, rows.column(column.source).slice(first, step), sources[column.store])
            for first in range(0, rows.num_rows, step)
        ]
        filled = pa.chunked_array(batches, type=_type_of(column))
        rows = rows.set_column(rows.column_names.index(column.name), column.name, filled)
    return rows


def _vectors_of(column: VectorColumn, ids: pa.ChunkedArray, vectors: BatchedVectors) -> pa.ListArray:
    source = pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], ids.type)
    positions, matrix = vectors.fetch(ids_in(source))
    return pooled(column, source, positions, matrix).cast(_type_of(column))


def _type_of(column: VectorColumn) -> pa.DataType:
    return pa.list_(pa.float16() if column.element == "halffloat" else pa.float32())

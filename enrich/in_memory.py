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


def fill_vectors(project: Project, dag: Dag, rows: pa.Table, pinned: Stores | None = None) -> pa.Table:
    """The rows with the vectors of each enrichment of the DAG, which made them, in place of the placeholders.

    Raises InputError where a store is not as it is declared, and DayError where a vector cannot be read.
    """
    return RowVectors(project, dag, pinned).fill(rows)


class RowVectors:
    """The vectors of the enrichments of a DAG, whose stores are opened once; raises InputError as `fill_vectors`."""

    @before_the_first_day()
    def __init__(self, project: Project, dag: Dag, pinned: Stores | None = None) -> None:
        self._columns = vector_columns(dag)
        self._sources: dict[str, BatchedVectors] = {}
        for name, ref in {operator.store.name: operator.store for operator in dag.enrichments}.items():
            store = open_declared(ref, project.data_path(ref.path), pinned)
            store.check()
            self._sources[name] = BatchedVectors(store, store.row_map())

    @before_the_first_day()
    def fill(self, rows: pa.Table) -> pa.Table:
        """The rows with their vectors in place of the placeholders; raises DayError where one cannot be read."""
        # Offsets of lists are int32: no array has the vectors of more rows than a group of a part.
        step = rows_per_group(self._columns)
        for column in self._columns:
            batches = [
                _vectors_of(column, rows.column(column.source).slice(first, step), self._sources[column.store])
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

"""Columns that a day keeps: what the manifest says of them, and which of their rows is the first without a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_pipeline.session.record import KeptColumns
from daeda.dataset.manifest import ColumnStatistics
from daeda.dtypes import python_values
from daeda.operators.relation import Relation
from daeda.operators.relational import Sink


def with_kept(
    relation: Relation,
    kept: KeptColumns,
    counted: Sequence[ColumnStatistics],
    operator: Sink,
    kinds: Mapping[str, str],
) -> tuple[ColumnStatistics, ...]:
    """The statistics of all columns: of those that are kept, what the published day says."""
    by_name = {one.name: one for one in counted}
    return tuple(
        by_name[column.name]
        if column.name in by_name
        else replace(
            kept.statistics(column.name), placeholder=operator.is_placeholder(column), kind=kinds.get(column.name)
        )
        for column in relation.columns
    )


def first_null(paths: Sequence[Path], name: str, labels: Sequence[str]) -> tuple[int, str]:
    """The first row without a value of a column, in these parts one after another, and what tells it from others."""
    before = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            known = [label for label in labels if label in file.schema_arrow.names and label != name]
            table = file.read([name, *known])
            at = pc.index(pc.is_null(table.column(name)), True).as_py()
            if at >= 0:
                return before + at, labels_of_row(table, at, known)
            before += table.num_rows
    return before, ""


def labels_of_row(table: pa.Table, row: int, labels: Sequence[str]) -> str:
    """The labels that the table has, each with its value in a row, as a message tells which row it is."""
    known = [label for label in labels if label in table.column_names]
    return ", ".join(f"{label} {python_values(table.column(label).slice(row, 1))[0]}" for label in known)

"""Statistics of a day's columns for its manifest: nulls, the least and the greatest value.

The footers of the parts have those of integers, which DuckDB collects while it writes; the others are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from beam_pipeline.session.resources import DayResources
from daeda.dataset.manifest import ColumnStatistics
from daeda.errors import cut
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Sink
from daeda.sql import statements
from daeda.sql.handle import Materialised

# Characters of a least or greatest value in the manifest.
_LONGEST_VALUE = 1_000


def column_statistics(
    resources: DayResources,
    relation: Relation,
    given: Materialised,
    footers: Sequence[pq.FileMetaData],
    operator: Sink,
    kinds: Mapping[str, str],
) -> tuple[ColumnStatistics, ...]:
    """The statistics of each column of the day, whose parts have these footers, with its kind where it is known."""
    by_name = _in_footers(relation, footers)
    others = tuple(column for column in relation.columns if column.name not in by_name)
    if others:
        by_name |= {counted.name: counted for counted in _counted(resources, Relation(others), given)}
    return tuple(
        replace(by_name[column.name], placeholder=operator.is_placeholder(column), kind=kinds.get(column.name))
        for column in relation.columns
    )


def _in_footers(relation: Relation, footers: Sequence[pq.FileMetaData]) -> dict[str, ColumnStatistics]:
    """The statistics of the columns of integers for which each group of rows has them."""
    schema = footers[0].schema
    leaves = [schema.column(index) for index in range(len(schema))]
    indices = {leaf.path: index for index, leaf in enumerate(leaves) if not leaf.max_repetition_level}
    by_name: dict[str, ColumnStatistics] = {}
    for column in relation.columns:
        if column.dtype.is_integer:
            statistics = _of_integers(column, indices[column.name], footers)
            if statistics is not None:
                by_name[column.name] = statistics
    return by_name


def _of_integers(column: Column, index: int, footers: Sequence[pq.FileMetaData]) -> ColumnStatistics | None:
    nulls, least, greatest = 0, [], []
    for footer in footers:
        for group in range(footer.num_row_groups):
            chunk = footer.row_group(group).column(index)
            statistics = chunk.statistics
            if statistics is None or not statistics.has_null_count:
                return None
            nulls += statistics.null_count
            if statistics.has_min_max:
                least.append(int(statistics.min))
                greatest.append(int(statistics.max))
            elif statistics.null_count < chunk.num_values:
                return None
    low, high = (str(min(least)), str(max(greatest))) if least else (None, None)
    return ColumnStatistics(column.name, column.dtype.name, nulls, low, high)


def _counted(resources: DayResources, relation: Relation, given: Materialised) -> list[ColumnStatistics]:
    """The same by a query over the rows."""
    resources.arrow_columns.show(only=given.needed(relation.names))
    counts = resources.connection.execute(statements.column_statistics(relation, given)).fetchone()
    assert counts is not None
    rows, values = counts[0], iter(counts[1:])
    counted = []
    for column in relation.columns:
        dtype = column.dtype
        nulls = rows - next(values)
        low, high = (_shortened(next(values)), _shortened(next(values))) if dtype.item is None else (None, None)
        counted.append(ColumnStatistics(column.name, dtype.name, nulls, low, high))
    return counted


def _shortened(text: str | None) -> str | None:
    """A range is for people: the manifest does not hold whole documents."""
    return text if text is None else cut(text, _LONGEST_VALUE)

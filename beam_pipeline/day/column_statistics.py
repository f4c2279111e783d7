"""Facts of a day's columns for its manifest: nulls, the least and the greatest value.

The footers of the parts have those of integers, which DuckDB collects while it writes; the others are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.parquet as pq

from beam_pipeline.session.session import DaySession
from daeda.dataset.manifest import ColumnStatistics
from daeda.errors import cut
from daeda.operators.relation import Column, Relation
from daeda.sql import statements
from daeda.sql.handle import Materialised

# Characters of a least or greatest value in the manifest.
_LONGEST_FACT = 1_000


def facts_of(
    session: DaySession, relation: Relation, given: Materialised, footers: Sequence[pq.FileMetaData]
) -> tuple[ColumnStatistics, ...]:
    """The facts of each column of the day, whose parts have these footers."""
    found = _in_footers(relation, footers)
    others = tuple(one for one in relation.columns if one.name not in found)
    if others:
        found |= {one.name: one for one in _counted(session, Relation(others), given)}
    return tuple(found[name] for name in relation.names)


def _in_footers(relation: Relation, footers: Sequence[pq.FileMetaData]) -> dict[str, ColumnStatistics]:
    """The facts of the columns of integers for which each group of rows has them."""
    schema = footers[0].schema
    leaves = [schema.column(place) for place in range(len(schema))]
    places = {leaf.path: place for place, leaf in enumerate(leaves) if not leaf.max_repetition_level}
    found: dict[str, ColumnStatistics] = {}
    for one in relation.columns:
        if one.dtype.is_integer:
            facts = _of_integers(one, places[one.name], footers)
            if facts is not None:
                found[one.name] = facts
    return found


def _of_integers(column: Column, place: int, footers: Sequence[pq.FileMetaData]) -> ColumnStatistics | None:
    nulls, least, greatest = 0, [], []
    for footer in footers:
        for group in range(footer.num_row_groups):
            chunk = footer.row_group(group).column(place)
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


def _counted(session: DaySession, relation: Relation, given: Materialised) -> list[ColumnStatistics]:
    """The same by a query over the rows."""
    found = session.connection.execute(statements.column_statistics(relation, given)).fetchone()
    assert found is not None
    rows, values = found[0], iter(found[1:])
    facts = []
    for one in relation.columns:
        nulls = rows - next(values)
        low, high = (_shortened(next(values)), _shortened(next(values))) if one.dtype.item is None else (None, None)
        facts.append(ColumnStatistics(one.name, one.dtype.name, nulls, low, high, placeholder=one.dtype.is_embedding))
    return facts


def _shortened(text: str | None) -> str | None:
    """A range is for people: the manifest does not hold whole documents."""
    return text if text is None else cut(text, _LONGEST_FACT)

"""The order of rows of one entity and time: few are, so they alone go to DuckDB, which knows the order of values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from beam_pipeline.history.arrow_arrays import numbers
from beam_pipeline.history.ordering import TiedRows
from beam_pipeline.session.resources import DayResources
from beam_pipeline.windows.contract import Int64s
from daeda.operators.relation import Relation
from daeda.sql import unordered
from daeda.sql.statements import ProbingOperator

_TIED = "daeda_tied"


def put_ties_in_order(
    resources: DayResources,
    operator: ProbingOperator,
    relation: Relation,
    columns: Mapping[str, pa.ChunkedArray],
    ties: TiedRows,
    rows: Int64s,
) -> None:
    """Put rows of one entity and time into their order, in `rows` itself. `relation` is the right side's."""
    names = unordered.tie_columns(operator, relation)
    if not names or not len(ties.positions):
        return
    indices = rows[ties.positions]
    tied = pa.table({name: columns[name].take(pa.array(indices)) for name in names})
    tied = tied.append_column(unordered.GROUP, pa.array(ties.group))
    tied = tied.append_column(unordered.POSITION, pa.array(np.arange(len(indices), dtype=np.int64)))
    with resources.beside() as beside:
        beside.register(_TIED, tied)
        query = unordered.tied_in_order(operator, relation, _TIED)
        order = numbers(beside.execute(query).to_arrow_table().column(0))
        beside.unregister(_TIED)
    rows[ties.positions] = indices[order]

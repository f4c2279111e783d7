"""How much of the memory the work on some probes over a chunk takes: of the chunk, the probes, and what they find.

Lists are what counts: a million rows with 200 numbers each are 1.6 GB, however small the history is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beam_pipeline.history.chunk import Chunk
from beam_pipeline.windows.contract import History, Int64s, Probes
from daeda.operators.temporal import Aggregate, Label

# A history takes half of the engine's memory at most, its order included; work on it has the rest.
_OF_ENGINE = 0.5
# Of a probe: its row, entity and time, and where its windows begin and end.
_PROBE_BYTES = 64
# Numbers, times and the like are not wider; each column of results is there twice while it is made.
_VALUE_BYTES, _COPIES = 8, 2


def share_of(chunk: Chunk, probes: Probes, aggregates: Sequence[Aggregate | Label], engine_bytes: int) -> float:
    """The share of the work on these probes in the memory for such work. Results count as if all windows were open."""
    found = _rows_found(chunk.history, probes) if any(one.max_length for one in aggregates) else None
    nbytes = _PROBE_BYTES * len(probes.entity)
    for aggregate in aggregates:
        values = len(probes.entity) if found is None else _values(aggregate, found)
        nbytes += _COPIES * values * _bytes_of_value(aggregate, chunk.history)
    return chunk.share + nbytes / max(engine_bytes * _OF_ENGINE, 1)


def _rows_found(history: History, probes: Probes) -> Int64s:
    """How many rows the entity of each probe has in the history."""
    begin = np.flatnonzero(np.diff(probes.entity, prepend=-1))
    entity = probes.entity[begin]
    rows = np.searchsorted(history.entity, entity, side="right") - np.searchsorted(history.entity, entity)
    return np.repeat(rows, np.diff(begin, append=len(probes.entity)))


def _values(aggregate: Aggregate | Label, found: Int64s) -> int:
    """Values of all results of an aggregate, at most."""
    return len(found) if aggregate.max_length is None else int(np.minimum(found, aggregate.max_length).sum())


def _bytes_of_value(aggregate: Aggregate | Label, history: History) -> int:
    """Bytes of one of them, at the mean of the columns that it is taken from."""
    read = aggregate.columns or (() if aggregate.column is None else (aggregate.column,))
    columns = [history.columns[name] for name in read if name in history.columns]
    wide = sum(column.nbytes // max(len(column), 1) for column in columns)
    return int(max(wide, _VALUE_BYTES)) + (_VALUE_BYTES if aggregate.age is not None else 0)

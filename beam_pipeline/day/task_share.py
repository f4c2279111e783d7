"""How much of the memory the work on some probes over a chunk takes: of the chunk, the probes, and what they find.

Lists are what counts: a million rows with 200 numbers each are 1.6 GB, however small the history is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from beam_pipeline.history.chunk import Chunk
from beam_pipeline.windows.contract import History, Probes
from daeda.operators.temporal import Aggregate, Label

# A history takes half of the engine's memory at most, its order included; work on it has the rest.
_OF_ENGINE = 0.5
# Of a probe: its row, entity and time, and where its windows begin and end.
_PROBE_BYTES = 64
# Numbers, times and the like are not wider; each column of results is there twice while it is made.
_VALUE_BYTES, _COPIES = 8, 2


def share_of(chunk: Chunk, probes: Probes, aggregates: Sequence[Aggregate | Label], engine_bytes: int) -> float:
    """The share of the work on these probes in the memory for such work. Results count as if all windows were open."""
    values = _values_found(chunk.history, probes, {aggregate.max_length for aggregate in aggregates})
    nbytes = _PROBE_BYTES * len(probes.entity)
    for aggregate in aggregates:
        nbytes += _COPIES * values[aggregate.max_length] * _bytes_of_value(aggregate, chunk.history)
    return chunk.share + nbytes / max(engine_bytes * _OF_ENGINE, 1)


def _values_found(history: History, probes: Probes, lengths: Collection[int | None]) -> dict[int | None, int]:
    """For each greatest length of a list, None for one value, how many values all probes find, at most."""
    lists = [length for length in lengths if length is not None]
    values: dict[int | None, int] = {None: len(probes.entity)}
    if lists:
        begin = np.flatnonzero(np.diff(probes.entity, prepend=-1))
        count = np.diff(begin, append=len(probes.entity))
        entity = probes.entity[begin]
        rows = np.searchsorted(history.entity, entity, side="right") - np.searchsorted(history.entity, entity)
        values |= {length: int((np.minimum(rows, length) * count).sum()) for length in lists}
    return values


def _bytes_of_value(aggregate: Aggregate | Label, history: History) -> int:
    """Bytes of one of them, at the mean of the columns that it is taken from."""
    read = aggregate.columns or (() if aggregate.column is None else (aggregate.column,))
    columns = [history.columns[name] for name in read if name in history.columns]
    wide = sum(column.nbytes // max(len(column), 1) for column in columns)
    return int(max(wide, _VALUE_BYTES)) + (_VALUE_BYTES if aggregate.age is not None else 0)

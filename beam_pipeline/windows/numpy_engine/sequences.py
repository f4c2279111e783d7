"""Sequences: the newest rows of each window, as lists of structs, or as aligned lists of one column each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import AgeOverflow, Extent, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.lists import newest, oldest, runs_down, take
from beam_pipeline.windows.numpy_engine.past import Past

_GREATEST = np.uint64(2**63 - 1)


@dataclass(frozen=True)
class _Picked:
    """Rows of the history, list after list in the order of the finished lists, and where each list begins."""

    rows: pa.Array
    lengths: Int64s
    offsets: pa.Array


class Sequences:
    """The sequences over one history: all columns that are asked for over one window share the rows that it keeps."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._picked: dict[tuple[Extent, int | None, bool, bool], _Picked] = {}

    def of(self, wanted: WindowedAggregate, where: str) -> pa.Array:
        """The lists of one sequence, never NULL, nor are their structs; raises AgeOverflow and DayError."""
        asked = (wanted.extent, wanted.max_length, wanted.newest_first, wanted.keeps_oldest)
        if asked not in self._picked:
            self._picked[asked] = _pick(self._past.windows[wanted.extent], wanted)
        picked = self._picked[asked]
        fields = {name: take(self._past.columns[name], picked.rows) for name in wanted.columns}
        if wanted.age is not None:
            fields[wanted.age] = self._ages(picked, wanted, where)
        values = list(fields.values())
        items = values[0] if wanted.apart else pa.StructArray.from_arrays(values, names=list(fields))
        return pa.ListArray.from_arrays(picked.offsets, items)

    def _ages(self, picked: _Picked, wanted: WindowedAggregate, where: str) -> pa.Array:
        """How long before the probe each row was, in units of the spine and rounded down.

        Two instants of int64 can lie almost 2^64 apart: they are subtracted modulo 2^64, which is exact because no row
        of a window is later than the probe.
        """
        then = self._past.times()[picked.rows.to_numpy()]
        now = np.repeat(self._past.now, picked.lengths)
        ages = (now.view(np.uint64) - then.view(np.uint64)) // np.uint64(wanted.per_spine_unit)
        outside = ages > _GREATEST
        if outside.any():
            ends = np.cumsum(picked.lengths)
            probe = int(np.searchsorted(ends, int(np.argmax(outside)), side="right"))
            raise AgeOverflow(where, wanted.name, int(self._past.entity[probe]), int(self._past.now[probe]))
        return pa.array(ages.view(np.int64))


def _pick(window: Bounds, wanted: WindowedAggregate) -> _Picked:
    assert wanted.max_length is not None
    picked = oldest(window, wanted.max_length) if wanted.keeps_oldest else newest(window, wanted.max_length)
    rows, lengths = picked.rows, picked.lengths
    if wanted.newest_first == wanted.keeps_oldest:
        rows = rows[runs_down(np.cumsum(lengths) - 1, lengths)]
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return _Picked(pa.array(rows), lengths, pa.array(offsets))

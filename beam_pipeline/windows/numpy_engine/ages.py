"""How long ago the newest row of each window was."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s

_GREATEST = np.uint64(2**63 - 1)


def ages_of_newest(times: Int64s, now: Int64s, window: Bounds, per_unit: int) -> tuple[pa.Array, Bools]:
    """`now` less the time of the newest row of each window, in `per_unit` of their units and rounded down.

    NULL where a window is empty. Beside it, where an age does not fit int64. Two instants of int64 can lie almost 2^64
    apart: they are subtracted modulo 2^64, which is exact because no row of a window is later than its end.
    """
    empty = window.hi == window.lo
    if empty.all():
        return pa.nulls(len(window), pa.int64()), np.zeros(len(window), dtype=np.bool_)
    newest = times[np.where(empty, 0, window.hi - 1)]
    ages = (now.view(np.uint64) - newest.view(np.uint64)) // np.uint64(per_unit)
    return pa.array(ages.view(np.int64), mask=empty), ~empty & (ages > _GREATEST)

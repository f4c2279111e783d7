"""Histories and probes of the kernel's tests, and the oracle's answer for them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from beam_pipeline.kernel.aggregate import History, Probes, WindowedAggregate, aggregate
from tests.oracle.rolling import rolling
from tests.oracle.values import order_key

# The columns behind key and time, in tie order.
TIE_ORDER = ("k", "v")
Row = tuple[int, int, int, Any]


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [order_key(value) for value in row])


def history_of(rows: Sequence[Row], kind: pa.DataType) -> History:
    """Rows (entity, time, k, v), which are in order."""
    return History(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        {"k": pa.array([row[2] for row in rows], pa.int64()), "v": pa.array([row[3] for row in rows], kind)},
    )


def probes_of(spine: Sequence[tuple[int, int]]) -> Probes:
    return Probes(np.array([e for e, _ in spine], dtype=np.int64), np.array([t for _, t in spine], dtype=np.int64))


def answers(rows: Sequence[Row], spine: Sequence[tuple[int, int]], wanted: WindowedAggregate) -> list[Any]:
    """What the oracle says."""
    return rolling(
        [{"e": e, "t": t} for e, t in spine],
        [dict(zip(("e", "t", "k", "v"), row, strict=True)) for row in rows],
        ["e"],
        "t",
        "t",
        wanted.kind,
        column=wanted.column,
        window=wanted.window,
        max_length=wanted.max_length,
        order="newest_first" if wanted.newest_first else "oldest_first",
        declared=["e", "t", *TIE_ORDER],
    )


def check(
    rows: Sequence[Row], spine: Sequence[tuple[int, int]], kind: pa.DataType, wanted: list[WindowedAggregate]
) -> list[pa.Array]:
    """Compare the kernel with the oracle, values and types; returns the kernel's arrays."""
    ordered, probing = in_order(rows), sorted(spine)
    found = aggregate(history_of(ordered, kind), probes_of(probing), wanted, "here")
    for one, array in zip(wanted, found, strict=True):
        array.validate(full=True)
        expected = answers(ordered, probing, one)
        keys = [order_key(value) for value in array.to_pylist()]
        assert keys == [order_key(value) for value in expected], (one, array.to_pylist(), expected)
        assert all(not is_negative_zero(value) for value in array.to_pylist())
    return found


def is_negative_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) < 0

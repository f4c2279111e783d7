"""Histories and probes of the engines' tests, and the oracle's answer for them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.numpy_engine.aggregate import aggregate as in_numpy
from beam_pipeline.windows.polars_engine.aggregate import aggregate as in_polars
from tests.oracle.rolling import Faded, end_of, rolling
from tests.oracle.values import order_key

# The columns of a history row, in tie order behind key and time; LATE_NAMES where rows become known late.
NAMES = ("e", "t", "k", "v")
LATE_NAMES = ("e", "t", "known", "k", "v")
Row = tuple[Any, ...]
# What the contract allows a deviation to differ, relative to the exact one.
STD_TOLERANCE = 1e-12
ENGINES = {"duckdb": in_numpy, "polars": in_polars}


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [order_key(value) for value in row])


def history_of(rows: Sequence[Row], kind: pa.DataType, names: Sequence[str] = NAMES) -> History:
    """Rows that are in order, without those that never become known."""
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    int64s = {name: np.array(columns[name], dtype=np.int64) for name in names if name in ("e", "t", "known")}
    values = {"k": pa.array(columns["k"], pa.int64()), "v": pa.array(columns["v"], kind)}
    return History(int64s["e"], int64s["t"], values, int64s.get("known"))


def probes_of(spine: Sequence[tuple[int, int]]) -> Probes:
    return Probes(np.array([e for e, _ in spine], dtype=np.int64), np.array([t for _, t in spine], dtype=np.int64))


def answers(
    rows: Sequence[Row], spine: Sequence[tuple[int, int]], wanted: WindowedAggregate, names: Sequence[str] = NAMES
) -> list[Any]:
    """What the oracle says."""
    return rolling(
        [{"e": e, "t": t} for e, t in spine],
        [dict(zip(names, row, strict=True)) for row in rows],
        ["e"],
        "t",
        "t",
        wanted.kind,
        column=wanted.column,
        window=wanted.window,
        max_length=wanted.max_length,
        order="newest_first" if wanted.newest_first else "oldest_first",
        created="known" if "known" in names else None,
        declared=names,
        unit=wanted.per_spine_unit,
        columns=wanted.columns,
        age=wanted.age,
        apart=wanted.apart,
        aligned_to=wanted.aligned_to,
        offset=wanted.offset,
        q=wanted.q,
        half_life=wanted.half_life,
    )


def check(
    rows: Sequence[Row],
    spine: Sequence[tuple[int, int]],
    kind: pa.DataType,
    wanted: list[WindowedAggregate],
    names: Sequence[str] = NAMES,
) -> list[pa.Array]:
    """Compare both engines with the oracle, values and types; returns the numpy engine's arrays.

    The same probes are asked for their results in another order, too: that of the spine as it is given, backwards.
    """
    ordered, probing = in_order(rows), sorted(spine)
    known = [row for row in ordered if "known" not in names or row[names.index("known")] is not None]
    history, probes = history_of(known, kind, names), probes_of(probing)
    results = {name: engine(history, probes, wanted, "here") for name, engine in ENGINES.items()}
    order = np.argsort(sorted(range(len(spine)), key=spine.__getitem__), kind="stable")[::-1].astype(np.int64)
    by_order = {name: engine(history, replace(probes, order=order), wanted, "here") for name, engine in ENGINES.items()}
    for index, aggregate in enumerate(wanted):
        expected = answers(ordered, probing, aggregate, names)
        for name, arrays in results.items():
            array = arrays[index]
            array.validate(full=True)
            assert array.type == results["duckdb"][index].type, (name, aggregate)
            assert len(array) == len(expected)
            assert by_order[name][index].type == array.type
            in_its_order = array.take(pa.array(order)).to_pylist()
            assert order_key(by_order[name][index].to_pylist()) == order_key(in_its_order), (name, aggregate)
            for value, right in zip(array.to_pylist(), expected, strict=True):
                assert same(aggregate.kind, value, right), (name, aggregate, value, right)
                assert not is_negative_zero(value)
    return results["duckdb"]


def begin_and_end(wanted: WindowedAggregate, now: int) -> tuple[int | None, int]:
    """Where the window of a probe lies, as the audit's walk takes it."""
    end = end_of(now, wanted.aligned_to, wanted.offset)
    return None if wanted.window is None else end - wanted.window, end


def same(kind: str, value: Any, expected: Any) -> bool:
    """Equal, a decayed sum between its ends, a deviation within its tolerance (or the spacing of the least doubles)."""
    if isinstance(expected, Faded):
        return isinstance(value, float) and expected.least <= value <= expected.most
    if kind == "std" and value is not None and expected is not None and math.isfinite(expected):
        return math.isclose(value, expected, rel_tol=STD_TOLERANCE, abs_tol=5e-324)
    return order_key(value) == order_key(expected)


def is_negative_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) < 0

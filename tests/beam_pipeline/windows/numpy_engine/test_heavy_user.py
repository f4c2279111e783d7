"""A user with 100,000 events, beside others: every kind, and rows that become known late."""

from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from daeda.aggregates import DECAYED_KINDS, LIST_KINDS, AggregateKind
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES, same
from tests.kinds import reading
from tests.oracle import rolling as oracle

EVENTS, BEFORE, PROBES = 100_000, 500, 3_000


@cache
def heavy_history():
    """User 1 has a few events, user 2 has 100,000, two at each time, on 2,000 items of which few are frequent."""
    rng = np.random.default_rng(17)
    time = np.concatenate([np.arange(BEFORE), np.arange(EVENTS) // 2])
    items = np.minimum(rng.zipf(1.2, len(time)), 2_000)
    lists = [[int(item), None, int(item) // 3] for item in items]
    columns = {
        "b": pa.array(items == 1_999),
        "v": pa.array(np.where(items % 11 == 0, None, items), pa.int64()),
        "w": pa.array(lists, pa.list_(pa.int64())),
    }
    return History(np.repeat([1, 2], [BEFORE, EVENTS]), time, columns)


def probes_of_heavy(count):
    rng = np.random.default_rng(18)
    return Probes(np.full(count, 2), np.sort(rng.integers(0, EVENTS // 2 + 10, count)))


def rows_seen(history, instant, window):
    """The rows of user 2 in the window, newest first, as the oracle takes them."""
    own = slice(BEFORE, BEFORE + EVENTS)
    time = history.time[own]
    inside = time < instant
    if window is not None:
        inside &= time >= instant - window
    if history.known is not None:
        inside &= history.known[own] < instant
    rows = pa.array(BEFORE + np.flatnonzero(inside)[::-1])
    ages = (instant - history.time[rows.to_numpy()]).tolist()
    return pa.table(history.columns).take(rows).to_pylist(), ages


def compare(engine, history, probes, wanted, every):
    (values,) = ENGINES[engine](history, probes, [wanted], "here")
    for index in range(every // 2, len(probes.time), every):
        rows, ages = rows_seen(history, probes.time[index], wanted.window)
        (column,) = wanted.reads
        halvings = [Fraction(age) / (wanted.half_life or 1) for age in ages]
        expected = oracle.aggregate(
            wanted.kind, rows, column, wanted.max_length, "newest_first", ages, wanted.q, halvings
        )
        assert same(wanted.kind, values[index].as_py(), expected), (wanted, index)


@pytest.mark.some(4)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [None, 300])
@pytest.mark.parametrize("kind", get_args(AggregateKind))
def test_every_kind(kind, window, engine):
    column = reading(kind, {"any": "b", "flatten_distinct": "w"}.get(kind, "v"))
    wanted = WindowedAggregate(
        "x",
        kind,
        window=window,
        max_length=32 if kind in LIST_KINDS else None,
        q=Decimal("0.9") if kind == "quantile" else None,
        half_life=Fraction(1_000, 3) if kind in DECAYED_KINDS else None,
        **column,
    )
    compare(engine, heavy_history(), probes_of_heavy(PROBES), wanted, PROBES // 2)


@pytest.mark.some(1, cases=16)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["count", "sum", "last", "last_distinct"])
@pytest.mark.parametrize("delays", [[100], [0, 0, 0, 0, 0, 0, 0, 0, 0, 5_000]])
def test_rows_that_become_known_late(delays, kind, engine):
    """A fixed delay leaves one range of rows; late corrections make windows that see copies of their rows."""
    rng = np.random.default_rng(19)
    history = heavy_history()
    known = history.time + rng.choice(delays, len(history.time))
    wanted = WindowedAggregate("x", kind, "v", None, 32 if kind in LIST_KINDS else None)
    compare(engine, History(history.entity, history.time, history.columns, known), probes_of_heavy(60), wanted, 15)

"""Blocks of a few rows, so that short histories go through every level: the engine still equals the oracle."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.polars_engine import items, visible
from beam_pipeline.windows.polars_engine.aggregate import aggregate
from beam_pipeline.windows.polars_engine.extremes import greatest, rows_of_greatest
from beam_pipeline.windows.polars_engine.rounding import deviation, nearest, to_doubles
from beam_pipeline.windows.polars_engine.windows import Windows
from daeda.aggregates import LIST_KINDS
from daeda.errors import DayError
from tests.beam_pipeline.windows.numpy_engine.cases import LATE_NAMES, NAMES, answers, history_of, in_order, probes_of
from tests.budget import examples
from tests.oracle.values import order_key

KINDS = ("quantile", "last_distinct", "top_k", "count_distinct", "min", "max")
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.just(0), st.integers(0, 4)), max_size=70)
SPINE = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 44)), max_size=12)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two rows, and a few pairs at a time."""
    monkeypatch.setattr(items, "_SHORT_LEVEL", 1)
    monkeypatch.setattr(items, "_SHORT", 2)
    monkeypatch.setattr(items, "PAIR_BUDGET", 9)
    monkeypatch.setattr(visible, "PAIR_BUDGET", 9)


@settings(max_examples=examples(60))
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), min_size=1, max_size=40),
    asked=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12),
    most=st.sampled_from([1, 2, 5, 2**70]),
    newest_first=st.booleans(),
    searched=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_windows_without_repeats_are_apart(
    rows: list[tuple[int, int]], asked: list[tuple[int, int]], most: int, newest_first: bool, searched: float
) -> None:
    """Whether windows in which no item comes again are searched or not, they have the newest row of each item."""
    rows.sort(key=lambda row: row[0])
    entity = [row[0] for row in rows]
    windows = []
    for last, length in asked:
        newest = last % len(rows)
        windows.append((max(entity.index(entity[newest]), newest - length), newest))
    given = Windows(*(pl.Series([window[end] for window in windows], dtype=pl.Int64) for end in range(2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "_REPEATED", 1.0)
        patch.setattr(items, "_SEARCHED", searched)
        of_rows = items.Items(pl.Series(entity), pl.Series([row[1] for row in rows]))
        picked = items.newest_distinct(of_rows, given, min(most, len(rows)), newest_first=newest_first)
    expected = []
    for first, end in windows:
        found: dict[int, int] = {}
        for row in range(end - 1, first - 1, -1):
            found.setdefault(rows[row][1], row)
        kept = list(found.values())[:most]
        expected.append(kept if newest_first else kept[::-1])
    assert picked.lengths.to_list() == [len(kept) for kept in expected]
    assert picked.rows.to_list() == [row for kept in expected for row in kept]


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(rows=ROWS, spine=SPINE, window=st.sampled_from([None, 5, 17, 33]), most=st.integers(1, 6), late=st.booleans())
def test_every_level(
    rows: list[tuple[int, ...]], spine: list[tuple[int, int]], window: int | None, most: int, late: bool
) -> None:
    names = LATE_NAMES if late else NAMES
    if late:
        rows = [(entity, time, time + 9 * (item == 2), tie, item) for entity, time, tie, item in rows]
    ordered, probing = in_order(rows), sorted(spine)
    wanted = [
        WindowedAggregate(
            kind, kind, "v", window, most if kind in ("last_distinct", "top_k") else None, q=Decimal(most) / 6
        )  # type: ignore[arg-type]
        for kind in KINDS
    ]
    arrays = aggregate(history_of(ordered, pa.int64(), names), probes_of(probing), wanted, "here")
    for aggregated, array in zip(wanted, arrays, strict=True):
        assert array.to_pylist() == answers(ordered, probing, aggregated, names), aggregated


@pytest.mark.parametrize("kind", ["count_distinct", "quantile", "top_k", "last_distinct"])
def test_windows_of_hundreds_of_rows(kind: str) -> None:
    """The blocks as they are, over windows that neither begin with their entity nor end with it."""
    rng = np.random.default_rng(5)
    drawn = np.minimum(rng.zipf(1.3, 3_000), 400)
    rows = in_order([(0, time // 3, 0, int(item)) for time, item in enumerate(drawn)])
    spine = [(0, int(time)) for time in rng.integers(300, 1_000, 25)]
    wanted = WindowedAggregate("x", kind, "v", 290, 40 if kind in LIST_KINDS else None, q=Decimal("0.35"))  # type: ignore[arg-type]
    (array,) = aggregate(history_of(rows, pa.int64()), probes_of(sorted(spine)), [wanted], "here")
    assert array.to_pylist() == answers(rows, sorted(spine), wanted)


ORDERED: list[tuple[pa.DataType, list[Any]]] = [
    (pa.float64(), [-math.inf, -1.5, 0.0, 5e-324, 2.0, math.inf, math.nan]),
    (pa.string(), ["", "A", "Z", "a", "ab", "é", "\uffff", "\U0001f600"]),
    (pa.uint64(), [0, 1, 2**63, 2**64 - 1]),
    (pa.bool_(), [False, True]),
    (pa.list_(pa.float64()), [[], [None], [None, 1.0], [-math.inf], [1.0], [1.0, None], [1.0, 2.0], [math.nan]]),
    (pa.list_(pa.list_(pa.int64())), [[], [None], [[]], [[None]], [[1]], [[1], [2]]]),
]


@pytest.mark.parametrize(
    ("kind", "values"), ORDERED, ids=lambda value: str(value) if isinstance(value, pa.DataType) else ""
)
def test_polars_orders_values_as_the_contract_does(kind: pa.DataType, values: list[Any]) -> None:
    assert [order_key(value) for value in values] == sorted(order_key(value) for value in values)
    shuffled = [values[index] for index in np.random.default_rng(1).permutation(len(values))]
    series, rows = pl.Series(pa.array(shuffled, kind)), len(values)
    windows = Windows(pl.Series([0] * rows), pl.select(pl.int_range(1, rows + 1)).to_series())
    for least, choose in ((False, max), (True, min)):
        greatest = rows_of_greatest(series, windows, least=least).to_list()
        wanted = [choose(shuffled[:end], key=order_key) for end in range(1, rows + 1)]
        assert [order_key(shuffled[row]) for row in greatest] == [order_key(value) for value in wanted]


@given(
    st.lists(st.integers(-(2**93), 2**93), min_size=1, max_size=4),
    st.sampled_from([-1074, -1000, -961, -960, -300, -52, 0, 40, 900]),
    st.integers(1, 2**33),
)
@settings(max_examples=examples(300))
def test_sums_of_bands_are_rounded_once(integers: list[int], exponent: int, count: int) -> None:
    parts = [(pl.Series([integer], dtype=pl.Int128), exponent + 40 * index) for index, integer in enumerate(integers)]
    exact = sum(integer << (40 * index) for index, integer in enumerate(integers))
    assert to_doubles(parts)[0] == nearest(exact, 1, exponent)
    assert to_doubles(parts, pl.Series([count]))[0] == nearest(exact, count, exponent)


def test_deviations_at_the_ends_of_doubles() -> None:
    assert deviation(2, 3, 5, 0, 1) == math.sqrt(0.5)
    assert deviation(2, 0, 2 * (2**53 - 1) ** 2, 971, 1) == math.inf
    assert deviation(3, 3, 3, 0, 1) == 0.0
    assert deviation(2, 1, 1, -1074, 1) == 5e-324


def test_the_greatest_of_no_rows() -> None:
    nothing = pl.Series([], dtype=pl.Int64)
    assert greatest(nothing, Windows(nothing, nothing)).to_list() == []
    zeros = pl.Series([0, 0])
    assert greatest(nothing, Windows(zeros, zeros)).to_list() == [None, None]


def test_the_bytes_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of another size are other work in another order, and the same bytes."""
    rng = np.random.default_rng(9)
    history = History(
        np.sort(rng.integers(0, 9, 4_000)), np.arange(4_000), {"v": pa.array(rng.normal(0, 1e9, 4_000) ** 3)}
    )
    entity = np.sort(rng.integers(0, 9, 600))
    probes = Probes(entity, np.sort(rng.integers(0, 4_000, 600)))
    order = np.lexsort((probes.time, entity))
    probes = Probes(entity[order], probes.time[order])
    wanted = [WindowedAggregate(kind, kind, "v", 900) for kind in ("sum", "mean", "std")]
    wanted += [WindowedAggregate("d", "last_distinct", "v", 900, 7), WindowedAggregate("t", "top_k", "v", None, 7)]
    before = aggregate(history, probes, wanted, "here")
    monkeypatch.setattr(items, "PAIR_BUDGET", 1_000)
    after = aggregate(history, probes, wanted, "here")
    assert all(array.equals(other) for array, other in zip(before, after, strict=True))


def test_text_cannot_be_summed() -> None:
    wanted = [WindowedAggregate("s", "sum", "v", None)]
    history = history_of([(0, 1, 0, "a")], pa.string())
    with pytest.raises(DayError, match=r"^a sum needs numbers, found a column of String$"):
        aggregate(history, probes_of([(0, 2)]), wanted, "here")

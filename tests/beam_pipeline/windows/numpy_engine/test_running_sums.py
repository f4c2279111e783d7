"""Running sums of several pieces: what the oracle says of all their rows, and the bits of one pass over them."""

import itertools
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import SumOverflow, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import segments_of
from beam_pipeline.windows.numpy_engine.running_sums import (
    Piece,
    aggregate_pieces,
    can_sum,
    running_sums,
    summed_columns,
)
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES, answers, history_of, in_order, probes_of, same
from tests.budget import examples

# Times of a piece: three pieces follow one another.
SPAN = 10
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**58), 2**58),
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.uint64(): st.integers(0, 2**58),
    pa.float64(): st.floats(-1e6, 1e6) | st.sampled_from([0.1, -0.0, 1e16, -1e16, 2.0**-40, 5e-20]),
    pa.float32(): st.floats(-1e6, 1e6, width=32),
    pa.decimal128(30, 4): st.integers(-(10**29), 10**29).map(lambda value: Decimal(value).scaleb(-4)),
}


def wanted_of(windows: list[int | None], aligned: int | None, offset: int) -> list[WindowedAggregate]:
    kinds: list[tuple[Any, str | None]] = [("count", None), ("count", "v"), ("any", None), ("sum", "v"), ("mean", "v")]
    return [
        WindowedAggregate(f"{kind}_{column}_{number}", kind, column, window, aligned_to=aligned, offset=offset)
        for (kind, column), (number, window) in itertools.product(kinds, enumerate(windows))
    ]


def piece_of(rows: list[tuple[Any, ...]], kind: pa.DataType, wanted: list[WindowedAggregate]) -> Piece | None:
    history = history_of(rows, kind)
    sums = {}
    for name, summed in summed_columns(wanted).items():
        found = running_sums(history.columns[name], summed)
        if found is None:
            return None
        sums[name] = found
    times = history.time
    span = (int(times.min()), int(times.max())) if len(times) else None
    return Piece(segments_of(history.entity), times, span, sums)


@settings(max_examples=examples(300))
@given(st.data())
def test_pieces_give_what_the_oracle_says(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(VALUES)))
    pieces_rows = [
        data.draw(
            st.lists(
                st.tuples(
                    st.integers(0, 3),
                    st.integers(SPAN * number, SPAN * (number + 1) - 1),
                    st.just(0),
                    st.none() | VALUES[kind],
                ),
                max_size=8,
            )
        )
        for number in range(data.draw(st.integers(1, 3)))
    ]
    spine = sorted(data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 3 * SPAN + 1)), max_size=8)))
    windows = data.draw(st.lists(st.none() | st.integers(1, 40), min_size=1, max_size=2))
    aligned, offset = data.draw(st.none() | st.integers(1, 7)), data.draw(st.integers(0, 12))
    wanted = wanted_of(windows, aligned, offset)
    pieces = [piece_of(in_order(rows), kind, wanted) for rows in pieces_rows]
    assume(None not in pieces)
    probes = probes_of(spine)
    got = aggregate_pieces([piece for piece in pieces if piece], probes, wanted, "here")
    order = np.array(data.draw(st.permutations(range(len(spine)))), dtype=np.int64)
    by_order = aggregate_pieces([piece for piece in pieces if piece], replace(probes, order=order), wanted, "here")
    assert all(array.take(pa.array(order)).equals(other) for array, other in zip(got, by_order, strict=True))
    rows = in_order([row for rows in pieces_rows for row in rows])
    whole = ENGINES["duckdb"](history_of(rows, kind), probes, wanted, "here")
    for aggregate, array, one_pass in zip(wanted, got, whole, strict=True):
        assert array.equals(one_pass), aggregate
        for value, right in zip(array.to_pylist(), answers(rows, spine, aggregate), strict=True):
            assert same(aggregate.kind, value, right), (aggregate, value, right)


@pytest.mark.parametrize(
    "values", [[1.0, float("nan")], [float("inf")], [1e300, 1e-300], [5e-324], [1.7976931348623157e308]]
)
def test_what_running_sums_do_not_hold_is_refused(values: list[float]) -> None:
    assert running_sums(pa.array(values), summed=True) is None
    assert running_sums(pa.array(values), summed=False) is not None


@pytest.mark.parametrize(
    ("values", "places"),
    [
        # The bits of the least value end in the third place below the point, and in the second.
        ([0.75, -(2.0**-44)], 3),
        ([0.75, -(2.0**-11)], 2),
        ([-1.0, 1.0 - 2.0**-53], 3),
        ([-(2.0**32), 2.0**-11], 4),
        ([-(2.0**32 - 1), 2.0**32 - 1], 2),
        ([0.0, 0.0], 0),
    ],
)
def test_no_more_places_are_kept_than_the_bits_of_doubles_need(values: list[float], places: int) -> None:
    made = running_sums(pa.array(values), True)
    assert made is not None
    assert len(made.limbs) == places
    for row in range(len(values) + 1):
        units = sum(int(limb[row]) << (32 * place) for place, limb in enumerate(made.limbs))
        assert units * Fraction(2) ** (32 * made.lowest) == sum(map(Fraction, values[:row]))


def test_only_what_adds_up_is_summed() -> None:
    types = {"v": pa.float64(), "s": pa.string(), "b": pa.bool_()}
    yes = [WindowedAggregate("a", "count"), WindowedAggregate("b", "sum", "v"), WindowedAggregate("c", "count", "s")]
    assert can_sum(yes, types)
    for kind, column in (("min", "v"), ("std", "v"), ("any", "b"), ("sum", "s"), ("count_distinct", "s")):
        assert not can_sum([*yes, WindowedAggregate("d", kind, column)], types)  # type: ignore[arg-type]
    assert summed_columns(yes) == {"v": True, "s": False}


def test_a_sum_that_does_not_fit_names_its_entity() -> None:
    wanted = [WindowedAggregate("total", "sum", "v")]
    rows = [[(1, 0, 0, 1), (3, 1, 0, 2**63 - 1)], [(3, 10, 0, 1)]]
    pieces = [piece_of(one, pa.int64(), wanted) for one in rows]
    probes = probes_of([(1, 20), (3, 20)])
    with pytest.raises(SumOverflow, match="entity with code 3") as raised:
        aggregate_pieces([piece for piece in pieces if piece], probes, wanted, "here")
    assert (raised.value.aggregate, raised.value.entity) == ("total", 3)


def test_segments_may_lie_anywhere_among_the_rows() -> None:
    """A share of a block leaves out entities and rows."""
    wanted = [WindowedAggregate("total", "sum", "v"), WindowedAggregate("rows", "count")]
    rows = [(entity, time, 0, 10**entity) for entity in range(3) for time in range(4)]
    whole = piece_of(rows, pa.int64(), wanted)
    assert whole is not None
    some = segments_of(np.array([0, 2]))
    segments = type(some)(np.array([0, 2]), np.array([1, 9]), np.array([4, 11]))
    piece = Piece(segments, whole.time, (1, 3), whole.sums)
    probes = probes_of([(0, 9), (1, 9), (2, 2), (2, 9)])
    total, count = aggregate_pieces([piece], probes, wanted, "here")
    assert total.to_pylist() == [3, None, 100, 200]
    assert count.to_pylist() == [3, 0, 1, 2]

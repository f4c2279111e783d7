"""Sums: exact, independent of order, and overflow named."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import History, Probes, SumOverflow, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import Bounds
from beam_pipeline.windows.numpy_engine.double_sum import double_sums
from beam_pipeline.windows.numpy_engine.exact_sum import window_sums
from beam_pipeline.windows.numpy_engine.limbs import MOST_ROWS, window_digits
from daeda.errors import DayError
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES
from tests.budget import examples
from tests.oracle.rolling import total
from tests.oracle.values import order_key

BOTH = tuple(ENGINES.values())
SUM = WindowedAggregate("total", "sum", "v", None)
ANY_RANGE = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted)
EDGES = [5e-324, -5e-324, 2.0**-1022, 2.0**-1074 * 3, 1e-308, 1e308, 1.7976931348623157e308, -1.7976931348623157e308]


def windows_of(ranges, rows):
    clipped = np.minimum(np.array(ranges, dtype=np.int64).reshape(-1, 2), rows)
    return Bounds(clipped[:, 0], clipped[:, 1])


def sum_all(values, kind, engines=BOTH):
    """The sum of all values, by the interface: the same by every engine."""
    rows = len(values)
    history = History(np.full(rows, 7, dtype=np.int64), np.arange(rows), {"v": pa.array(values, kind)})
    probe, where = Probes(np.array([7]), np.array([rows])), "operator 'r', day 2017-01-29"
    sums = [engine(history, probe, [SUM], where)[0][0].as_py() for engine in engines]
    assert all(order_key(total) == order_key(sums[0]) for total in sums)
    return sums[0]


def bits(value):
    return np.float64(value).tobytes()


@settings(max_examples=examples(150))
@given(st.lists(st.floats() | st.sampled_from(EDGES), max_size=30), st.lists(ANY_RANGE, min_size=1, max_size=6))
def test_doubles_are_correctly_rounded(values, ranges):
    window = windows_of(ranges, len(values))
    (sums,) = double_sums(np.array(values, dtype=np.float64), [window])
    for lo, hi, rounded in zip(window.lo, window.hi, sums, strict=True):
        inside = [value + 0.0 for value in values[lo:hi]]
        assert bits(rounded) == bits(total(inside) + 0.0 if inside else 0.0)


@settings(max_examples=examples(100))
@given(st.lists(st.floats() | st.sampled_from(EDGES), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_doubles_does_not_show(values, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert bits(sum_all(shuffled, pa.float64())) == bits(sum_all(values, pa.float64()))


@settings(max_examples=examples(100))
@given(st.lists(st.floats() | st.sampled_from(EDGES), max_size=20), st.lists(st.floats(), max_size=20))
def test_other_rows_of_the_chunk_do_not_show(values, others):
    """The exponents and special values of other entities leave no trace."""
    window = Bounds(np.array([0]), np.array([len(values)]))
    (alone,) = double_sums(np.array(values), [window])
    (beside,) = double_sums(np.array(values + others), [window])
    assert alone.tobytes() == beside.tobytes()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e16, 1.0, -1e16], 1.0),
        ([1e308, 1e-308, 5e-324, -1e308], float(Fraction(1e-308) + Fraction(5e-324))),
        ([1e308, 1e-308, 5e-324], 1e308),
        ([1e308, 1e308], math.inf),
        ([-1e308, -1e308], -math.inf),
        ([1.7976931348623157e308, 9.979201547673599e291], math.inf),  # half a unit above the greatest: ties to even
        ([1.7976931348623157e308, 9.97920154767359e291], 1.7976931348623157e308),
        ([1e308, 1e308, -1e308], 1e308),
        ([5e-324] * 3, 1.5e-323),
        ([1.0, 2.0**-53], 1.0),
        ([1.0, 2.0**-53, 5e-324], 1.0 + 2.0**-52),
        ([-1.0, -(2.0**-53), -5e-324], -1.0 - 2.0**-52),
        ([0.1, -0.1], 0.0),
        ([-0.0, -0.0], 0.0),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([-math.inf, -1e308, -1e308], -math.inf),
        ([math.nan, math.inf], math.nan),
    ],
)
def test_doubles_by_hand(values, expected):
    assert bits(sum_all(values, pa.float64())) == bits(expected)


def test_one_pattern_of_nan():
    payload = np.array([0xFFF8_0000_0000_0123], dtype=np.uint64).view(np.float64)
    assert bits(sum_all(payload, pa.float64())) == bits(np.nan)


def test_special_values_touch_only_their_windows():
    values = np.array([1.0, math.nan, 2.0, math.inf, 3.0, -math.inf, 4.0])
    rows = np.arange(len(values))
    (sums,) = double_sums(values, [Bounds(rows, np.minimum(rows + 2, len(values)))])
    assert [bits(value) for value in sums] == [
        bits(value) for value in (math.nan, math.nan, math.inf, math.inf, -math.inf, -math.inf, 4.0)
    ]


def test_singles_are_summed_as_doubles():
    assert sum_all([np.float32(0.1), np.float32(0.2)], pa.float32()) == float(
        Fraction(float(np.float32(0.1))) + Fraction(float(np.float32(0.2)))
    )


def test_many_blocks_of_doubles():
    """More rows than one block of the decomposition, against math.fsum."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=100_000) * 10.0 ** rng.integers(-20, 20, 100_000)
    bounds = np.sort(rng.integers(0, len(values), (200, 2)), axis=1)
    (sums,) = double_sums(values, [Bounds(bounds[:, 0], bounds[:, 1])])
    assert sums.tolist() == [math.fsum(values[lo:hi]) for lo, hi in bounds]


INTEGERS = {
    pa.int8(): (-(2**7), 2**7 - 1),
    pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint32(): (0, 2**32 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


@settings(max_examples=examples(150))
@given(st.sampled_from(list(INTEGERS)), st.data(), st.lists(ANY_RANGE, min_size=1, max_size=6))
def test_integers_are_exact_or_marked(kind, data, ranges):
    least, greatest = INTEGERS[kind]
    value = st.integers(least, greatest) | st.sampled_from([least, greatest])
    values = data.draw(st.lists(value, max_size=30))
    window = windows_of(ranges, len(values))
    (sums,) = window_sums(pa.array(values, kind), [window])
    for index, (lo, hi) in enumerate(zip(window.lo, window.hi, strict=True)):
        exact = sum(values[lo:hi])
        assert sums.outside[index] == (not -(2**63) <= exact < 2**63)
        assert sums.outside[index] or sums.values[index] == exact


@settings(max_examples=examples(100))
@given(
    st.lists(st.integers(1 - 10**38, 10**38 - 1) | st.sampled_from([10**38 - 1, 1 - 10**38, 1, -1]), max_size=30),
    st.lists(ANY_RANGE, min_size=1, max_size=6),
)
def test_decimals_are_exact_or_marked(unscaled, ranges):
    kind = pa.decimal128(38, 0)
    window = windows_of(ranges, len(unscaled))
    (sums,) = window_sums(pa.array([Decimal(value) for value in unscaled], kind), [window])
    exact = [sum(unscaled[lo:hi]) for lo, hi in zip(window.lo, window.hi, strict=True)]
    assert sums.outside.tolist() == [abs(value) >= 10**38 for value in exact]
    decimals = sums.to_arrow(sums.outside).to_pylist()
    assert decimals == [Decimal(value) if abs(value) < 10**38 else None for value in exact]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([2**63 - 1, 1], pa.int64()),
        ([-(2**63), -1], pa.int64()),
        ([2**63], pa.uint64()),
        ([2**64 - 1] * 5, pa.uint64()),
        ([Decimal(10**38 - 1), Decimal(1)], pa.decimal128(38, 0)),
        ([Decimal(1 - 10**38)] * 4, pa.decimal128(38, 0)),
    ],
)
def test_an_overflow_names_its_place(values, kind, engine):
    with pytest.raises(SumOverflow) as caught:
        sum_all(values, kind, [ENGINES[engine]])
    fits = "int64" if pa.types.is_integer(kind) else "decimal128(38, 0)"
    assert str(caught.value) == (
        f"operator 'r', day 2017-01-29: the sum 'total' of the entity with code 7 does not fit {fits}"
    )
    assert (caught.value.entity, caught.value.aggregate) == (7, "total")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([2**63 - 1, 2**63 - 1, -(2**63), -(2**63)], pa.int64(), -2),
        ([2**63 - 1, -1, 1], pa.int64(), 2**63 - 1),
        ([2**63 - 1], pa.uint64(), 2**63 - 1),
        ([2**62, 2**62 - 1], pa.uint64(), 2**63 - 1),
        ([127] * 1000, pa.int8(), 127_000),
        ([Decimal("9.99"), Decimal("-0.01")], pa.decimal128(3, 2), Decimal("9.98")),
        ([Decimal(10**38 - 1), Decimal(1), Decimal(-1)], pa.decimal128(38, 0), Decimal(10**38 - 1)),
        ([Decimal("1.5"), Decimal("2.5")], pa.decimal32(5, 1), Decimal("4.0")),
    ],
)
def test_sums_inside_the_limits(values, kind, expected):
    assert sum_all(values, kind) == expected


def test_an_overflow_outside_the_window_is_none():
    history = History(np.zeros(3, dtype=np.int64), np.arange(3), {"v": pa.array([2**63 - 1, 1, 2])})
    wanted = [WindowedAggregate("total", "sum", "v", 2)]
    probes = Probes(np.zeros(1, dtype=np.int64), np.array([3]))
    assert [engine(history, probes, wanted, "here")[0].to_pylist() for engine in ENGINES.values()] == [[3], [3]]


def test_more_rows_than_the_carries_hold():
    with pytest.raises(DayError, match=r"^a chunk of 1073741824 history rows is above the 1073741823 that"):
        window_digits([], 0, MOST_ROWS + 1, [])

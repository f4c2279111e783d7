"""The structures behind the kinds against plain loops: trees, orders, counts of items, frequencies, deviations."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.numpy_engine import frequent, visibility
from beam_pipeline.windows.numpy_engine.bounds import Bounds
from beam_pipeline.windows.numpy_engine.distinct import grouped
from beam_pipeline.windows.numpy_engine.distinct_count import distinct_counts
from beam_pipeline.windows.numpy_engine.frequent import most_frequent
from beam_pipeline.windows.numpy_engine.moments import window_deviations, window_means
from beam_pipeline.windows.numpy_engine.order import order_codes
from beam_pipeline.windows.numpy_engine.rounding import to_doubles
from beam_pipeline.windows.numpy_engine.tree import greatest_rows, maxima, previous
from beam_pipeline.windows.numpy_engine.visibility import Visibility
from daeda.errors import DayError
from tests.budget import examples
from tests.oracle.values import order_key

SEEDS = st.integers(0, 2**32)


def some_windows(rng, rows, count):
    ends = np.sort(rng.integers(0, rows + 1, (count, 2)), axis=1)
    return Bounds(ends[:, 0], ends[:, 1])


@settings(max_examples=examples(60))
@given(SEEDS, st.integers(0, 70))
def test_the_nearest_row_whose_key_is_large_enough(seed, rows):
    rng = np.random.default_rng(seed)
    keys = rng.integers(-5, 6, rows)
    window = some_windows(rng, rows, 30)
    least = rng.integers(-6, 7, 30)
    rows = previous(maxima(keys.copy()), window.hi, window.lo, least)
    for index, (lo, hi) in enumerate(zip(window.lo, window.hi, strict=True)):
        wanted = [row for row in range(lo, hi) if keys[row] >= least[index]]
        assert rows[index] == wanted[-1] if wanted else rows[index] < lo


@settings(max_examples=examples(60))
@given(SEEDS, st.integers(0, 70))
def test_the_row_of_the_greatest_key(seed, rows):
    rng = np.random.default_rng(seed)
    keys = rng.choice([-(2**63), -1, 0, 3, 2**63 - 1], rows)
    window = some_windows(rng, rows, 30)
    for row, lo, hi in zip(greatest_rows(keys, window), window.lo, window.hi, strict=True):
        assert (row == -1) if lo == hi else (lo <= row < hi and keys[row] == keys[lo:hi].max())


VALUES = {
    "doubles": (pa.float64(), [math.nan, -math.inf, -1.5, -5e-324, 0.0, 5e-324, 2.0, math.inf]),
    "floats": (pa.float32(), [math.nan, -math.inf, -1.5, 0.0, 2.0, math.inf]),
    "unsigned": (pa.uint64(), [0, 1, 2**63 - 1, 2**63, 2**64 - 1]),
    "text": (pa.string(), ["", "Z", "a", "ab", "é", "\uffff", "\U0001f600"]),
    "lists": (pa.list_(pa.float64()), [[], [None], [None, 1.0], [-1.0], [1.0], [1.0, None], [1.0, 0.5], [math.nan]]),
    "lists of lists": (
        pa.list_(pa.list_(pa.string())),
        [[], [None], [[]], [["a"]], [["a"], None], [["a"], []], [["b"]]],
    ),
    "bools": (pa.bool_(), [False, True]),
}


@pytest.mark.parametrize("name", VALUES)
def test_codes_are_in_the_order_of_the_values(name):
    kind, values = VALUES[name]
    shuffled = [values[index] for index in np.random.default_rng(4).integers(0, len(values), 40)]
    codes = order_codes(pa.array([None, *shuffled], kind).slice(1)).tolist()
    for code, following, left, right in zip(codes, codes[1:], shuffled, shuffled[1:], strict=False):
        assert (code < following, code == following) == (
            order_key(left) < order_key(right),
            order_key(left) == order_key(right),
        )


def test_structs_have_no_order():
    with pytest.raises(DayError, match=r"^values of type struct<a: int64> have no order$"):
        order_codes(pa.array([{"a": 1}]))


def some_items(rng, rows, items):
    """Entities, items, and windows that lie within one entity each."""
    entity = np.sort(rng.integers(0, 4, rows))
    codes = rng.integers(0, items, rows)
    hi = rng.integers(0, rows, 40)
    begin = np.searchsorted(entity, entity[hi])
    return entity, codes, Bounds(rng.integers(begin, hi + 1), hi)


@settings(max_examples=examples(40))
@given(SEEDS, st.sampled_from([1, 3, 40, 1000]))
def test_how_many_items(seed, items):
    rng = np.random.default_rng(seed)
    entity, codes, window = some_items(rng, int(rng.integers(1, 300)), items)
    whole = Bounds(np.searchsorted(entity, entity[window.hi]), window.hi)
    both = distinct_counts(grouped(entity, codes, items), [window, whole])
    for counts, ranges in zip(both, (window, whole), strict=True):
        wanted = [len(set(codes[lo:hi].tolist())) for lo, hi in zip(ranges.lo, ranges.hi, strict=True)]
        assert counts.tolist() == wanted


def by_frequency(codes, lo, hi, most):
    """The newest row of each item, most frequent first, ties to the newest."""
    times = Counter(codes[lo:hi].tolist())
    newest = {code: row for row, code in enumerate(codes[:hi].tolist()) if row >= lo}
    return sorted(newest.values(), key=lambda row: (-times[codes[row]], -row))[:most]


@pytest.mark.parametrize(("fringe", "heavy", "budget"), [(1024, 8192, 1 << 18), (4, 8, 1 << 18), (16, 1, 7), (1, 2, 1)])
@settings(max_examples=examples(30))
@given(seed=SEEDS, items=st.sampled_from([1, 3, 40, 1000]), most=st.sampled_from([1, 2, 7, 10**6]))
def test_light_and_heavy_windows(fringe, heavy, budget, seed, items, most):
    """Whatever counts as heavy, and however small the blocks are."""
    rng = np.random.default_rng(seed)
    entity, codes, window = some_items(rng, int(rng.integers(1, 300)), items)
    order = np.lexsort((window.lo, window.hi))
    window = Bounds(window.lo[order], window.hi[order])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequent, "_FRINGE", fringe)
        patch.setattr(frequent, "_HEAVY", heavy)
        patch.setattr(frequent, "PAIR_BUDGET", budget)
        picked = most_frequent(grouped(entity, codes, items), window, most)
    lists = [part.tolist() for part in np.split(picked.rows, np.cumsum(picked.lengths)[:-1])]
    assert lists == [by_frequency(codes, lo, hi, most) for lo, hi in zip(window.lo, window.hi, strict=True)]


@settings(max_examples=examples(60))
@given(SEEDS, st.integers(1, 40), st.sampled_from([1, 50]))
def test_what_a_probe_may_see(seed, rows, budget):
    """One range, or a copy of the rows that are visible."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 12, rows))
    known = time + rng.choice([-1, 0, 0, 1, 6], rows)
    instant = np.sort(rng.integers(0, 20, 12))
    hi = np.searchsorted(time, instant)
    window = Bounds(rng.integers(0, hi + 1), hi)
    looked = Visibility(time, known)
    seen = looked.within(window, instant)
    rows_seen = [list(range(lo, hi)) for lo, hi in zip(seen.bounds.lo, seen.bounds.hi, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visibility, "ROW_BUDGET", budget)
        for copies in looked.copies(window, instant, seen.mixed):
            assert copies.ranks().tolist() == sorted(copies.ranks().tolist())
            for index, lo, end in zip(copies.probes, copies.bounds.lo, copies.bounds.hi, strict=True):
                assert rows_seen[index] == []
                rows_seen[index] = copies.rows[lo:end].tolist()
    for index, rows in enumerate(rows_seen):
        visible = [row for row in range(window.lo[index], window.hi[index]) if known[row] < instant[index]]
        assert rows == visible
        is_range = visible == list(range(visible[0], visible[0] + len(visible))) if visible else True
        hidden_before = bool(visible) and visible[0] > window.lo[index]
        assert (index in seen.mixed) == (not is_range or hidden_before)


def bits(value):
    return np.float64(value).tobytes()


def over_all(values, kind, function):
    array = pa.array(values, kind)
    return float(function(array, [Bounds(np.array([0]), np.array([len(array)]))])[0][0])


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1e308, 1e308, 1e308], 1e308),
        ([1.7976931348623157e308, 1.7976931348623157e308], 1.7976931348623157e308),
        ([5e-324, 0.0], 0.0),  # half of the least double: ties to even
        ([5e-324, 1e-323], 1e-323),
        ([-5e-324, 0.0], 0.0),  # without a sign
        ([5e-324, 5e-324, 5e-324, 0.0], 5e-324),
        ([5e-324, 0.0, 0.0], 0.0),
        ([2.0**-1022, 5e-324], float((Fraction(2.0**-1022) + Fraction(5e-324)) / 2)),
        ([0.1, 0.2, 0.3], float((Fraction(0.1) + Fraction(0.2) + Fraction(0.3)) / 3)),
        ([1e16, 1.0, -1e16], float(Fraction(1, 3))),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
    ],
)
def test_means_by_hand(values, mean):
    assert bits(over_all(values, pa.float64(), window_means)) == bits(mean)


@pytest.mark.parametrize(
    ("values", "deviation"),
    [
        ([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], math.sqrt(30)),  # the example that sinks the textbook formula
        ([1e308, -1e308], math.sqrt(2) * 1e308),
        ([1.7976931348623157e308, -1.7976931348623157e308], math.inf),
        ([0.1] * 7, 0.0),
        ([3.0, 3.0, math.inf], math.nan),
        ([1e-200, 3e-200], math.sqrt(2) * 1e-200),
    ],
)
def test_deviations_by_hand(values, deviation):
    root = over_all(values, pa.float64(), window_deviations)
    assert math.isclose(root, deviation, rel_tol=1e-15) or bits(root) == bits(deviation)


@settings(max_examples=examples(200))
@given(st.integers(2**63, 2**64 - 1), st.integers(-1200, 970))
def test_rounding_to_doubles(whole, exponent):
    """Once, also to the short numbers below 2^-1022; and to infinity."""
    rounded = to_doubles(np.array([whole], dtype=np.uint64), np.array([exponent]))[0]
    try:
        wanted = float(Fraction(whole) * Fraction(2) ** exponent)
    except OverflowError:
        wanted = math.inf
    assert bits(rounded) == bits(wanted)

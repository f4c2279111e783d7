"""Lists and distinct items: heavy users, small budgets, and both orders of grouping."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.numpy_engine import distinct, lists
from beam_pipeline.windows.numpy_engine.aggregate import aggregate
from beam_pipeline.windows.numpy_engine.bounds import Bounds
from beam_pipeline.windows.numpy_engine.distinct import grouped, item_codes, newest_distinct
from daeda.errors import DayError
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES
from tests.budget import examples
from tests.oracle.rolling import first_of_each


def expected_rows(codes, window, most):
    """The newest row of each item, newest first, by definition."""
    lists_ = []
    for lo, hi in zip(window.lo, window.hi, strict=True):
        newest = {}
        for row in range(hi - 1, lo - 1, -1):
            newest.setdefault(codes[row], row)
        lists_.append(list(newest.values())[:most])
    return lists_


def as_lists(picked):
    return [part.tolist() for part in np.split(picked.rows, np.cumsum(picked.lengths)[:-1])]


@pytest.mark.parametrize(("budget", "jump"), [(1 << 18, 64), (5, 64), (5, 0), (1 << 18, 0), (1 << 18, 10**9)])
@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 2**32),
    items=st.sampled_from([1, 3, 30, 1000]),
    most=st.sampled_from([1, 2, 7, 10**6, 2**70]),
    searched=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_way_to_look_back(budget, jump, seed, items, most, searched):
    """Small blocks, jumps at once and no jumps at all find the same rows, whether windows without repeats are apart."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 400))
    entity = np.sort(rng.integers(0, 3, rows))
    codes = rng.integers(0, items, rows)
    probes = rng.integers(0, rows, 25)
    begin = np.searchsorted(entity, entity[probes])
    window = Bounds(rng.integers(begin, probes + 1), probes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "PAIR_BUDGET", budget)
        patch.setattr(distinct, "_JUMP_COST", jump)
        patch.setattr(distinct, "_FIRST_LOOK", 4)
        patch.setattr(distinct, "_SEARCHED", searched)
        patch.setattr(distinct, "_REPEATED", 1.0)
        lists = as_lists(newest_distinct(grouped(entity, codes, items).following, window, most))
    assert lists == expected_rows(codes, window, most)


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40), st.sampled_from([6, 2**62]))
def test_the_next_row_of_the_same_item(pairs, limit):
    """Packed where the limit is small, by lexsort where it is large."""
    pairs = sorted(pairs, key=lambda pair: pair[0])
    entity, codes = (np.array([pair[index] for pair in pairs]) for index in range(2))
    expected = [
        next((later for later in range(row + 1, len(pairs)) if pairs[later] == pairs[row]), len(pairs))
        for row in range(len(pairs))
    ]
    assert grouped(entity, codes, limit).following.tolist() == expected


def heavy_user(engine, items, probes, max_length, newest_first=True):
    history = History(np.zeros(len(items), dtype=np.int64), np.arange(len(items)) // 2, {"v": pa.array(items)})
    wanted = [WindowedAggregate("x", "last_distinct", "v", None, max_length, newest_first)]
    return ENGINES[engine](history, Probes(np.zeros(len(probes), dtype=np.int64), probes), wanted, "here")[0]


@pytest.mark.some(2, cases=8)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", ["few items", "one item", "all different", "a long run"])
def test_a_user_with_100000_events(shape, engine):
    """Right, and done at all: 10,000 windows of 50,000 rows would not fit in memory if they were expanded."""
    rng = np.random.default_rng(11)
    rows = 100_000
    items = {
        "few items": rng.integers(0, 20, rows),
        "one item": np.zeros(rows, dtype=np.int64),
        "all different": rng.permutation(rows),
        "a long run": np.concatenate([np.arange(rows // 2), np.zeros(rows // 2, dtype=np.int64)]),
    }[shape]
    probes = np.sort(rng.integers(0, rows // 2, 10_000))
    lists = heavy_user(engine, items, probes, 32)
    for index in range(0, len(probes), 997):
        seen = items[: 2 * probes[index]][::-1]
        assert lists[index].as_py() == first_of_each(seen[:60_000].tolist())[:32]


@pytest.mark.parametrize("engine", ENGINES)
def test_reversed_lists(engine):
    items = np.array([1, 2, 1, 3, 3, 4])
    assert heavy_user(engine, items, np.array([1, 3]), 2, newest_first=False).to_pylist() == [[1, 2], [3, 4]]


NAN_BITS = np.array([0x7FF8_0000_0000_0000, 0xFFF8_0000_0000_0001], dtype=np.uint64).view(np.float64)


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        (pa.array(NAN_BITS), [0, 0]),
        (pa.array([0.0, -0.0, 1.0]), [0, 0, 1]),
        (pa.array([2**64 - 1, 0, 2**64 - 1], pa.uint64()), [0, 1, 0]),
        (pa.array([2**64 - 1, 2**64 - 2, 2**64 - 1], pa.uint64()), [0, 1, 0]),
        (pa.array([-128, 127, -128], pa.int8()), [0, 1, 0]),
        (pa.array([-(2**63), 2**63 - 1]), [0, 1]),
        (pa.array([[9], [1, None], [1], [1, None], []]).slice(1), [0, 1, 0, 2]),
        (pa.array([[["a"], None], [["a"], None], [["b"]]]), [0, 0, 1]),
        (pa.array([], pa.list_(pa.int64())), []),
        (pa.array([], pa.int64()), []),
    ],
)
def test_what_is_one_item(items, groups):
    codes, limit = item_codes(items)
    first = {}
    assert [first.setdefault(code, len(first)) for code in codes.tolist()] == groups
    assert all(0 <= code < limit for code in codes.tolist())


def test_structs_cannot_be_told_apart():
    with pytest.raises(DayError, match=r"^items of type struct<a: int64> cannot be told apart$"):
        item_codes(pa.array([{"a": 1}]))


def test_more_values_than_arrow_offsets_reach(monkeypatch):
    """Two distinct probes fit, four rows that share them do not."""
    monkeypatch.setattr(lists, "MOST_VALUES", 5)
    zeros = np.zeros(4, dtype=np.int64)
    history = History(zeros, np.arange(4), {"v": pa.array([1, 2, 3, 4])})
    wanted = [WindowedAggregate("x", "list", "v", None, 2)]
    assert aggregate(history, Probes(zeros[:2], np.array([3, 4])), wanted, "here")[0].to_pylist() == [[3, 2], [4, 3]]
    message = "^the lists of one chunk hold 8 values and Arrow takes 5: lower 'max_length' or rolling_chunk_rows$"
    with pytest.raises(DayError, match=message):
        aggregate(history, Probes(zeros, np.array([3, 3, 4, 4])), wanted, "here")

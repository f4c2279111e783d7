"""Both searches for bounds against each other and against the definition."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import Probes
from beam_pipeline.windows.numpy_engine.bounds import (
    BoundFinder,
    DistinctProbes,
    distinct_probes,
    search_segments,
    segments_of,
)
from beam_pipeline.windows.polars_engine.windows import DistinctProbes as PolarsProbes
from beam_pipeline.windows.polars_engine.windows import Finder
from tests.budget import examples

LEAST, GREATEST = -(2**63), 2**63 - 1
ENTITY = st.sampled_from([LEAST, -1, 0, 3, GREATEST])
CODE = st.integers(0, 3)  # what the polars engine takes
TIME = st.integers(-9, 9) | st.sampled_from([LEAST, LEAST + 1, GREATEST - 1, GREATEST])
NARROW = st.integers(-9, 9)
WINDOW = st.none() | st.integers(0, 20) | st.sampled_from([2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30])


def finder(history, probes, packed):
    entity, time = (np.array([row[index] for row in history], dtype=np.int64) for index in range(2))
    return BoundFinder(segments_of(entity), time, probes, packed=packed)


def seen(history, entity, time, window):
    """The positions inside the window, by definition."""
    return [
        index
        for index, (e, t) in enumerate(history)
        if e == entity and t < time and (window is None or t >= time - window)
    ]


def distinct(spine):
    entity, time = (np.array([row[index] for row in spine], dtype=np.int64) for index in range(2))
    return distinct_probes(Probes(entity, time))


@settings(max_examples=examples(150))
@given(st.data(), st.booleans(), WINDOW)
def test_the_definition_of_a_window(data, wide, window):
    row = st.tuples(ENTITY, TIME if wide else NARROW)
    history = sorted(data.draw(st.lists(row, max_size=20)))
    probes = distinct(sorted(data.draw(st.lists(st.tuples(ENTITY, TIME), max_size=8))))
    for packed in (None, False):
        bounds = finder(history, probes, packed).find(window)
        assert (bounds.lo <= bounds.hi).all()
        for index in range(len(bounds)):
            inside = list(range(bounds.lo[index], bounds.hi[index]))
            assert inside == seen(history, probes.entity[index], int(probes.time[index]), window)


@settings(max_examples=examples(150))
@given(st.data(), WINDOW, st.none() | st.integers(1, 7) | st.sampled_from([2**62, 2**63 - 1, 2**64]), WINDOW)
def test_windows_that_end_before_their_probe(data, window, aligned_to, offset):
    """By both engines, at the ends of int64 too."""
    history = sorted(data.draw(st.lists(st.tuples(CODE, TIME), max_size=20)))
    probes = distinct(sorted(data.draw(st.lists(st.tuples(CODE, TIME), max_size=8))))
    offset = offset or 0
    series = [pl.Series(values=values, dtype=pl.Int64) for values in (probes.entity, probes.time)]
    rows = [pl.Series(values=[row[index] for row in history], dtype=pl.Int64) for index in range(2)]
    in_polars = Finder(*rows, PolarsProbes(*series, None)).find(window, aligned_to, offset)
    in_numpy = [finder(history, probes, packed).find(window, aligned_to, offset) for packed in (None, False)]
    for bounds in (*in_numpy, in_polars):
        for index, (entity, time) in enumerate(zip(probes.entity, map(int, probes.time), strict=True)):
            end = (time if aligned_to is None else time // aligned_to * aligned_to) - offset
            inside = list(range(bounds.lo[index], bounds.hi[index]))
            assert inside == seen(history, entity, end, window)


@settings(max_examples=examples(50))
@given(st.integers(0, 2**32), WINDOW)
def test_both_searches_agree_on_many_rows(seed, window):
    rng = np.random.default_rng(seed)
    history = sorted(map(tuple, rng.integers(-50, 50, (300, 2)).tolist()))
    probes = distinct(sorted(map(tuple, rng.integers(-60, 60, (80, 2)).tolist())))
    packed, searched = (finder(history, probes, choice).find(window) for choice in (None, False))
    assert packed.lo.tolist() == searched.lo.tolist()
    assert packed.hi.tolist() == searched.hi.tolist()


def test_equal_probes_are_merged():
    probes = distinct([(1, 5), (1, 5), (1, 6), (2, 6), (2, 6)])
    assert probes.entity.tolist() == [1, 1, 2]
    assert probes.time.tolist() == [5, 6, 6]
    assert probes.inverse.tolist() == [0, 0, 1, 2, 2]
    assert distinct([(1, 5), (1, 6)]).inverse is None


def test_the_packed_key_is_used_up_to_the_last_bit():
    """Two entities with a stride of 2^62 - 1 fit in 63 bits, with a stride of 2^62 they do not."""
    probes = DistinctProbes(np.array([0, 1]), np.array([2**62, 2**62]), None)
    for span, fits in ((2**62 - 3, True), (2**62 - 2, False)):
        packed = finder([(0, 0), (0, span), (1, 0), (1, span)], probes, None)
        assert (packed._keys is not None) == fits
        bounds = packed.find(None)
        assert (bounds.lo.tolist(), bounds.hi.tolist()) == ([0, 2], [2, 4])


@settings(max_examples=examples(100))
@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.integers(0, 2**32))
def test_a_search_within_segments_is_one_of_each(lengths, seed):
    """Segments of any lengths, so that some are found while others are searched, and probes anywhere in them."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(lengths)
    time = np.concatenate([np.sort(rng.integers(0, 30, length)) for length in lengths]).astype(np.int64)
    of = rng.integers(0, len(lengths), 30)
    begin, end = (ends - lengths)[of].astype(np.int64), ends[of].astype(np.int64)
    instant = rng.integers(-2, 33, 30)
    found = search_segments(time, begin, end, instant)
    one_by_one = [
        first + int(np.searchsorted(time[first:last], wanted))
        for first, last, wanted in zip(begin, end, instant, strict=True)
    ]
    assert found.tolist() == one_by_one

"""Both engines against the oracle on generated histories, and chunk by chunk against itself."""

import datetime
import math
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.numpy_engine.aggregate import aggregate
from daeda.aggregates import DECAYED_KINDS, KINDS, LIST_KINDS
from daeda.dtypes import describe_arrow
from daeda.errors import DayError
from tests.beam_pipeline.windows.numpy_engine.cases import LATE_NAMES, check, history_of, in_order, probes_of
from tests.budget import examples
from tests.kinds import kinds_of, kinds_of_rows, reading

ENTITIES = [-5, 0, 7, 2**40]
QUANTILES = st.sampled_from(["0.01", "0.25", "0.5", "0.7", "0.999", "1", "0.3333333333333333333333333"]).map(Decimal)
WINDOWS = [0, 1, 3, 7, 2**63 - 1, 2**64 + 5, None]
DAY = datetime.date(2017, 1, 1)
INSTANT = datetime.datetime(2017, 1, 1)
WIDE = Context(prec=60)

VALUES = {
    "int64": (pa.int64(), st.integers(-3, 3)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "int16": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "uint8": (pa.uint8(), st.integers(0, 2**8 - 1)),
    "uint16": (pa.uint16(), st.integers(0, 2**16 - 1)),
    "uint32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "int64 far apart": (pa.int64(), st.sampled_from([-(2**58), 0, 2**58])),
    "any int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "any uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "double": (pa.float64(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 0.1, -0.1, 1e16, -1e16, 3.0])),
    "any double": (pa.float64(), st.floats().map(lambda value: value + 0.0)),
    "float": (pa.float32(), st.floats(width=32).map(lambda value: value + 0.0)),
    "decimal": (pa.decimal128(9, 2), st.decimals(-100, 100, places=2)),
    "wide decimal": (pa.decimal128(38, 9), st.integers(-(10**36), 10**36).map(lambda n: Decimal(n).scaleb(-9, WIDE))),
    "string": (pa.string(), st.sampled_from(["", "a", "b", "é", "\U0001f600", "\uffff"])),
    "bool": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.integers(-3, 3).map(lambda days: DAY + datetime.timedelta(days))),
    "timestamp": (pa.timestamp("us"), st.integers(-3, 3).map(lambda days: INSTANT + datetime.timedelta(days))),
    "instant": (
        pa.timestamp("us", tz="UTC"),
        st.integers(-3, 3).map(lambda n: INSTANT.replace(tzinfo=datetime.UTC) + datetime.timedelta(n)),
    ),
    "list": (pa.list_(pa.float64()), st.lists(st.sampled_from([None, 0.5, 1.5, math.nan]), max_size=3)),
    "list of text": (pa.list_(pa.string()), st.lists(st.sampled_from([None, "a", "b", "ab", ""]), max_size=4)),
}
# Sums of these leave their types.
WIDE_SUMS = {"any int64", "any uint64"}


def rows_of(value):
    row = st.tuples(st.sampled_from(ENTITIES), st.integers(-6, 6), st.integers(0, 1), st.none() | value)
    return st.lists(row, max_size=24)


def late_rows_of(value, delays):
    """Rows that become known before their time, at it, later, or never."""

    def row(entity, time, delay, k, v):
        return (entity, time, None if delay is None else time + delay, k, v)

    entity, delay = st.sampled_from(ENTITIES[:2]), st.none() | delays
    rows = st.builds(row, entity, st.integers(-6, 6), delay, st.integers(0, 1), st.none() | value)
    return st.lists(rows, max_size=24)


SPINE = st.lists(st.tuples(st.sampled_from([*ENTITIES, 99, -99]), st.integers(-8, 8)), max_size=10)


@st.composite
def aggregates(draw, name):
    """Each kind once, over drawn windows; windows and columns are shared often."""
    window = st.sampled_from(WINDOWS)
    kinds = [kind for kind in kinds_of(describe_arrow(VALUES[name][0])) if kind != "sum" or name not in WIDE_SUMS]
    lists = [kind for kind in kinds if kind in LIST_KINDS]
    kinds = [kind for kind in kinds if kind not in LIST_KINDS]
    twice = [kind for kind in kinds if KINDS[kind].takes == "numbers"]
    wanted = [
        WindowedAggregate(
            f"{kind} {n}",
            kind,
            "v",
            draw(window),
            q=draw(QUANTILES) if kind == "quantile" else None,
            half_life=Fraction(draw(st.integers(1, 9)), 2) if kind in DECAYED_KINDS else None,
        )
        for n, kind in enumerate((*kinds, *twice))
    ]
    wanted += [
        WindowedAggregate(
            f"{kind} {n}",
            kind,
            window=draw(window),
            max_length=draw(st.integers(1, 5)),
            newest_first=draw(st.booleans()),
            **reading(kind, "v"),
        )
        for n, kind in enumerate(lists)
    ]
    half_lives = {kind: Fraction(5, 3) for kind in DECAYED_KINDS}
    wanted += [
        WindowedAggregate(f"{kind} of rows", kind, None, draw(window), half_life=half_lives.get(kind))
        for kind in kinds_of_rows()
    ]
    wanted += [WindowedAggregate("others", "top_k", "k", draw(window), 2)]
    return wanted


@pytest.mark.some(5)
@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_the_oracle_agrees(name, data):
    kind, value = VALUES[name]
    rows, spine = data.draw(rows_of(value)), data.draw(SPINE)
    check(rows, spine, kind, data.draw(aggregates(name)))


DELAYS = {
    "known at once": st.integers(-3, 0),
    "a fixed delay": st.just(2),
    "any delay": st.integers(-2, 9),
    "a few corrections": st.sampled_from([0, 0, 0, 0, 0, 7]),
}


@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize("delays", DELAYS)
@settings(max_examples=examples(60))
@given(data=st.data())
def test_rows_that_become_known_late(delays, data):
    name = data.draw(st.sampled_from(["int64", "double", "decimal", "string", "list of text"]))
    kind, value = VALUES[name]
    rows, spine = data.draw(late_rows_of(value, DELAYS[delays])), data.draw(SPINE)
    check(rows, spine, kind, data.draw(aggregates(name)), LATE_NAMES)


@settings(max_examples=examples(60))
@given(rows=rows_of(st.integers(-3, 3)), spine=SPINE, wanted=aggregates("int64"), shift=st.sampled_from([-1, 1]))
def test_times_at_the_limits_of_int64(rows, spine, wanted, shift):
    edge = shift * (2**63 - 9)
    check([(e, edge + t, k, v) for e, t, k, v in rows], [(e, edge + t) for e, t in spine], pa.int64(), wanted)


@settings(max_examples=examples(60))
@given(rows=rows_of(st.floats()), spine=SPINE, wanted=aggregates("any double"), cut=st.sampled_from([0, 1, 7, 100]))
def test_chunks_do_not_show(rows, spine, wanted, cut):
    """Two chunks, cut between entities, give the same bytes as one."""
    ordered, probing = in_order(rows), sorted(spine)
    whole = aggregate(history_of(ordered, pa.float64()), probes_of(probing), wanted, "here")
    parts = [
        aggregate(
            history_of([row for row in ordered if (row[0] < cut) == low], pa.float64()),
            probes_of([probe for probe in probing if (probe[0] < cut) == low]),
            wanted,
            "here",
        )
        for low in (True, False)
    ]
    for index, array in enumerate(whole):
        joined = pa.concat_arrays([part[index] for part in parts])
        assert bits(joined) == bits(array)


def bits(array):
    """Values with doubles as their bits, so that NaN equals NaN; of a sequence, lengths and values."""
    if pa.types.is_list(array.type) and pa.types.is_struct(array.type.value_type):
        return [pa.compute.list_value_length(array).to_pylist(), *map(bits, array.flatten().flatten())]
    if pa.types.is_list(array.type):
        return [None if value is None else np.array(value, dtype=np.float64).tobytes() for value in array.to_pylist()]
    if pa.types.is_floating(array.type):
        return [None if value is None else np.float64(value).tobytes() for value in array.to_pylist()]
    return array.to_pylist()


def test_types_are_exact():
    history = history_of([(1, 1, 0, Decimal("1.50"))], pa.decimal128(9, 2))
    history.columns["f"] = pa.array([1.5], pa.float32())
    history.columns["i"] = pa.array([1], pa.int16())
    wanted = [
        WindowedAggregate("a", "count", None, 5),
        WindowedAggregate("b", "sum", "v", 5),
        WindowedAggregate("c", "sum", "f", 5),
        WindowedAggregate("d", "sum", "i", 5),
        WindowedAggregate("e", "last", "f", 5),
        WindowedAggregate("f", "list", "i", 5, 2),
        WindowedAggregate("g", "last_distinct", "v", 5, 2),
    ]
    arrays = aggregate(history, probes_of([(1, 2)]), wanted, "here")
    assert [array.type for array in arrays] == [
        pa.int64(),
        pa.decimal128(38, 2),
        pa.float64(),
        pa.int64(),
        pa.float32(),
        pa.list_(pa.int16()),
        pa.list_(pa.decimal128(9, 2)),
    ]


def test_the_edges_of_a_window():
    """Rows at t - W are seen, rows at t are not."""
    history = history_of([(1, time, 0, time) for time in (2, 3, 4, 5)], pa.int64())
    arrays = aggregate(history, probes_of([(1, 5)]), [WindowedAggregate("x", "list", "v", 2, 9)], "here")
    assert arrays[0].to_pylist() == [[4, 3]]


def test_no_probes_and_no_history():
    wanted = [WindowedAggregate("n", "count", None, 5), WindowedAggregate("l", "last_distinct", "v", None, 3)]
    wanted += [WindowedAggregate("s", "sum", "v", 5), WindowedAggregate("m", "last", "v", 5)]
    empty = history_of([], pa.decimal128(5, 1))
    assert [len(array) for array in aggregate(empty, probes_of([]), wanted, "here")] == [0, 0, 0, 0]
    arrays = aggregate(empty, probes_of([(0, 0), (0, 0), (3, 1)]), wanted, "here")
    assert [array.to_pylist() for array in arrays] == [[0] * 3, [[]] * 3, [None] * 3, [None] * 3]


def test_no_aggregates():
    assert aggregate(history_of([], pa.int64()), probes_of([(1, 1)]), [], "here") == []


def test_columns_that_are_slices():
    """Arrays with an offset, as batches of a stream are."""
    column = pa.array([Decimal(9), None, Decimal(1), None, Decimal(2), Decimal(9)], pa.decimal128(5, 0)).slice(1, 4)
    texts = pa.array(["x", None, "a", None, "b", "x"]).slice(1, 4)
    history = History(np.zeros(4, dtype=np.int64), np.arange(4), {"d": column, "t": texts})
    wanted = [WindowedAggregate("s", "sum", "d", None), WindowedAggregate("l", "last_distinct", "t", None, 5)]
    wanted += [WindowedAggregate("k", "last_distinct", "d", None, 5)]
    arrays = aggregate(history, Probes(np.zeros(1, dtype=np.int64), np.array([9])), wanted, "here")
    assert [array.to_pylist() for array in arrays] == [[Decimal(3)], [["b", "a"]], [[Decimal(2), Decimal(1)]]]


def test_impression_lists_share_one_window():
    """Twenty rows of an impression list share entity and time."""
    rng = np.random.default_rng(3)
    rows = [(int(e), int(t), 0, int(v)) for e, t, v in rng.integers(0, 12, (400, 3))]
    spine = [(e, t) for e in range(14) for t in (3, 8) for _ in range(20)]
    wanted = [WindowedAggregate("n", "count", None, 4), WindowedAggregate("s", "sum", "v", 4)]
    wanted += [WindowedAggregate("m", "last", "v", 4)]
    for newest_first in (True, False):
        wanted += [WindowedAggregate("l", "list", "v", 4, 6, newest_first)]
        wanted += [WindowedAggregate("d", "last_distinct", "v", None, 6, newest_first)]
    check(rows, spine, pa.int64(), wanted)


def test_text_cannot_be_summed():
    with pytest.raises(DayError, match=r"^a sum needs numbers, found a column of string$"):
        aggregate(history_of([], pa.string()), probes_of([]), [WindowedAggregate("s", "sum", "v", 5)], "here")


def test_lengths_must_agree():
    zeros = np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match=r"^the columns of a history have different lengths: \[1, 2\]$"):
        History(zeros, zeros, {"v": pa.array([1])})
    with pytest.raises(ValueError, match=r"^2 entities and 1 times do not make probes$"):
        Probes(zeros, zeros[:1])

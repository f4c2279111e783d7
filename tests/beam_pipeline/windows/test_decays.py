"""Decayed sums where they could break: windows of thousands of half-lives, doubles at both ends, all that is beside."""

from __future__ import annotations

import math
import random
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.numpy_engine import decays
from tests.beam_pipeline.windows.numpy_engine.cases import ENGINES
from tests.budget import CASES
from tests.oracle.rolling import faded, ratio

GREATEST = 1.7976931348623157e308
Rows = list[tuple[int, int, float]]
# Pairs of the exponents of ten that a case has values of.
SIZES = ([0], [0, 5], [300, -300, 0], [308], [-308, -320, 0], [-320, 308])


def found(
    engine: str, rows: Rows, probes: list[tuple[int, int]], half_life: Fraction, window: int | None = None
) -> list[Any]:
    """What an engine makes of rows of (entity, time, value), which are in order, and of probes likewise."""
    entity, time = (np.array([row[place] for row in rows], dtype=np.int64) for place in (0, 1))
    history = History(entity, time, {"v": pa.array([row[2] for row in rows], pa.float64())})
    asked = Probes(*(np.array([probe[place] for probe in probes], dtype=np.int64) for place in (0, 1)))
    wanted = WindowedAggregate("x", "decayed_sum", "v", window, half_life=half_life)
    (result,) = ENGINES[engine](history, asked, [wanted], "here")
    assert result.type == pa.float64()
    return list(result.to_pylist())


def bits(values: list[Any]) -> list[bytes | None]:
    return [None if value is None else struct.pack("<d", value) for value in values]


def drawn(draw: random.Random) -> tuple[Rows, list[tuple[int, int]], Fraction, int | None]:
    """A history of up to 60 rows of three entities, 8 probes, a half-life and a window."""
    span = draw.choice([5, 100, 10**6, 2**62])
    half_life = draw.choice([Fraction(1, 1_000), Fraction(3, 2), Fraction(7), Fraction(10**5), Fraction(10**30)])
    if draw.random() < 0.6:
        half_life = Fraction(span, draw.choice([1, 3, 50, 1_000, 5_000]))
    sizes = draw.choice(SIZES)
    rows = []
    for _ in range(draw.choice([1, 5, 20, 60])):
        value = draw.choice([draw.uniform(-1, 1), 1.0, -1.0, 0.0, draw.uniform(0.5, 1)])
        size = draw.choice(sizes)
        rows.append((draw.randint(0, 2), draw.randint(-span, span), value * 10.0 ** max(size, -300)))
        if size < -300:
            rows[-1] = (*rows[-1][:2], rows[-1][2] * 10.0 ** (size + 300))
    probes = [(draw.randint(0, 3), draw.randint(-span, span)) for _ in range(7)]
    probes.append((rows[0][0], rows[0][1] + 1))
    return sorted(rows), sorted(probes), half_life, draw.choice([None, span // 3 + 1])


@pytest.mark.parametrize("engine", ENGINES)
def test_cases_of_all_sizes_are_within_the_bounds(engine: str) -> None:
    draw = random.Random(7)
    for number in range(CASES):
        rows, probes, half_life, window = drawn(draw)
        for (entity, now), value in zip(probes, found(engine, rows, probes, half_life, window), strict=True):
            inside = [
                (one, ratio(now - then, half_life))
                for other, then, one in rows
                if other == entity and then < now and (window is None or then >= now - window)
            ]
            expected = faded("decayed_sum", inside)
            if expected is None:
                assert value is None
            else:
                assert expected.least <= value <= expected.most, (number, entity, now, value, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bytes_are_those_of_the_rows_of_the_window_alone(engine: str) -> None:
    """Neither older rows, other entities, huge or tiny numbers of those, nor other probes show."""
    draw = random.Random(3)
    rows = sorted((1, draw.randint(0, 4_000), draw.uniform(-3, 9)) for _ in range(200))
    probes = [(1, time) for time in range(500, 4_100, 37)]
    alone = bits(found(engine, rows, probes, Fraction(111, 7), 400))
    older = [(1, time, draw.choice([1e300, 1e-300, -2.5])) for time in range(-9_000, -8_000, 13)]
    for entity, value in ((0, 1e308), (0, 5e-324), (2, -7.25), (0, math.inf)):
        others = [(entity, time, value) for time in range(-50, 50)]
        beside = sorted([*rows, *older, *others])
        more = sorted([*probes, (0, 7), (2, 10**6)])
        every = dict(zip(more, bits(found(engine, beside, more, Fraction(111, 7), 400)), strict=True))
        assert [every[probe] for probe in probes] == alone


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("values", "sum_of"),
    [
        ([GREATEST, GREATEST, -GREATEST], GREATEST),  # what is on the way is beyond the doubles
        ([GREATEST, GREATEST, GREATEST], math.inf),
        ([-GREATEST, -GREATEST, -GREATEST], -math.inf),
        ([1.0, math.inf, 2.0], math.inf),
        ([1.0, -math.inf, 2.0], -math.inf),
        ([math.inf, -math.inf, 2.0], math.nan),
        ([math.nan, 1.0, 2.0], math.nan),
        ([-0.0, -0.0, 0.0], 0.0),
        ([2.0, -1.0, -1.0], 0.0),
    ],
)
def test_ends_of_the_doubles(engine: str, values: list[float], sum_of: float) -> None:
    """Of rows that have lost less than a millionth of a millionth; and of those, so long ago that finite ones are 0."""
    rows = [(0, 0, value) for value in values]
    fresh, stale = found(engine, rows, [(0, 1), (0, 10**18)], Fraction(10**14))
    if math.isnan(sum_of):
        assert math.isnan(fresh)
    else:
        assert math.isclose(fresh, sum_of, rel_tol=1e-12)
        assert fresh != 0 or math.copysign(1, fresh) == 1
    assert bits([stale]) == bits([0.0]) or not all(map(math.isfinite, values))
    if math.isinf(sum_of) and not all(map(math.isfinite, values)):
        assert stale == sum_of


@pytest.mark.parametrize("engine", ENGINES)
def test_a_great_number_outlives_two_thousand_half_lives(engine: str) -> None:
    """2^1000 is 2^-1000 after 2,000 half-lives, and a row of now counts beside it."""
    rows = [(0, 0, 2.0**1000), (0, 1_999, 2.0**-1000)]
    assert found(engine, rows, [(0, 2_000)], Fraction(1)) == [2.0**-1000 + 2.0**-1001]
    assert found(engine, rows[:1], [(0, 2_074), (0, 2_076)], Fraction(1)) == [5e-324, 0.0]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("half_life", [Fraction(1, 10**9), Fraction(2**62), Fraction(10**25)])
def test_times_at_both_ends_of_int64(engine: str, half_life: Fraction) -> None:
    rows = [(0, -(2**63), 1.0), (0, 2**63 - 2, 2.0), (1, -(2**63), 3.0)]
    probes = [(0, -(2**63)), (0, 2**63 - 1), (1, -(2**63) + 1)]
    none, late, early = found(engine, rows, probes, half_life)
    assert none is None
    whole = [(2.0, ratio(1, half_life)), (1.0, ratio(2**64 - 1, half_life))]
    for value, pairs in ((late, whole), (early, [(3.0, ratio(1, half_life))])):
        expected = faded("decayed_sum", pairs)
        assert expected.least <= value <= expected.most


def test_windows_are_cut_into_pieces_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numpy engine sums so many pieces in one pass; the bytes are the same."""
    rows = [(0, time, 0.1 * time) for time in range(0, 3_000, 7)]
    probes = [(0, time) for time in (50, 900, 3_000)]
    once = bits(found("duckdb", rows, probes, Fraction(3)))
    monkeypatch.setattr(decays, "_PIECES", 1)
    assert bits(found("duckdb", rows, probes, Fraction(3))) == once

"""Walks through a history against the oracle, which looks at each window by itself."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.aggregates import DECAYED_KINDS, LIST_KINDS
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.rules.running import Totals, running
from daeda_audit.rules.sweep import walk
from tests.budget import examples
from tests.daeda_audit.rules.test_kinds import KINDS, VALUES
from tests.kinds import reading
from tests.oracle.rolling import Faded, is_inside
from tests.oracle.rolling import aggregate as oracle

Case = tuple[AggregationSpec, list[tuple[int, int, Any]], int | None, list[int]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Rows of (time, known, value) in the order of time, a window, and instants that ask."""
    values = draw(st.sampled_from(sorted(VALUES)))
    kind = draw(st.sampled_from(KINDS[values]))
    listed = {"max_length": draw(st.integers(1, 6)), "order": draw(st.sampled_from(["newest_first", "oldest_first"]))}
    spec = AggregationSpec.model_validate(
        {"name": "x", "entity": "user", "history": {"view": "v"}, "kind": kind, "window": "1d"}
        | reading(kind, "value")
        | (listed if kind in LIST_KINDS else {})
        | ({"q": draw(st.sampled_from(["0.1", "0.5", "0.9", "1"]))} if kind == "quantile" else {})
        | ({"half_life": draw(st.sampled_from(["1ns", "3ns", "20ns"]))} if kind in DECAYED_KINDS else {})
    )
    times = st.tuples(st.integers(-20, 20), st.integers(-5, 15), VALUES[values])
    rows = [(then, then + late, value) for then, late, value in draw(st.lists(times, max_size=14))]
    length = draw(st.one_of(st.none(), st.integers(1, 25)))
    asked = sorted(draw(st.sets(st.integers(-25, 40), min_size=1, max_size=8)))
    return spec, sorted(rows, key=lambda row: row[0]), length, asked


def walked(case: Case) -> list[Any]:
    spec, rows, length, asked = case
    keeps = spec.kind == "sequence"
    held = [row for row in rows if keeps or row[2] is not None]
    moments, known, values = ([row[place] for row in held] for place in range(3))
    values = [{"value": value} for value in values] if keeps else values

    def window(now: int) -> tuple[int | None, int]:
        return None if length is None else now - length, now

    return walk(moments, known, window, asked, running(spec, values, moments, 2, q=spec.outputs[0].q))


def one_by_one(case: Case) -> list[Any]:
    spec, rows, length, asked = case
    dicts = [{"then": then, "known": known, "value": value} for then, known, value in rows]
    half_life = 1 if spec.half_life is None else spec.half_life.nanoseconds
    answers = []
    for now in asked:
        inside = [row for row in reversed(dicts) if is_inside(now, row, "then", length, "known")]
        answers.append(
            oracle(
                spec.kind,
                inside,
                "value",
                spec.max_length,
                spec.order,
                [(now - row["then"]) // 2 for row in inside],
                spec.outputs[0].q,
                [Fraction(now - row["then"], half_life) for row in inside],
            )
        )
    return answers


@settings(max_examples=examples(500))
@given(cases())
def test_a_walk_gives_at_every_instant_what_the_oracle_gives_of_the_rows_inside(case: Case) -> None:
    for found, wanted in zip(walked(case), one_by_one(case), strict=True):
        if isinstance(wanted, Faded):
            assert wanted.least <= found <= wanted.most
        elif case[0].kind == "std" and isinstance(wanted, float) and math.isfinite(wanted):
            assert math.isclose(wanted, found, rel_tol=1e-14)
        else:
            assert repr(wanted) == repr(found)


def test_nothing_is_left_behind_of_what_left() -> None:
    """Doubles of every size come and go, and the sum of the last two is the one that is rounded once."""
    chance = random.Random(5)
    values = [chance.choice([1e300, -1e300, 1e-300, 0.1, 3.0, math.ulp(0.0)]) * chance.random() for _ in range(400)]
    totals = Totals("sum", values)
    for row in range(400):
        totals.enter(row)
    for row in range(398):
        totals.leave(row)
    assert totals.value(400) == values[-1] + values[-2]


def test_decimals_keep_their_scale() -> None:
    totals = Totals("sum", [Decimal("0.50"), Decimal("1.50"), Decimal("0.00")])
    totals.enter(0)
    totals.enter(1)
    assert repr(totals.value(2)) == "Decimal('2.00')"

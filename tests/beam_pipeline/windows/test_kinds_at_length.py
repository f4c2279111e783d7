"""Kinds that are tried at length in every run, not in long ones alone: both engines and the audit against the oracle.

Times are few, so that rows tie and lie on both edges of a window; values are those at which a kind could go wrong.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import WindowedAggregate
from daeda.aggregates import DECAYED_KINDS, AggregateKind
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.rules.running import running
from daeda_audit.rules.sweep import walk
from tests.beam_pipeline.windows.numpy_engine.cases import (
    LATE_NAMES,
    NAMES,
    answers,
    begin_and_end,
    check,
    in_order,
    same,
)
from tests.beam_pipeline.windows.numpy_engine.test_aggregate import QUANTILES, VALUES, late_rows_of, rows_of
from tests.budget import CASES, examples

# By kind the values of test_aggregate that it is tried on; "" stands for no column.
COLUMNS: dict[AggregateKind, tuple[str, ...]] = {
    "any": ("", "bool"),
    "since_last": ("", "double", "string"),
    "decayed_count": ("", "string"),
    "decayed_sum": ("int64", "double", "any double", "decimal"),
    "quantile": ("int64", "double", "any double", "decimal", "date", "string", "list"),
}
SPINE = st.lists(st.tuples(st.sampled_from([-5, 0, 7, 99]), st.integers(-8, 12)), max_size=10)
HALF_LIVES = st.sampled_from([1, 2, 3, 7, 1_000, 10**17]).map(Fraction)
UNITS = st.sampled_from([1, 2, 1_000])
WINDOWS = st.sampled_from([0, 1, 3, 7, None])
GRIDS, OFFSETS = st.sampled_from([None, None, 1, 4]), st.sampled_from([0, 0, 1, 5])


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=max(CASES, examples(600)))
@given(data=st.data())
def test_the_oracle_agrees(kind: AggregateKind, data: st.DataObject) -> None:
    column, late = data.draw(st.sampled_from(COLUMNS[kind])), data.draw(st.booleans())
    dtype, values = VALUES[column or "int64"]
    rows = data.draw(late_rows_of(values, st.sampled_from([-1, 0, 0, 2, 9])) if late else rows_of(values))
    spine = data.draw(SPINE)
    wanted = [
        WindowedAggregate(
            f"x_{number}", kind, "v" if column else None, data.draw(WINDOWS), per_spine_unit=data.draw(UNITS),
            q=data.draw(QUANTILES) if kind == "quantile" else None,
            half_life=data.draw(HALF_LIVES) if kind in DECAYED_KINDS else None,
            aligned_to=data.draw(GRIDS), offset=data.draw(OFFSETS),
        )
        for number in range(2)
    ]  # fmt: skip
    names = LATE_NAMES if late else NAMES
    check(rows, spine, dtype, wanted, names)
    for one in wanted:
        assert_the_audit_agrees(rows, sorted(spine), one, names)


def assert_the_audit_agrees(rows: Any, spine: Any, wanted: WindowedAggregate, names: tuple[str, ...]) -> None:
    spec = AggregationSpec.model_validate(
        {"name": "x", "entity": "user", "history": {"view": "v"}, "kind": wanted.kind, "window": "1d"}
        | ({} if wanted.q is None else {"q": wanted.q})
        | ({} if wanted.half_life is None else {"half_life": f"{wanted.half_life}ns"})
        | ({} if wanted.column is None else {"column": wanted.column})
    )
    place = {name: number for number, name in enumerate(names)}
    known = place.get("known", place["t"])
    found = []
    for entity in dict.fromkeys(entity for entity, _ in spine):
        held = [row for row in in_order(rows) if row[0] == entity and row[known] is not None]
        if wanted.column is not None:
            held = [row for row in held if row[place[wanted.column]] is not None]
        values = [None if wanted.column is None else row[place[wanted.column]] for row in held]
        asked = [now for other, now in spine if other == entity]
        times, seen_from = ([row[number] for row in held] for number in (place["t"], known))
        window = partial(begin_and_end, wanted)
        empty = running(spec, values, times, wanted.per_spine_unit, q=wanted.q)
        found += walk(times, seen_from, window, asked, empty)
    for value, expected in zip(found, answers(in_order(rows), spine, wanted, names), strict=True):
        assert same(wanted.kind, value, expected), (wanted, value, expected)

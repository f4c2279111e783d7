"""Sequences by both engines and by the audit equal the oracle: structs, aligned lists, ages, NULLs, ties."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.windows.contract import AgeOverflow, History, Probes, WindowedAggregate
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.rules.running import running
from daeda_audit.rules.sweep import walk
from tests.beam_pipeline.windows.numpy_engine.cases import (
    ENGINES,
    LATE_NAMES,
    NAMES,
    answers,
    begin_and_end,
    check,
    in_order,
    same,
)
from tests.beam_pipeline.windows.numpy_engine.test_aggregate import VALUES, late_rows_of, rows_of
from tests.budget import by_run

OF_EACH = by_run(8, 40, 150)
TRIED = [(column, late) for column in ("int64", "double", "string", "list") for late in (False, True)]
SPINE = st.lists(st.tuples(st.sampled_from([-5, 0, 7, 99]), st.integers(-8, 12)), max_size=10)
FORMS: list[dict[str, Any]] = [
    {"columns": ("v", "k")},
    {"columns": ("k", "v"), "age": "ago"},
    {"columns": ("v",), "apart": True},
    {"age": "ago", "apart": True},
]


@pytest.mark.parametrize(("column", "late"), TRIED)
@settings(max_examples=OF_EACH)
@given(data=st.data())
def test_the_oracle_agrees(column: str, late: bool, data: st.DataObject) -> None:
    dtype, values = VALUES[column]
    rows = data.draw(late_rows_of(values, st.sampled_from([-1, 0, 0, 2, 9])) if late else rows_of(values))
    spine = data.draw(SPINE)
    window, unit = data.draw(st.sampled_from([0, 1, 3, 7, None])), data.draw(st.sampled_from([1, 2, 1_000]))
    length, newest_first = data.draw(st.integers(1, 5)), data.draw(st.booleans())
    end = {"aligned_to": data.draw(st.sampled_from([None, None, 4])), "offset": data.draw(st.sampled_from([0, 0, 5]))}
    wanted = [
        WindowedAggregate(
            f"x_{number}", "sequence", None, window, length, newest_first, per_spine_unit=unit, **form, **end
        )
        for number, form in enumerate(FORMS)
    ]
    names = LATE_NAMES if late else NAMES
    check(rows, spine, dtype, wanted, names)
    for one in wanted:
        assert_the_audit_agrees(rows, sorted(spine), one, names)


def assert_the_audit_agrees(rows: Any, spine: Any, wanted: WindowedAggregate, names: tuple[str, ...]) -> None:
    spec = AggregationSpec.model_validate(
        {
            "name": "x", "entity": "user", "history": {"view": "v"}, "kind": "sequence", "window": "1d",
            "columns": wanted.columns or ("v",), "max_length": wanted.max_length,
            "order": "newest_first" if wanted.newest_first else "oldest_first", "age": wanted.age,
            "layout": "columns" if wanted.apart else None,
        }
    )  # fmt: skip
    field = (wanted.age or wanted.columns[0]) if wanted.apart else None
    place = {name: number for number, name in enumerate(names)}
    known = place.get("known", place["t"])
    found = []
    for entity in dict.fromkeys(entity for entity, _ in spine):
        held = [row for row in in_order(rows) if row[0] == entity and row[known] is not None]
        items = [{name: row[place[name]] for name in wanted.columns} for row in held]
        times, seen_from = ([row[number] for row in held] for number in (place["t"], known))
        asked = [now for other, now in spine if other == entity]
        empty = running(spec, items, times, wanted.per_spine_unit, field=field)
        found += walk(times, seen_from, partial(begin_and_end, wanted), asked, empty)
    for value, expected in zip(found, answers(in_order(rows), spine, wanted, names), strict=True):
        assert same(wanted.kind, value, expected), (wanted, value, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_age_that_does_not_fit_is_that_of_a_kept_row(engine: str) -> None:
    times = np.array([-(2**63), 0, 5], dtype=np.int64)
    history = History(np.zeros(3, dtype=np.int64), times, {"v": pa.array([1, None, 3])})
    probes = Probes(np.zeros(2, dtype=np.int64), np.array([1, 6], dtype=np.int64))

    def made(length: int, at: int | None = None) -> Any:
        wanted = WindowedAggregate("x", "sequence", None, None, length, columns=("v",), age="ago")
        asking = probes if at is None else Probes(probes.entity[at:], probes.time[at:])
        return ENGINES[engine](history, asking, [wanted], "here")[0].to_pylist()

    assert made(1) == [[{"v": None, "ago": 1}], [{"v": 3, "ago": 1}]]
    assert made(2, 1) == [[{"v": 3, "ago": 1}, {"v": None, "ago": 6}]]
    with pytest.raises(AgeOverflow, match=r"^here: the age 'x' of the entity with code 0 at 1 does not fit int64$"):
        made(2)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_probe_and_no_history(engine: str) -> None:
    nothing = np.array([], dtype=np.int64)
    history = History(nothing, nothing, {"v": pa.array([], pa.string())})
    wanted = [WindowedAggregate("x", "sequence", None, None, 2, columns=("v",), age="ago")]
    for probes in (Probes(nothing, nothing), Probes(np.array([3]), np.array([7]))):
        (made,) = ENGINES[engine](history, probes, wanted, "here")
        assert made.type == pa.list_(pa.struct({"v": pa.string(), "ago": pa.int64()}))
        assert made.to_pylist() == [[]] * len(probes.time)

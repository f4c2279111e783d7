"""Leaks of labels, planted in the product: each is found by the audit, and named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import beam_pipeline.day.looking_ahead
import daeda.compiler.compile
from beam_pipeline.day.looking_ahead import ShiftedLabel
from beam_pipeline.windows.numpy_engine import sequences
from beam_pipeline.windows.numpy_engine.lists import take
from beam_pipeline.windows.polars_engine import sequences as polars_sequences
from beam_pipeline.windows.polars_engine.lists import in_lists
from daeda.durations import NO_DELAY
from daeda.operators.relational import Project
from daeda.operators.temporal import LabelAggregate
from tests.daeda_audit.feed import DAYS, build, feed
from tests.daeda_audit.test_leaks import audit, blamed, changing
from tests.projects import TinyProject

SPECS = [
    {"name": "again", "kind": "count", "window": "6h"},
    {"name": "again_later", "kind": "sum", "column": "amount", "gap": "1h", "window": "6h"},
    {"name": "next_item", "kind": "list", "column": "item_id", "window": "6h", "max_length": 2},
    {"name": "until_next", "kind": "until_first", "window": "6h"},
    {"name": "mid", "kind": "quantile", "column": "amount", "window": "6h", "q": 0.5},
    {
        "name": "next_two",
        "kind": "sequence",
        "columns": ["item_id", "amount"],
        "age": "ago",
        "window": "6h",
        "max_length": 2,
    },
]
DTYPES = {
    "again": "int64", "again_later": "double", "next_item": "list<int64>", "until_next": "int64", "mid_p50": "double",
    "next_two": "list<struct<item_id: int64, amount: double, ago: int64>>",
}  # fmt: skip
LATE = {"late_clicks": "int64"}
EVERY = {*DTYPES, *LATE}


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("labelled"))
    spine = {"entity": "user", "history": {"view": made.service["spine"]["view"]}}
    late = {"name": "late_clicks", "kind": "count", "window": "6h", "entity": "user", "history": {"view": "clicks"}}
    made.aggregations["label_specs"] = [{**spec, **spine} for spec in SPECS] + [{**late, "matures_after": "1h"}]
    for name, dtype in (DTYPES | LATE).items():
        made.service["columns"].append({"name": name, "kind": "label", "dtype": dtype})
        made.runtime["output_columns"].append(name)
    made.service["columns"].append(
        {"name": "came_back", "kind": "derived", "dtype": "bool", "expression": "again > 0 and events_1d > 0"}
    )
    outcome = {"name": "outcome", "kind": "derived", "dtype": "bool", "expression": "events_1d > 1", "label": True}
    leak = {"name": "leak", "kind": "derived", "dtype": "bool", "expression": "NOT outcome"}
    made.service["columns"] += [outcome, leak]
    made.runtime["output_columns"] += ["came_back", "outcome", "leak"]
    made.runtime["data_until"] = "2030-01-01"
    for view in made.views.values():
        view["source"].setdefault("missing_partitions", "empty")
    return made.write().root


@pytest.fixture
def made(unbuilt: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(unbuilt, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def test_labels_pass(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(made)
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (0, set())


def test_a_manifest_that_calls_a_label_a_feature_is_found(
    made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    build(made)
    labels = {*EVERY, "came_back", "outcome", "leak"}
    for path in made.root.glob("output/*/skeleton/dt=*/_manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for column in manifest["columns"]:
            right = "label" if column["name"] in labels else "rolling"
            wrong = {"came_back": "derived", "events_1d": "label", "leak": "derived"}
            column["kind"] = wrong.get(column["name"], right)
        path.write_text(json.dumps(manifest), encoding="utf-8")
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (1, {"came_back", "events_1d", "leak"})
    assert "came_back: row 0 of 2024-01-02 (skeleton): the kind of the column in the manifest" in told
    assert "  published   derived\n  recomputed  a label\n" in told


def test_what_is_no_label_is_unchanged_by_later_rows(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(made)
    code, _, told = audit(made, capsys, "--probe", "append")
    assert code == 0
    note = "label: later rows may change it"
    changed = {line.split()[0] for line in told.splitlines() if line.endswith(f"  {note}")}
    marked = {line.split()[0] for line in told.splitlines() if line.endswith("  sees the future")}
    assert not marked & {"again", "came_back", "late_clicks"}
    assert changed >= {"again", "came_back", "late_clicks"}


def a_unit_later(label: ShiftedLabel) -> ShiftedLabel:
    longer = dataclasses.replace(label.aggregate, window=(label.aggregate.window or 0) + 3_600_000_000)
    return dataclasses.replace(label, ahead=label.ahead + 3_600_000_000, aggregate=longer)


def from_the_row_on(label: ShiftedLabel) -> ShiftedLabel:
    longer = dataclasses.replace(label.aggregate, window=(label.aggregate.window or 0) + 1)
    return dataclasses.replace(label, aggregate=longer)


KERNEL: dict[str, tuple[Callable[[ShiftedLabel], ShiftedLabel], set[str]]] = {
    "a window that is too long": (a_unit_later, {"again", "late_clicks"}),
    "a window that begins at the row": (from_the_row_on, {"again", "until_next", "next_item"}),
}


@pytest.mark.parametrize("name", KERNEL)
def test_another_window_is_found(
    name: str, made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change, columns = KERNEL[name]
    original = beam_pipeline.day.rolling.shifted
    with monkeypatch.context() as patched:
        patched.setattr(beam_pipeline.day.rolling, "shifted", lambda operator: tuple(map(change, original(operator))))
        build(made, days=DAYS[1:])
    code, _, told = audit(made, capsys)
    assert code == 1
    assert columns <= blamed(told) <= EVERY | {"came_back"}


def beside_in_numpy(values: pa.Array, rows: pa.Array) -> pa.Array:
    return take(values, pa.array(np.roll(rows.to_numpy(), 1)) if pa.types.is_floating(values.type) else rows)


def beside_in_polars(flat: pl.Series, lengths: pl.Series) -> pl.Series:
    apart = not isinstance(flat.dtype, pl.Struct)
    rows = flat.to_frame() if apart else flat.struct.unnest()
    rolled = rows.select(pl.concat([values.tail(1), values.head(-1)]) for values in rows if values.dtype.is_float())
    rows = rows.with_columns(rolled)
    return in_lists(rows.to_series() if apart else rows.to_struct(), lengths)


MISALIGNED = {
    "duckdb": (sequences, "take", beside_in_numpy),
    "polars": (polars_sequences, "in_lists", beside_in_polars),
}


@pytest.mark.parametrize("engine", MISALIGNED)
def test_a_sequence_that_is_misaligned_is_found(
    engine: str, made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAEDA_COMPUTE__ENGINE", engine)
    with monkeypatch.context() as patched:
        patched.setattr(*MISALIGNED[engine])
        build(made, days=DAYS[1:])
    code, _, told = audit(made, capsys)
    assert code == 1
    # Windows that look back have misaligned sequences, too, but no other label has.
    assert "next_two" in blamed(told)
    assert not blamed(told) & (EVERY - {"next_two"})


def without_maturity(operator: Any) -> tuple[Any, ...]:
    return tuple(label.model_copy(update={"matures_after": NO_DELAY}) for label in operator.aggregates)


def without_gap(operator: Any) -> tuple[Any, ...]:
    return tuple(label.model_copy(update={"gap": NO_DELAY}) for label in operator.aggregates)


OPERATORS: dict[str, tuple[Any, set[str]]] = {
    "maturity ignored": (changing(LabelAggregate, aggregates=without_maturity), {"late_clicks"}),
    "created ignored": (changing(LabelAggregate, created=None), {"late_clicks"}),
    "gap ignored": (changing(LabelAggregate, aggregates=without_gap), {"again_later"}),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_maturity_and_gap_are_kept(name: str, made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    change, columns = OPERATORS[name]
    build(made, change, DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    assert code == 1
    assert columns <= blamed(told)


def reading_the_label(operator: Project) -> tuple[Any, ...]:
    return tuple(
        column.model_copy(update={"source": "again"}) if column.name == "events_1d" else column
        for column in operator.columns
    )


def test_a_feature_that_reads_a_label_is_found(
    made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(daeda.compiler.compile, "check_no_leaks", lambda operators: None)
    build(made, changing(Project, columns=reading_the_label), DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    assert code == 1
    assert "events_1d" in blamed(told)

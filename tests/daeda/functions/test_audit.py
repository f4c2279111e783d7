"""The audit calls the declared function itself: it judges what the function was given, and where its values stand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from beam_pipeline.day import functions
from daeda_audit.command import main
from daeda_audit.rules.function import to_arrow
from daeda_audit.values import from_arrow
from tests.daeda.functions.project import FunctionProject
from tests.daeda_audit.feed import words
from tests.projects import DType

SOURCE = """
import pyarrow as pa
import pyarrow.compute as pc

def score(at, price, recent):
    minutes = pc.divide(pc.cast(at, "int64"), 60_000_000)
    length = pc.fill_null(pc.list_value_length(recent), 0)
    return pc.sqrt(pc.add(pc.cast(minutes, "double"), pc.multiply(pc.fill_null(price, 0.5), length)))
"""


@pytest.fixture
def made(tmp_path: Path) -> FunctionProject:
    columns = ["event_timestamp", "price", "recent_items"]
    project = FunctionProject(tmp_path).calls(SOURCE, "score", columns, "double")
    project.service["columns"].append(
        {"name": "twice", "kind": "derived", "dtype": "double", "expression": "made * 2 + hidden"}
    )
    project.aggregations["udf_specs"].append({**project.spec, "name": "hidden"})
    project.runtime["output_columns"].append("twice")
    return project


def test_it_passes_with_a_note(made: FunctionProject, capsys: pytest.CaptureFixture[str]) -> None:
    made.build()
    assert main(words(made, "--probe", "recompute", "--rows", "10")) == 0
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.split()[:1] == ["made"]]
    assert [" ".join(line.split()) for line in lines] == [
        f"made 4 0 by the declared function {made.spec['function']} itself"
    ]  # fmt: skip


def test_values_in_other_rows_are_found(
    made: FunctionProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = functions._call
    monkeypatch.setattr(functions, "_check_row_wise", lambda *_: None)
    monkeypatch.setattr(functions, "_call", lambda work, chunk, first: call(work, chunk, first)[::-1])
    made.build()
    assert main(words(made, "--probe", "recompute", "--rows", "10")) == 1
    assert "made, twice" in capsys.readouterr().out


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, None], pa.timestamp("ns")), pa.array([1, None], pa.timestamp("ms")),
        pa.array([3, None], pa.date32()),
        pa.array([[1, None], None], pa.list_(pa.timestamp("us"))), pa.array(["a", None]), pa.array([[0.5], []]),
        pa.array([1, None], pa.timestamp("us", "UTC")), pa.array([True, None]), pa.array([0.1, None], pa.float32()),
    ],
    ids=str,
)  # fmt: skip
def test_values_of_the_audit_go_back_to_arrow_as_they_came(array: pa.Array) -> None:
    from daeda.dtypes import describe_arrow

    assert to_arrow(from_arrow(array), DType.parse(describe_arrow(array.type))).equals(array)

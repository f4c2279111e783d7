"""Sequences that other columns read: a function gets structs, an expression counts them, whether listed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda_audit.command import main as audit
from daeda_audit.values import from_arrow, shown
from tests.daeda_audit.feed import build, words
from tests.projects import TinyProject

TRAIL = {
    "name": "trail", "entity": "user", "history": {"view": "events"}, "kind": "sequence",
    "columns": ["item_id", "amount", "event_timestamp"], "age": "age", "window": "unbounded", "max_length": 3,
}  # fmt: skip
DTYPE = "list<struct<item_id: int64, amount: double, event_timestamp: timestamp[us], age: int64>>"
FUNCTION = """
import pyarrow as pa

def {name}(trail):
    return pa.array([sum(event["amount"] + event["age"] for event in events) for events in trail.to_pylist()])
"""


@pytest.mark.parametrize("listed", [True, False])
def test_a_function_and_expressions_read_a_sequence(
    tmp_path: Path, listed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    made = TinyProject(tmp_path).without("item_vector")
    module = f"reads_a_sequence_{listed}".lower()
    (tmp_path / f"{module}.py").write_text(FUNCTION.format(name="total"), encoding="utf-8")
    made.aggregations["aggregation_specs"].append(TRAIL)
    made.aggregations["udf_specs"] = [
        {"name": "total", "function": f"{module}:total", "columns": ["trail"], "dtype": "double"}
    ]
    columns: list[dict[str, Any]] = [
        {"name": "total", "kind": "udf", "dtype": "double"},
        {"name": "events", "kind": "derived", "dtype": "int64", "expression": "len(trail)"},
    ]
    if listed:
        columns += [
            {"name": "trail", "kind": "rolling", "dtype": DTYPE, "default": []},
            {"name": "again", "kind": "derived", "dtype": DTYPE, "expression": "trail"},
        ]
    made.service["columns"] += columns
    made.runtime["output_columns"] += [column["name"] for column in columns]
    build(made.write().write_data())
    (path,) = (tmp_path / "output/ranking/skeleton/dt=2024-01-03").glob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert [(row["events"], row["total"]) for row in rows] == [(2, 241_200_000_004.0)] * 2
    if listed:
        assert [[event["item_id"] for event in row["trail"]] for row in rows] == [[11, 10]] * 2
        assert all(row["again"] == row["trail"] for row in rows)
    assert audit([*words(made), "--probe", "recompute"]) == 0
    assert " values recomputed, 0 mismatches" in capsys.readouterr().out


def test_structs_as_the_audit_holds_and_shows_them() -> None:
    kind = pa.struct([("item", pa.string()), ("at", pa.timestamp("ms")), ("x", pa.float64())])
    lists = pa.array([[{"item": "a", "at": 5, "x": -0.0}, {"item": None, "at": None, "x": None}], []], pa.list_(kind))
    for column in (lists, pa.concat_arrays([lists, lists])[2:]):
        first, second = from_arrow(column)
        assert second == []
        assert str(first[0]["x"]) == "0.0"
        assert shown(first) == "[{item: 'a', at: 1970-01-01 00:00:00.005, x: 0.0}, {item: NULL, at: NULL, x: NULL}]"

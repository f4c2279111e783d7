"""The lists of labels in published days: of the declared type to the last value, by both engines, empty or not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from tests.daeda_audit.feed import DAYS, build
from tests.projects import TinyProject, fields, moment

# A column of each type that Arrow and DuckDB keep apart, with two values.
VALUES: dict[str, tuple[str, list[Any]]] = {
    "small": ("int8", [-128, 127]),
    "unsigned": ("uint64", [0, 2**64 - 1]),
    "single": ("float", [0.5, -0.25]),
    "price": ("decimal(12, 2)", [Decimal("1.50"), None]),
    "word": ("string", ["é", ""]),
    "flag": ("bool", [True, False]),
    "born": ("date", [dt.date(1970, 1, 1), dt.date(2024, 2, 29)]),
    "seen": ("timestamp[ns]", [moment("01 12:00"), None]),
    "zoned": ("timestamp[us, UTC]", [moment("01 12:00").replace(tzinfo=dt.UTC), None]),
    "tags": ("list<int32>", [[1, None], []]),
}
KINDS = ("list", "last_distinct", "top_k")


def labels() -> dict[str, tuple[dict[str, Any], str]]:
    """Specs of labels by column of the output, with its type."""
    made: dict[str, tuple[dict[str, Any], str]] = {}
    for name, (dtype, _) in VALUES.items():
        for kind in KINDS:
            made[f"{kind}_{name}"] = ({"name": f"{kind}_{name}", "kind": kind, "column": name}, f"list<{dtype}>")
    made["flat"] = ({"name": "flat", "kind": "flatten_distinct", "column": "tags"}, "list<int32>")
    names = list(VALUES)
    struct = ", ".join(f"{name}: {VALUES[name][0]}" for name in names)
    made["rows"] = (
        {"name": "rows", "kind": "sequence", "columns": names, "age": "age"},
        f"list<struct<{struct}, age: int64>>",
    )
    apart = {"name": "apart", "kind": "sequence", "columns": names, "age": "age", "layout": "columns"}
    for name in names:
        made[f"apart_{name}"] = (apart, f"list<{VALUES[name][0]}>")
    made["apart_age"] = (apart, "list<int64>")
    return made


def project(root: Path, engine: str) -> TinyProject:
    """A row of the first day has another one within its windows, and no row of the second has."""
    made = TinyProject(root).without("events_1d", "recent_items", "category", "price", "item_vector")
    made.views["events"]["fields"] += fields(**{name: dtype for name, (dtype, _) in VALUES.items()})
    made.data["events"] = [
        (1, 10, moment(time), 1.0, *(values[place % 2] for _, values in VALUES.values()))
        for place, time in enumerate(("02 08:00", "02 09:00", "02 10:00", "03 10:00"))
    ]
    wanted = labels()
    specs = {spec["name"]: spec for spec, _ in wanted.values()}
    made.aggregations = {
        "label_specs": [
            {"entity": "user", "history": {"view": "events"}, "window": "3h", "max_length": 5, **spec}
            for spec in specs.values()
        ]
    }
    made.service["columns"] += [
        {"name": name, "kind": "label", "dtype": dtype, "nullable": False} for name, (_, dtype) in wanted.items()
    ]
    made.runtime["output_columns"] += list(wanted)
    made.runtime |= {"feature_refs": [], "data_until": "2024-01-05", "compute": {"engine": engine}}
    made.views["events"]["source"]["missing_partitions"] = "empty"
    return made.write().write_data()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[pa.Table]]:
    """The days by engine."""
    days = {}
    for engine in ("duckdb", "polars"):
        made = project(tmp_path_factory.mktemp(engine), engine)
        build(made)
        directory = made.root / "output/ranking/skeleton"
        days[engine] = [
            pq.read_table(directory / f"dt={day}" / "part-0-0.parquet", partitioning=None) for day in DAYS
        ]  # fmt: skip
    return days


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_lists_of_labels_have_their_declared_type(engine: str, published: dict[str, list[pa.Table]]) -> None:
    for day in published[engine]:
        for name, (_, dtype) in labels().items():
            kind = day.schema.field(name).type
            # Neither large lists nor wider values: whoever reads a month reads files of one schema.
            assert pa.types.is_list(kind), (name, kind)
            assert kind == DType.parse(dtype).arrow(), (name, kind)


def test_the_days_are_the_same_by_both_engines(published: dict[str, list[pa.Table]]) -> None:
    for day, other in zip(published["duckdb"], published["polars"], strict=True):
        assert day.schema.equals(other.schema, check_metadata=True)
        assert day.equals(other)
    first, second = published["duckdb"]
    assert first.column("list_word").to_pylist() == [["", "é"], ["é"], []]
    assert first.column("apart_tags").to_pylist() == [[[], [1, None]], [[1, None]], []]
    assert first.column("rows").to_pylist()[1][0]["age"] == -3_600_000_000
    assert [second.column(name).to_pylist() for name in labels()] == [[[]]] * len(labels())

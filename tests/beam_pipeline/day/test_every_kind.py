"""From YAML to Parquet: a service with every kind, built by `python -m beam_pipeline`, equals the oracle."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.beam_pipeline.windows.numpy_engine.cases import same
from tests.oracle.point_in_time import point_in_time
from tests.oracle.rolling import LIST_KINDS, rolling
from tests.projects import TinyProject, fields, moment

Row = dict[str, Any]
DAYS = ("2024-01-02", "2024-01-03")
CLICKS = {
    "user_id": "int64", "item_id": "int64", "at": "timestamp[ms]", "amount": "double", "cost": "decimal(9, 2)",
    "pages": "uint16", "note": "string", "tags": "list<string>", "seen_on": "date", "bought": "bool",
    "shown_at": "timestamp[us, UTC]",
}  # fmt: skip
HALF_LIVES = {"5h": dt.timedelta(hours=5), "90m": dt.timedelta(minutes=90), "7h": dt.timedelta(hours=7),
              "1d": dt.timedelta(days=1)}  # fmt: skip
# Name: kind, column, window and other entries of the spec, and the type that the contract declares.
SPECS: dict[str, tuple[str, str | None, str, dict[str, Any], str]] = {
    "clicked": ("any", None, "90m", {}, "bool"),
    "bought_lately": ("any", "bought", "90m", {}, "bool"),
    "late_any": ("any", None, "90m", {}, "bool"),
    "clicks": ("count", None, "36h", {}, "int64"),
    "notes": ("count", "note", "unbounded", {}, "int64"),
    "different_notes": ("count_distinct", "note", "36h", {}, "int64"),
    "cost": ("sum", "cost", "unbounded", {}, "decimal(38, 2)"),
    "pages_read": ("sum", "pages", "90m", {}, "int64"),
    "amount_sum": ("sum", "amount", "36h", {}, "double"),
    "mean_cost": ("mean", "cost", "36h", {}, "double"),
    "mean_amount": ("mean", "amount", "unbounded", {}, "double"),
    "spread": ("std", "pages", "unbounded", {}, "double"),
    "least_note": ("min", "note", "36h", {}, "string"),
    "greatest_amount": ("max", "amount", "36h", {}, "double"),
    "earliest": ("min", "seen_on", "unbounded", {}, "date"),
    "any_bought": ("max", "bought", "36h", {}, "bool"),
    "first_shown": ("first", "shown_at", "36h", {}, "timestamp[us, UTC]"),
    "last_tags": ("last", "tags", "36h", {}, "list<string>"),
    "pages_p50": ("quantile", "pages", "36h", {"q": "0.5"}, "uint16"),
    "note_p99_9": ("quantile", "note", "unbounded", {"q": "0.999"}, "string"),
    "late_amounts_p25": ("quantile", "amount", "unbounded", {"q": "0.25"}, "double"),
    "faded_clicks": ("decayed_count", None, "36h", {"half_life": "5h"}, "double"),
    "faded_notes": ("decayed_count", "note", "unbounded", {"half_life": "90m"}, "double"),
    "faded_pages": ("decayed_sum", "pages", "36h", {"half_life": "7h"}, "double"),
    "late_faded": ("decayed_sum", "amount", "unbounded", {"half_life": "1d"}, "double"),
    "since_click": ("since_last", None, "36h", {}, "int64"),
    "since_note": ("since_last", "note", "unbounded", {}, "int64"),
    "late_since": ("since_last", "amount", "unbounded", {}, "int64"),
    "items": ("list", "item_id", "36h", {"max_length": 4, "order": "oldest_first"}, "list<int64>"),
    "bought_items": ("last_distinct", "item_id", "unbounded", {"max_length": "history_len", "where": "bought"},
                     "list<int64>"),
    "tags": ("flatten_distinct", "tags", "36h", {"max_length": 5}, "list<string>"),
    "favourites": ("top_k", "item_id", "unbounded", {"max_length": 2}, "list<int64>"),
    "prices_then": ("list", "price", "unbounded", {"max_length": 6}, "list<double>"),
    "late_clicks": ("count", None, "unbounded", {}, "int64"),
    "late_items": ("last_distinct", "item_id", "36h", {"max_length": 3}, "list<int64>"),
    "trail": ("sequence", None, "36h", {"columns": ["note", "tags", "price"], "age": "ago", "max_length": 4},
              "list<struct<note: string, tags: list<string>, price: double, ago: int64>>"),
    "late_trail": ("sequence", None, "unbounded", {"columns": ["amount", "known", "user_id"], "max_length": 3},
                   "list<struct<amount: double, known: timestamp[us], user_id: int64>>"),
    "late_amount": ("sum", "amount", "unbounded", {}, "double"),
}  # fmt: skip


def click(number: int) -> tuple[Any, ...]:
    """Two clicks of one user every 20 minutes, from the first of January on."""
    at = moment("01 00:00") + dt.timedelta(minutes=20 * (number // 2))
    amount = [None, 0.1, float("nan"), 2.5, -0.0, float("inf"), 1e16, -7.0][number % 8] if number < 150 else 0.3
    tags = [None, [], ["a", "b"], ["b", None, "c"], ["a"]][number % 5]
    shown = (at + dt.timedelta(seconds=number % 3)).replace(tzinfo=dt.UTC)
    return (
        1 + number // 2 % 2, 10 + number * number % 5, at, amount, Decimal(number % 9).scaleb(-2), number % 7,
        ["x", None, "y", "é"][number % 4], tags, at.date(), number % 3 == 0, shown,
    )  # fmt: skip


def project(root: Path) -> TinyProject:
    made = TinyProject(root).without("price", "events_1d", "recent_items", "item_vector", "category")
    made.runtime["feature_refs"] = []
    source = {"path": "clicks", "timestamp_field": "at"}
    made.views["clicks"] = {"name": "clicks", "entity": ["user", "item"], "source": source, "fields": fields(**CLICKS)}
    late = {"path": "late_clicks", "timestamp_field": "at", "created_field": "known"}
    late_fields = fields(user_id="int64", known="timestamp[us]", item_id="int64", at="timestamp[ms]", amount="double")
    made.views["late_clicks"] = {
        "name": "late_clicks",
        "entity": ["user", "item"],
        "source": late,
        "fields": late_fields,
    }
    made.aggregations["aggregation_specs"] = []
    for name, (kind, column, window, more, dtype) in SPECS.items():
        history: dict[str, Any] = {"view": "late_clicks" if name.startswith("late") else "clicks"}
        if "price" in (column, *more.get("columns", [])):
            history["attributes"] = ["prices:price"]
        spec = {
            "name": name.rpartition("_p")[0] if "q" in more else name,
            "entity": "user",
            "history": history,
            "kind": kind,
            "window": window,
            **more,
        }
        made.aggregations["aggregation_specs"].append(spec if column is None else {**spec, "column": column})
        made.service["columns"].append({"name": name, "kind": "rolling", "dtype": dtype})
        made.runtime["output_columns"].append(name)
    made.data["clicks"] = [click(number) for number in range(400) if not 100 <= number < 130]
    made.data["late_clicks"] = [
        (user, None if number % 11 == 0 else at + dt.timedelta(minutes=[0, 0, 45, 600][number % 4]), item, at, amount)
        for number, (user, item, at, amount, *_) in enumerate(made.data["clicks"])
    ]
    # The greater item is the cheaper one, so that the order of a tie shows.
    made.views["prices"]["ttl"] = "7d"
    made.data["prices"] = [(10, moment("01 00:00"), 9.0), (11, moment("01 06:00"), 2.5), (14, moment("02 03:00"), 1.0)]
    made.data["prices"] += [(10, moment("03 00:00"), 8.0)]
    made.data["events"] = [
        (1 + number % 3, 10, moment("01 00:00") + dt.timedelta(minutes=37 * (number // 2)), 1.0)
        for number in range(200)
    ]
    return made


@pytest.fixture(scope="module", params=["duckdb", "polars"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyProject, Path]:
    made = project(tmp_path_factory.mktemp("kinds"))
    made.runtime["compute"] = {"engine": request.param}
    made.write().write_data()
    words = [sys.executable, "-m", "beam_pipeline", "--runtime-config-path", str(made.runtime_path)]
    environment = {**os.environ, "DAEDA_ROLLING_CHUNK_ROWS": "50"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return made, made.root / "output" / "ranking" / "skeleton"


def rows_of(made: TinyProject, view: str) -> list[Row]:
    names = [field["name"] for field in made.views[view]["fields"]]
    return [dict(zip(names, row, strict=True)) for row in made.data[view]]


def expected(made: TinyProject, name: str, spine: list[Row]) -> list[Any]:
    kind, column, window, more, _ = SPECS[name]
    late = name.startswith("late")
    history = rows_of(made, "late_clicks" if late else "clicks")
    declared = list(history[0])
    if "price" in (column, *more.get("columns", [])):
        looked_up = point_in_time(
            history, rows_of(made, "prices"), ["item_id"], "at", "event_timestamp", ttl=dt.timedelta(days=7),
            columns=["price"], declared=["item_id", "event_timestamp", "price"],
        )  # fmt: skip
        history = [{**row, **attributes} for row, attributes in zip(history, looked_up, strict=True)]
    lengths = {"unbounded": None, "36h": dt.timedelta(hours=36), "90m": dt.timedelta(minutes=90)}
    length = more.get("max_length")
    return rolling(
        spine, history, ["user_id"], "event_timestamp", "at", kind, column=column, window=lengths[window],
        max_length=made.base[length] if isinstance(length, str) else length, order=more.get("order", "newest_first"),
        where=(lambda row: row["bought"]) if "where" in more else None, created="known" if late else None,
        declared=declared, unit=dt.timedelta(microseconds=1), columns=more.get("columns", ()), age=more.get("age"),
        q=more.get("q"),
        half_life=HALF_LIVES[more["half_life"]] if "half_life" in more else None,
    )  # fmt: skip


@pytest.mark.some(3)
@pytest.mark.parametrize("name", SPECS)
def test_a_column_equals_the_oracle(built: tuple[TinyProject, Path], name: str) -> None:
    made, output = built
    values = set()
    for day in DAYS:
        table = pq.read_table(output / f"dt={day}" / "part-0-0.parquet", partitioning=None)
        spine = [dict(zip(("user_id", "event_timestamp"), row, strict=True)) for row in zip(
            table["user_id"].to_pylist(), table["event_timestamp"].to_pylist(), strict=True)]  # fmt: skip
        assert len(spine) == sum(str(row["event_timestamp"].date()) == day for row in rows_of(made, "events")) > 30
        for row, (actual, wanted) in enumerate(zip(table[name].to_pylist(), expected(made, name, spine), strict=True)):
            assert same(SPECS[name][0], actual, wanted), (day, row, spine[row], actual, wanted)
            values.add(str(actual))
    assert len(values) > 1


def test_every_kind_is_there_once() -> None:
    from typing import get_args

    from daeda.aggregates import AggregateKind

    kinds = {kind for kind, *_ in SPECS.values()}
    assert kinds == set(get_args(AggregateKind))
    assert kinds & set(LIST_KINDS)


def test_an_unbounded_window_reads_from_the_first_partition(built: tuple[TinyProject, Path]) -> None:
    _, output = built
    for day, partitions in zip(DAYS, (2, 3), strict=True):
        manifest = json.loads((output / f"dt={day}" / "_manifest.json").read_text())
        read = {Path(file["path"]).parent.name for file in manifest["inputs"] if "/clicks/" in file["path"]}
        assert read == {f"dt=2024-01-0{number}" for number in range(1, partitions + 1)}


def test_types_are_those_of_the_contract(built: tuple[TinyProject, Path]) -> None:
    schema = pq.read_schema(built[1] / f"dt={DAYS[0]}" / "part-0-0.parquet")
    assert schema.field("cost").type == pa.decimal128(38, 2)
    assert schema.field("first_shown").type == pa.timestamp("us", tz="UTC")
    assert schema.field("tags").type.value_type == pa.string()

"""Values at the edges, through a whole day: read, windowed, looked up, written, and read again."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.errors import DayError
from tests.daeda_audit.feed import build
from tests.projects import TinyProject, fields, moment, write_parquet

DAY = dt.date(2024, 1, 2)
NAN, INF = math.nan, math.inf


def tiny(root: Path) -> TinyProject:
    return TinyProject(root).without("item_vector")


def with_rolling(made: TinyProject, name: str, dtype: str, **spec: Any) -> None:
    """One more rolling column."""
    entry = {"name": name, "entity": "user", "history": {"view": "events"}, "window": "unbounded", **spec}
    made.aggregations["aggregation_specs"].append(entry)
    made.service["columns"].append({"name": name, "kind": "rolling", "dtype": dtype})
    made.runtime["output_columns"].append(name)


def rows_of(made: TinyProject, day: dt.date = DAY) -> list[dict[str, Any]]:
    """The rows of a published day; its manifest is JSON by the letter, NaN excluded."""
    directory = made.root / f"output/ranking/skeleton/dt={day}"

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    manifest = json.loads((directory / "_manifest.json").read_text(encoding="utf-8"), parse_constant=refuse)
    tables = [pq.read_table(directory / part["name"], partitioning=None) for part in manifest["parts"]]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    assert len(rows) == manifest["rows"]
    return rows


def test_nan_and_infinities_touch_only_the_windows_that_hold_them(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    kinds = ("sum", "mean", "min", "max")
    for kind in kinds:
        with_rolling(made, kind, "double", kind=kind, column="amount", window="1d")
    made.data["events"] = [
        (1, 10, moment("01 01:00"), NAN), (1, 10, moment("01 12:00"), 2.0), (1, 10, moment("02 00:30"), 1.0),
        (1, 10, moment("02 02:00"), -0.0), (2, 10, moment("01 06:00"), INF), (2, 10, moment("01 07:00"), 5.0),
        (2, 10, moment("02 05:00"), -INF), (2, 10, moment("02 06:30"), NAN),
    ]  # fmt: skip
    made.write().write_data()
    build(made, days=[DAY])
    rows = rows_of(made)
    assert [row["amount"] for row in rows[:3]] == [1.0, 0.0, -INF]
    assert math.copysign(1, rows[1]["amount"]) == 1.0
    found = [tuple(row[kind] for kind in kinds) for row in rows]
    assert repr(found) == repr(
        [
            (NAN, NAN, 2.0, NAN),  # NaN is above all numbers
            (3.0, 1.5, 1.0, 2.0),  # the NaN lies an hour before the window
            (INF, INF, 5.0, INF),
            (-INF, -INF, -INF, 5.0),  # the infinity of 06:00 is gone
        ]
    )


@pytest.mark.parametrize("day", ["1969-12-31", "1600-02-29", "2200-12-31", "9998-12-31"])
def test_days_before_1970_and_after_2200(day: str, tmp_path: Path) -> None:
    made = tiny(tmp_path)
    there = dt.datetime.fromisoformat(day)
    made.runtime |= {"feed_start": day, "feed_end": day}
    made.data["events"] = [
        (1, 10, there - dt.timedelta(days=1), 1.0), (1, 11, there - dt.timedelta(microseconds=1), 2.0),
        (1, 10, there, 3.0), (1, 10, there + dt.timedelta(hours=23, minutes=59, microseconds=999_999), 4.0),
        (1, 10, there + dt.timedelta(days=1), 9.0),
    ]  # fmt: skip
    made.data["prices"] = [(10, there - dt.timedelta(hours=1), 1.5), (10, there + dt.timedelta(hours=1), 2.5)]
    made.views["prices"]["source"]["missing_partitions"] = "empty"
    made.write().write_data()
    build(made, days=[there.date()])
    rows = rows_of(made, there.date())
    assert [(row["amount"], row["price"], row["events_1d"], row["recent_items"]) for row in rows] == [
        (3.0, 1.5, 2, [11, 10]),
        (4.0, 2.5, 2, [10, 11]),
    ]


def test_a_sum_that_does_not_fit_names_day_column_and_key(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.views["events"]["fields"][3]["dtype"] = made.column("amount")["dtype"] = "int64"
    with_rolling(made, "total", "int64", kind="sum", column="amount")
    made.data["events"] = [
        (7, 10, moment("01 01:00"), 2**62), (7, 10, moment("01 02:00"), 2**62), (8, 10, moment("01 01:00"), 2**62),
        (7, 10, moment("02 03:00"), 1), (8, 10, moment("02 03:00"), 1),
    ]  # fmt: skip
    made.write().write_data()
    with pytest.raises(DayError) as raised:
        build(made, days=[DAY])
    assert str(raised.value) == (
        "day 2024-01-02, operator 'rolling_events_by_user': column 'total' of user_id 7: the sum does not fit its "
        "type: aggregate a smaller unit, or declare the column as a decimal or a double"
    )


def test_texts_of_ten_megabytes(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    long = "é" * (5 * 2**20)
    made.data["items"] = [(10, long), (11, "x" * (10 * 2**20))]
    made.write().write_data()
    build(made, days=[DAY])
    assert [len(row["category"]) for row in rows_of(made)] == [10 * 2**20, 7]
    manifest = tmp_path / "output/ranking/skeleton/dt=2024-01-02/_manifest.json"
    assert manifest.stat().st_size < 50_000


def test_lists_of_a_million_ids(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.views["events"]["fields"] += fields(ids="list<int64>")
    made.service["columns"].append({"name": "ids", "kind": "spine", "dtype": "list<int64>"})
    made.runtime["output_columns"].append("ids")
    with_rolling(made, "seen", "list<int64>", kind="flatten_distinct", column="ids", max_length=2_000_000)
    million = list(range(1_000_000))
    made.data["events"] = [
        (1, 10, moment("01 01:00"), 1.0, million), (1, 10, moment("01 02:00"), 1.0, [5, None, -1]),
        (1, 10, moment("02 01:00"), 1.0, million),
    ]  # fmt: skip
    made.write().write_data()
    build(made, days=[DAY])
    (row,) = rows_of(made)
    assert row["ids"] == million
    assert row["seen"] == [5, -1, *million[:5], *million[6:]]


NAMES = ('quo"te', "apos'trophe", "select", "naïve ☃ 名前", "dotted.name", "semi;colon --", "Tab\there", "rowid")


def test_columns_of_any_name_are_read_under_a_plain_one(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    canonical = ("user_id", "item_id", "event_timestamp", "amount", "order", "Group", "table", "naive")
    made.views["events"]["field_mapping"] = dict(zip(NAMES, canonical, strict=True))
    made.views["events"]["fields"] = fields(
        user_id="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double", order="string",
        Group="string", table="int64", naive="string",
    )  # fmt: skip
    for name, dtype in (("order", "string"), ("Group", "string"), ("table", "int64"), ("naive", "string")):
        made.service["columns"].append({"name": name, "kind": "spine", "dtype": dtype})
        made.runtime["output_columns"].append(name)
    made.service["columns"].append(
        {"name": "select", "kind": "derived", "dtype": "string", "expression": '"order" || "Group" || naive'}
    )
    made.runtime["output_columns"].append("select")
    made.service["spine"]["filters"] = [{"where": '"table" > 0'}]
    with_rolling(made, "last_order", "string", kind="last", column="order")
    made.data["events"] = []
    made.write().write_data()
    types = [field["dtype"] for field in made.views["events"]["fields"]]
    for day in ("01", "02"):
        row = (1, 10, moment(f"{day} 09:00"), 1.0, f"o{day}", "g'", 3, 'n"')
        path = tmp_path / f"data/events/dt=2024-01-{day}/part-0.parquet"
        write_parquet(path, dict(zip(NAMES, types, strict=True)), [row])
    build(made, days=[DAY])
    (rows,) = rows_of(made)
    assert [rows[name] for name in ("order", "Group", "table", "select", "last_order")] == [
        "o02", "g'", 3, "o02g'n\"", "o01",
    ]  # fmt: skip


def test_ids_and_texts_that_look_like_sql_are_values(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    evil = "x'); DROP TABLE daeda_entities; --"
    made.views["events"]["fields"][0]["dtype"] = "string"
    made.column("user_id")["dtype"] = "string"
    made.column("category")["default"] = evil
    made.data["items"] = [(10, "'; SELECT 1; --"), (11, '"quoted"')]
    made.data["events"] = [(evil, 10, moment("01 12:00"), 1.0), (evil, 99, moment("02 09:00"), 3.0)]
    made.write().write_data()
    build(made, days=[DAY])
    (row,) = rows_of(made)
    assert (row["user_id"], row["category"], row["events_1d"], row["recent_items"]) == (evil, evil, 1, [10])


def test_nulls_in_every_column_that_may_hold_them(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.column("user_id")["nullable"] = made.column("item_id")["nullable"] = True
    nothing: Sequence[Any] = (None, None, moment("02 09:00"), None)
    made.data["events"] = [(1, 10, moment("01 12:00"), 1.0), tuple(nothing), tuple(nothing)]
    made.write().write_data()
    build(made, days=[DAY])
    first, second = rows_of(made)
    assert first == second
    assert {name: first[name] for name in ("user_id", "amount", "category", "price", "events_1d", "recent_items")} == {
        "user_id": None, "amount": None, "category": "unknown", "price": None, "events_1d": 0, "recent_items": [],
    }  # fmt: skip

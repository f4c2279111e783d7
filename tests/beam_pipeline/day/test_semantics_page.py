"""The worked tables of docs/semantics.md are what the product computes, by both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from daeda.aggregates import KINDS
from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from daeda.settings.availability import Available
from tests.beam_pipeline.day.one_day import NOON, Case, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.windows.numpy_engine.cases import same
from tests.daeda.sql import test_point_in_time_sql as look_ups
from tests.daeda.sql.test_point_in_time_sql import looked_up

PAGE = Path(__file__).parents[3] / "docs" / "semantics.md"
HISTORY = ["time", "known", "item", "amount", "tags"]
RESULTS = ["kind", "column", "max_length", "q", "half_life", "gives"]
MINUTE = 60_000_000_000


def table(header: list[str]) -> list[dict[str, str]]:
    """The rows of the page's table with this header."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index(f"| {' | '.join(header)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            return rows
        rows.append(dict(zip(header, (cell.strip() for cell in line.strip("|").split("|")), strict=True)))
    return rows


def moment(text: str) -> int | None:
    """`09:10` as nanoseconds, of the day whose noon is NOON."""
    if text == "NULL":
        return None
    hours, minutes = text.split(":")
    return NOON + (60 * (int(hours) - 12) + int(minutes)) * MINUTE


def value(text: str) -> Any:
    return json.loads(text.replace("NULL", "null"))


def read_by(kind: str, column: str) -> dict[str, Any]:
    """A column; of a sequence several, and the name of the age in italics."""
    if kind != "sequence":
        return {"column": column or None}
    *columns, age = column.split(", ")
    return {"columns": columns, "age": age.strip("*")}


def test_the_three_times(tmp_path: Path) -> None:
    right = [
        {"k": 1, "then": moment(row["time"]), "known": moment(row["known"]), "v": int(row["value"])}
        for row in table(["time", "known", "value"])
    ]
    seconds = look_ups.Time("timestamp[us]", "us")
    shown = table(["available", "a row at", "gets", "why"])
    for row in shown:
        available = None
        if row["available"]:
            name, text = row["available"].split()
            available = Available.model_validate({name: text})
        case = look_ups.Case(
            {"k": "int64"}, seconds, seconds, seconds, None, False, {"v": "int64"}, ("v",),
            [{"k": 1, "now": moment(row["a row at"])}], right, available,
        )  # fmt: skip
        assert look_ups.in_the_product(case, tmp_path, duckdb.connect()) == [{"v": value(row["gets"])}]
        assert look_ups.in_the_oracle(case) == [{"v": value(row["gets"])}]
    assert len(shown) == 6


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_ends_of_windows(engine: str, tmp_path: Path) -> None:
    shown = table(["window", "aligned_to", "offset", "it is", "rows"])
    asked = tuple(
        Aggregate.model_validate(
            {"name": f"rows_{number}", "kind": "count", "window": row["window"]}
            | {name: row[name] for name in ("aligned_to", "offset") if row[name]}
        )
        for number, row in enumerate(shown)
    )
    right = [{"k": 1, "then": moment(text)} for text in ("08:59", "09:59", "10:00", "10:29")]
    case = Case({"k": "int64"}, {}, asked, [{"k": 1, "now": moment("10:30")}], right, engine=engine)
    found = in_the_product(case, tmp_path, duckdb.connect())
    assert [column[0].as_py() for column in found.columns] == [int(row["rows"]) for row in shown]
    assert {name: values[0] for name, values in in_the_oracle(case).items()} == found.to_pylist()[0]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_worked_window(engine: str, tmp_path: Path) -> None:
    right = [
        {"k": 1, "then": moment(row["time"]), "known": moment(row["known"])}
        | {name: value(row[name]) for name in ("item", "amount", "tags")}
        for row in table(HISTORY)
    ]
    results = table(RESULTS)
    aggregates = tuple(
        Aggregate(
            name=f"result_{number}",
            kind=row["kind"],
            **read_by(row["kind"], row["column"]),
            window=Duration.parse("1h"),
            q=row["q"] or None,
            half_life=row["half_life"] or None,
            max_length=int(row["max_length"]) if row["max_length"] else None,
        )
        for number, row in enumerate(results)
    )
    rest = {"item": "int64", "amount": "double", "tags": "list<string>"}
    left = [{"k": 1, "now": moment("10:00")}]
    case = Case({"k": "int64"}, rest, aggregates, left, right, created=Time(), engine=engine)
    (row_made,) = in_the_product(case, tmp_path, duckdb.connect()).to_pylist()
    stated = {f"result_{number}": value(row["gives"]) for number, row in enumerate(results)}
    expected = {name: column_values[0] for name, column_values in in_the_oracle(case).items()}
    assert {row["kind"] for row in results} == set(KINDS)
    assert expected == stated
    assert row_made.keys() == stated.keys()
    for aggregate in aggregates:
        assert same(aggregate.kind, row_made[aggregate.name], expected[aggregate.name]), aggregate


EDGES = ["a row at", "of user", "count", "list of item", "the same, oldest_first", "sum of item"]
SPECIAL = ["values", "min", "max", "sum", "mean", "std"]
PRICES = ["price view: time", "price", "a row at 10:00 gets", "a row at 10:01 gets"]


def windowed(kind: str, column: str | None, window: str = "1h", order: str = "newest_first") -> Aggregate:
    return Aggregate(
        name=f"{kind}_{column}_{order}",
        kind=kind,
        column=column,
        window=Duration.parse(window),
        max_length=9 if kind == "list" else None,
        order=order,
    )


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_edges_of_a_window(engine: str, tmp_path: Path) -> None:
    right = [
        {"k": 1, "then": moment(at), "item": item}
        for at, item in (("09:00", 1), ("09:00", 2), ("09:30", None), ("10:00", 3))
    ]
    stated = table(EDGES)
    left = [{"k": value(row["of user"]), "now": moment(row["a row at"])} for row in stated]
    wanted = (
        windowed("count", None),
        windowed("list", "item"),
        windowed("list", "item", order="oldest_first"),
        windowed("sum", "item"),
    )
    case = Case({"k": "int64"}, {"item": "int64"}, wanted, left, right, engine=engine)
    rows_made = in_the_product(case, tmp_path, duckdb.connect()).to_pylist()
    assert [list(row.values()) for row in rows_made] == [[value(row[name]) for name in EDGES[2:]] for row in stated]
    assert len(stated) == 6


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_special_doubles(engine: str, tmp_path: Path) -> None:
    stated = table(SPECIAL)
    right = [
        {"k": user, "then": NOON - MINUTE * (place + 1), "x": item}
        for user, row in enumerate(stated)
        for place, item in enumerate(value(row["values"]))
    ]
    left = [{"k": user, "now": NOON} for user in range(len(stated))]
    wanted = tuple(windowed(kind, "x") for kind in SPECIAL[1:])
    case = Case({"k": "int64"}, {"x": "double"}, wanted, left, right, engine=engine)
    rows_made = in_the_product(case, tmp_path, duckdb.connect()).to_pylist()
    assert [[str(item) for item in row.values()] for row in rows_made] == [
        [str(value(row[name])) for name in SPECIAL[1:]] for row in stated
    ]
    assert len(stated) == 6


def test_the_price_that_was_known(tmp_path: Path) -> None:
    stated = table(PRICES)
    right = [{"k": 1, "then": minutes(row[PRICES[0]]), "x": row["price"]} for row in stated]
    left = [{"k": 1, "now": minutes(at)} for at in ("10:00", "10:01")]
    told = [next(row[name].split()[0] for row in stated if row[name]) for name in PRICES[2:]]
    assert looked_up(tmp_path, right, left) == told == ["3.99", "4.29"]


def minutes(text: str) -> int:
    """`10:01` as seconds after noon."""
    hours, rest = text.split(":")
    return 3_600 * (int(hours) - 12) + 60 * int(rest)

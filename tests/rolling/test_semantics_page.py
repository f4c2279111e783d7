"""The worked window of docs/semantics.md is what the product computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from tests.rolling.one_day import NOON, Case, Time, in_the_oracle, in_the_product

PAGE = Path(__file__).parents[2] / "docs" / "semantics.md"
HISTORY = ["time", "known", "item", "amount", "tags"]
RESULTS = ["kind", "column", "max_length", "gives"]
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
            column=row["column"] or None,
            window=Duration.parse("1h"),
            max_length=int(row["max_length"]) if row["max_length"] else None,
        )
        for number, row in enumerate(results)
    )
    rest = {"item": "int64", "amount": "double", "tags": "list<string>"}
    left = [{"k": 1, "now": moment("10:00")}]
    case = Case({"k": "int64"}, rest, aggregates, left, right, created=Time(), engine=engine)
    (found,) = in_the_product(case, tmp_path, duckdb.connect()).to_pylist()
    stated = {f"result_{number}": value(row["gives"]) for number, row in enumerate(results)}
    assert found == stated
    assert len(stated) == 14
    assert stated == {name: one[0] for name, one in in_the_oracle(case).items()}

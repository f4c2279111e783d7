"""Entities of several keys, one of which tells them apart by itself: their history is joined by that one alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from beam_pipeline.history import reader
from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from daeda.sql import unordered
from tests.beam_pipeline.day.one_day import NOON, Case, Row, in_the_oracle, in_the_product

COUNTED = (Aggregate(name="n", kind="count", window=Duration.parse("1d")),)
VALUES = {"int64": (1, 2, None), "string": ("a", "b", None)}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'; SET threads = 1")
        yield opened


def case(keys: dict[str, str], entities: list[tuple[object, ...]]) -> Case:
    """Rows of these entities, over a history with 1, 2, ... rows of each pair of values, NULL among them."""
    pairs = [dict(zip(keys, (one, other), strict=True)) for one in VALUES[keys["k"]] for other in VALUES[keys["j"]]]
    right: list[Row] = [
        {**pair, "then": NOON - 1_000_000_000, "v": 1} for index, pair in enumerate(pairs) for _ in range(index + 1)
    ]
    left: list[Row] = [{**dict(zip(keys, entity, strict=True)), "now": NOON} for entity in entities]
    return Case(keys, {"v": "int64"}, COUNTED, left, right)


@pytest.mark.parametrize(
    ("keys", "entities", "telling"),
    [
        (("int64", "int64"), [(1, 2), (2, 2), (1, 2)], "k"),
        (("int64", "int64"), [(1, 1), (1, 2), (1, None)], "j"),
        (("int64", "int64"), [(1, 1), (1, 2), (2, 1)], None),
        (("int64", "int64"), [(None, 1)], "k"),
        (("int64", "string"), [(2, "a"), (1, "a"), (None, "b")], "k"),
        (("string", "int64"), [("a", 1), ("b", 1), (None, 2)], None),
    ],
)
def test_rows_are_those_of_all_keys(
    keys: tuple[str, str], entities: list[tuple[object, ...]], telling: str | None, tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
) -> None:  # fmt: skip
    given = case(dict(zip("kj", keys, strict=True)), entities)
    with mock.patch.object(reader.unordered, "unordered_history", wraps=unordered.unordered_history) as asked:
        made = in_the_product(given, tmp_path, connection)
    assert asked.call_args.args[-1] == telling
    assert made["n"].to_pylist() == in_the_oracle(given)["n"]


def test_the_optimizer_joins_by_the_telling_key_alone(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    statements: list[str] = []

    def kept(*arguments: object) -> str:
        statements.append(made(*arguments))  # type: ignore[arg-type]
        plan = connection.execute(f"EXPLAIN {statements[-1]}").fetchall()[0][1]
        assert "k = k" in plan
        assert "j = j" not in plan.split("HASH_JOIN")[1].split("READ_PARQUET")[0]
        return statements[-1]

    made = unordered.unordered_history
    with mock.patch.object(reader.unordered, "unordered_history", kept):
        in_the_product(case({"k": "int64", "j": "int64"}, [(1, 2), (2, 2)]), tmp_path, connection)
    assert statements

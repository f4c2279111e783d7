"""Windows that are aligned or moved equal the oracle, by both engines: edges, negative times, units, late rows."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.day.test_rolling import compare
from tests.budget import CASES

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
SPANS = {"250ms": SECOND // 4, "1s": SECOND, "90m": 5_400 * SECOND, "1d": DAY, "3d": 3 * DAY, "400w": 2_800 * DAY}
WINDOWS = ("unbounded", "1s", "90m", "1d", "36h", "400w")
OFFSETS = (None, None, "0s", "1s", "90m", "1d", "7ns", "500w")
KINDS = ("count", "list", "sum", "since_last", "last")
TIMES = (Time(), Time("timestamp[ms]", "ms"), Time("timestamp[ns]", "ns"), Time("int64", "s"))


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'; SET threads = 1")
    return opened


def aggregate(number: int, kind: str, window: str, aligned_to: str | None, offset: str | None) -> Aggregate:
    return Aggregate.model_validate(
        {
            "name": f"{kind}_{number}",
            "kind": kind,
            "column": "v",
            "window": window,
            "aligned_to": aligned_to,
            "offset": offset,
            "max_length": 3 if kind == "list" else None,
        }
    )


def drawn(chance: random.Random) -> Case:
    """Rows at the edges of the windows that are asked for, a step beside them, and anywhere; before 1970 too."""
    begin = chance.choice([NOON, NOON, -3 * DAY - 7 * SECOND, 0])
    left_time, right_time = chance.choice(TIMES), chance.choice(TIMES)
    created = chance.choice([None, None, *TIMES])
    asked = []
    for number in range(chance.randint(1, 5)):
        aligned = chance.choice([None, *SPANS])
        offset = chance.choice(OFFSETS) if aligned is not None else chance.choice(OFFSETS[2:])
        asked.append(aggregate(number, chance.choice(KINDS), chance.choice(WINDOWS), aligned, offset))
    left: list[Row] = []
    for _ in range(chance.randint(1, 6)):
        # As far as nanoseconds reach from there, and on the borders of grids.
        now = begin + chance.choice([0, 0, 1, -1, chance.randrange(DAY // 2 // left_time.step)]) * left_time.step
        left.append({"k": chance.choice([1, 1, 2, None]), "now": now // left_time.step * left_time.step})
    edges = []
    for row in left:
        for one in asked:
            grid = 1 if one.aligned_to is None else one.aligned_to.nanoseconds or 1
            end = row["now"] // grid * grid - (one.offset.nanoseconds or 0 if one.offset else 0)
            edges += [row["now"], end, end - (one.window.nanoseconds or 0)]
    right: list[Row] = []
    for _ in range(chance.randint(0, 16)):
        step = chance.choice([0, 0, 1, -1]) * right_time.step
        then = max(chance.choice(edges) + step, -9 * 10**18) // right_time.step * right_time.step
        row = {"k": chance.choice([1, 1, 2, None]), "then": then, "v": chance.choice([None, 1, 2, 3])}
        if created is not None:
            late = chance.choice([row["then"], chance.choice(left)["now"] + chance.choice([-1, 0]) * created.step])
            row["known"] = chance.choice([late, late, None]) and late // created.step * created.step
        right.append(row)
    return Case(
        {"k": "int64"}, {"v": "int64"}, tuple(asked), left, right, left_time, right_time, created,
        chunk_rows=chance.choice([1, 1_000]), batch_rows=1_000,
    )  # fmt: skip


def test_they_find_what_the_oracle_finds(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(14)
    for number in range(CASES):
        case = drawn(chance)
        expected = in_the_oracle(case)
        for engine in ("duckdb", "polars"):
            try:
                table = in_the_product(replace(case, engine=engine), tmp_path, connection)
                compare(case, table, expected)
            except AssertionError as error:
                raise AssertionError(f"case {number}, {engine}: {case}") from error


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_what_lies_inside_and_became_known_behind_the_end_counts(
    engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """At 12:00:00.5 an hour that ended at 12:00: its last row became known only then; one of 12:00 is no part of it."""
    now = NOON + SECOND // 2
    known = [NOON - 5 * SECOND, NOON + SECOND // 4, now, NOON]
    times = [NOON - 5 * SECOND, NOON - 1_000, NOON - 2_000, NOON]
    right = [{"k": 1, "then": then, "known": at, "v": n} for n, (then, at) in enumerate(zip(times, known, strict=True))]
    asked = tuple(
        aggregate(number, "list", "10s", aligned, offset)
        for number, (aligned, offset) in enumerate([("1h", None), (None, "500ms"), ("1h", "1s"), (None, None)])
    )
    case = Case({"k": "int64"}, {"v": "int64"}, asked, [{"k": 1, "now": now}], right, created=Time(), engine=engine)
    table = in_the_product(case, tmp_path, connection)
    compare(case, table)
    assert [column[0].as_py() for column in table.columns] == [[1, 0], [1, 0], [0], [3, 1, 0]]


def test_how_far_back_they_reach() -> None:
    def reach(window: str, aligned_to: str | None = None, offset: str | None = None) -> Any:
        return str(aggregate(0, "count", window, aligned_to, offset).reach)

    assert reach("7d") == "7d"
    assert reach("7d", "1d") == "7d"
    assert reach("90m", "1h", "1d") == "1530m"
    assert reach("1d", "7d", "7d") == "14d"
    assert reach("unbounded", "7d", "1d") == "unbounded"
    assert aggregate(0, "count", "7d", None, None).model_dump().keys().isdisjoint({"aligned_to", "offset"})
    assert Duration.parse("7d") == aggregate(0, "count", "7d", "1h", "0s").reach

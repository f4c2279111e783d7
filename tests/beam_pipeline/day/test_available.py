"""Rows that can be used later than they are known: windows and look-ups equal the oracle, by all engines and ways."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from daeda.settings.availability import Available
from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.day.test_ends_of_windows import aggregate
from tests.beam_pipeline.day.test_rolling import compare
from tests.budget import CASES
from tests.daeda.sql import test_point_in_time_sql as look_ups
from tests.oracle.available import usable_from

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MIDNIGHT = NOON - DAY // 2
AVAILABLE = [{"after": text} for text in ("0s", "10m", "1500ms", "1d", "7ns", "3w")]
AVAILABLE += [{"daily_at": text} for text in ("00:00", "03:00", "12:00", "23:59")]
TIMES = (Time(), Time("timestamp[ms]", "ms"), Time("timestamp[ns]", "ns"), Time("int64", "s"), Time("int32", "s"))
KINDS = ("count", "list", "sum", "since_last", "last", "any")


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'; SET threads = 1")
    return opened


def clock(text: str) -> int:
    return (60 * int(text[:2]) + int(text[3:])) * 60 * SECOND


def drawn(chance: random.Random) -> tuple[Available, list[Row], list[Row], Time, Time, Time | None]:
    """Rows that can be used at the very time of a row that looks, a step before and behind it, or at any time."""
    available = Available.model_validate(chance.choice(AVAILABLE))
    left_time, right_time = chance.choice(TIMES), chance.choice(TIMES)
    created = chance.choice([None, None, *TIMES])
    at = DAY // 2 if available.daily_at is None else clock(available.daily_at)
    left: list[Row] = []
    for _ in range(chance.randint(1, 6)):
        now = MIDNIGHT + chance.choice(
            [at, at, at + left_time.step, max(at - left_time.step, 0), chance.randrange(DAY)]
        )
        left.append({"k": chance.choice([1, 1, 2, None]), "now": now // left_time.step * left_time.step})
    right: list[Row] = []
    late = (available.after.nanoseconds or 0) if available.after is not None else 0
    for _ in range(chance.randint(0, 14)):
        now = chance.choice(left)["now"]
        before = now - late if late else MIDNIGHT - chance.choice([0, 1, DAY, DAY + 1, DAY // 2])
        step = chance.choice([0, 0, 1, -1, -5_000]) * right_time.step
        then = (chance.choice([before, before, now]) + step) // right_time.step * right_time.step
        row = {"k": chance.choice([1, 1, 2, None]), "then": then, "v": chance.choice([None, 1, 2, 3])}
        if created is not None:
            known = chance.choice([then, before, before - created.step, then - DAY, None])
            row["known"] = known if known is None else known // created.step * created.step
        right.append(row)
    return available, left, right, left_time, right_time, created


def test_windows_find_what_the_oracle_finds(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    chance, some = random.Random(6), 0
    for number in range(CASES):
        available, left, right, left_time, right_time, created = drawn(chance)
        asked = tuple(
            aggregate(place, chance.choice(KINDS[:-1]), chance.choice(["unbounded", "10m", "36h"]),
                      chance.choice([None, None, "1h"]), chance.choice([None, None, "1h"]))
            for place in range(chance.randint(1, 3))
        )  # fmt: skip
        case = Case(
            {"k": "int64"}, {"v": "int64"}, asked, left, right, left_time, right_time, created, available=available,
            chunk_rows=chance.choice([1, 1_000]),
        )  # fmt: skip
        expected = in_the_oracle(case)
        some += expected != in_the_oracle(replace(case, available=None))
        for engine in ("duckdb", "polars"):
            try:
                compare(case, in_the_product(replace(case, engine=engine), tmp_path, connection), expected)
            except AssertionError as error:
                raise AssertionError(f"case {number}, {engine}: {case}") from error
    assert some > CASES // 8  # it makes a difference


def test_look_ups_find_what_the_oracle_finds(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    chance, some = random.Random(7), 0
    for number in range(CASES):
        available, left, right, left_time, right_time, created = drawn(chance)
        case = look_ups.Case(
            {"k": "int64"}, left_time, right_time, created, chance.choice([None, None, "10m", "36h"]),  # type: ignore[arg-type]
            chance.choice([False, True]), {"v": "int64"}, ("v",), left, right, available,
        )  # fmt: skip
        expected = look_ups.in_the_oracle(case)
        some += expected != look_ups.in_the_oracle(replace(case, available=None))
        joined = look_ups.in_the_product(case, tmp_path, connection)
        searched = look_ups.in_the_product(case, tmp_path, connection, arrow_bytes=1 << 28)
        assert joined == expected, (number, case)
        assert searched == expected, (number, case)
    assert some > CASES // 8


@pytest.mark.parametrize("number", [0, -1, 1, -DAY, DAY, DAY - 1, -DAY - 1, -(2**63) + 1, 2**63 - 1, 2**63 - DAY])
@pytest.mark.parametrize("available", AVAILABLE)
def test_the_sql_of_an_instant_holds_at_the_ends(
    available: dict[str, str], number: int, connection: duckdb.DuckDBPyConnection
) -> None:
    from sqlglot import exp

    from daeda.dtypes import TimeUnit
    from daeda.sql.availability import usable_from as in_sql

    made = in_sql(exp.column("k"), Available.model_validate(available), TimeUnit.NANO).sql("duckdb")
    row = connection.execute(f"SELECT {made} FROM (SELECT {number}::BIGINT AS k)").fetchone()
    told: Any = ("after", Available.model_validate(available).after)
    told = (
        ("daily_at", clock(available["daily_at"]), DAY) if "daily_at" in available else (told[0], told[1].nanoseconds)
    )
    latest = 2**63 - 1
    wanted = usable_from(number, told)
    # A day at the very end of what there is counts as beyond it.
    assert row == (min(wanted, latest),) or (number > latest - 2 * DAY and row == (latest,))

"""Cases that are easily wrong, each by both engines: mixed-up keys, impression lists, day borders, one heavy user."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.day.test_rolling import EVERY, aggregate, compare

ENGINES = ("duckdb", "polars")
SECOND = 1_000_000_000
MIDNIGHT = NOON - 12 * 3_600 * SECOND


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'")
    return opened


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("types", "users"),
    [
        ({"k": "int64", "j": "int64"}, [(1, 11), (11, 1), (111, 1), (1, 111)]),
        ({"k": "string", "j": "string"}, [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")]),
        ({"k": "string", "j": "int32"}, [("1", 11), ("11", 1), ("1 ", 11), ("é", 1)]),
    ],
    ids=["1,11 and 11,1", "a,bc and ab,c", "text and number"],
)
def test_composite_keys_are_compared_column_by_column(
    types: dict[str, str],
    users: list[tuple[Any, Any]],
    engine: str,
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    right = [
        {"k": k, "j": j, "then": NOON - (event + 1) * SECOND, "v": 10 * number + event, "w": [number]}
        for number, (k, j) in enumerate(users)
        for event in range(number + 1)
    ]
    left = [{"k": k, "j": j, "now": NOON} for k, j in users]
    left += [{"k": None, "j": users[0][1], "now": NOON}, {"k": users[0][0], "j": None, "now": NOON}]
    case = Case(types, {"v": "int64", "w": "list<int64>"}, EVERY, left, right, engine=engine)
    table = in_the_product(case, tmp_path, connection)
    assert table["count_rows_unbounded"].to_pylist() == [1, 2, 3, 4, 0, 0]
    assert table["list_v_unbounded"].to_pylist() == [[0], [10, 11], [20, 21, 22], [30, 31, 32, 33], [], []]
    compare(case, table)


@pytest.mark.parametrize("engine", ENGINES)
def test_impression_lists_of_20_rows_share_user_and_time(
    engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """No row sees another one of its list, and all see the lists before it, whatever their order."""
    impressions = [
        {"k": user, "at": NOON + shown * SECOND, "v": (7 * place + shown) % 9, "w": [place, None, shown]}
        for user in (1, 2)
        for shown in range(5)
        for place in range(20)
    ]
    right = [
        {"k": impression["k"], "then": impression["at"], "v": impression["v"], "w": impression["w"]}
        for impression in impressions[::-1]
    ]
    left = [{"k": impression["k"], "now": impression["at"]} for impression in impressions]
    case = Case({"k": "int64"}, {"v": "int64", "w": "list<int64>"}, EVERY, left, right, engine=engine)
    table = in_the_product(case, tmp_path, connection)
    assert table["count_rows_unbounded"].to_pylist() == [20 * shown for _ in (1, 2) for shown in range(5)
                                                         for _ in range(20)]  # fmt: skip
    compare(case, table)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_window_reaches_over_midnight(engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """The first and the last instant of a day, and rows a nanosecond around both ends of their windows."""
    day = 86_400 * SECOND
    ends = [MIDNIGHT, MIDNIGHT + day - 1]
    right: list[Row] = [
        {"k": 1, "then": end - back + step, "v": place}
        for place, end in enumerate(ends)
        for back in (0, 60 * SECOND, day)
        for step in (-1, 0, 1)
    ]
    wanted = (aggregate("count", None, "1m"), aggregate("list", "v", "1d", 50), aggregate("sum", "v", "1m"))
    nanoseconds = Time("timestamp[ns]", "ns")
    case = Case({"k": "int64"}, {"v": "int64"}, wanted, [{"k": 1, "now": end} for end in ends], right, nanoseconds,
                nanoseconds, engine=engine)  # fmt: skip
    table = in_the_product(case, tmp_path, connection)
    # Of the three rows around t - 1m two are seen, and of those around t one; the first sees two of the other's, too.
    assert table["count_rows_1m"].to_pylist() == [5, 3]
    compare(case, table)


@cache
def heavy_day() -> tuple[Case, dict[str, list[Any]]]:
    """A user with 100,000 events beside others with a few, and the oracle's answer."""
    events = 100_000
    items = np.minimum(np.random.default_rng(3).zipf(1.3, events), 500).tolist()
    right: list[Row] = [{"k": 7, "then": NOON - (events - n // 2) * 1_000, "v": item} for n, item in enumerate(items)]
    right += [{"k": user, "then": NOON - 5_000, "v": user} for user in (1, 9)]
    wanted = (
        aggregate("sum", "v"), aggregate("count_distinct", "v", "49ms"), aggregate("last_distinct", "v", most=50),
        aggregate("top_k", "v", most=20),
    )  # fmt: skip
    left = [{"k": user, "now": NOON} for user in (1, 7, 7, 9)]
    case = Case({"k": "int64"}, {"v": "int64"}, wanted, left, right, chunk_rows=50_000)
    return case, in_the_oracle(case)


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_day_with_a_user_of_100000_events(engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Two of its events share each time, and few items come again and again."""
    case, expected = heavy_day()
    compare(case, in_the_product(replace(case, engine=engine), tmp_path, connection), expected)

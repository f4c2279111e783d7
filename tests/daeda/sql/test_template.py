"""Statements are made once for all days, and each day fills in its own files and instants."""

from __future__ import annotations

import datetime as dt

import pytest

from daeda.dtypes import DType
from daeda.durations import Duration
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Scan, ScanColumn
from daeda.sql import template
from daeda.sql.handle import ColumnTable, Deferred, Materialised
from daeda.sql.scan import filter_rows, scan
from daeda.sql.template import once_per_template

SCAN = Scan(
    name="scan", output="rows", view="rows", path="rows", reads="lookback", time=Instant(column="at", unit="us"),
    lookback=Duration.parse("1d"),
    columns=tuple(
        ScanColumn(name=name, source=name, dtype=DType.parse(dtype))
        for name, dtype in {"at": "timestamp[us]", "x": "string"}.items()
    ),
)  # fmt: skip


def day_of(number: int, *paths: str) -> Deferred:
    return scan(SCAN, SCAN.derive(()), paths or (f"/d/{number}.parquet",), dt.date(2024, 1, number))


def test_days_differ_in_what_fills_the_parameters_and_in_nothing_else() -> None:
    second, third = day_of(2), day_of(3)
    assert second.template == third.template
    assert second.for_any_day() == third.for_any_day()
    assert "['/d/2.parquet']" in second.query
    assert "CAST('2024-01-03 00:00:00' AS TIMESTAMP)" in second.query
    assert second.query.replace("/d/2", "/d/3").replace("-03 ", "-04 ").replace("-01 ", "-02 ") == third.query
    assert template._PROCESS not in third.query


def test_a_statement_is_made_once_and_filled_for_each_day() -> None:
    made = []

    @once_per_template
    def count(given: Deferred, what: str) -> str:
        made.append(what)
        return f"SELECT count({what}) FROM ({given.template})"

    assert count(day_of(2), "x") == f"SELECT count(x) FROM ({day_of(2).query})"
    assert count(day_of(3), "x") == f"SELECT count(x) FROM ({day_of(3).query})"
    assert made == ["x"]
    assert count(day_of(3), "at") == f"SELECT count(at) FROM ({day_of(3).query})"
    assert made == ["x", "at"]


def test_a_day_without_files_and_text_with_quotes_have_statements_of_their_own() -> None:
    assert "READ_PARQUET" not in scan(SCAN, SCAN.derive(()), (), dt.date(2024, 1, 2)).query
    assert "['/it''s/a.parquet', '/d/b.parquet']" in day_of(2, "/it's/a.parquet", "/d/b.parquet").query


def test_two_scans_of_one_name_keep_their_files_apart() -> None:
    keep = Filter(name="f", inputs=("rows", "others"), output="o", semi_join=("x",))
    query = filter_rows(keep, day_of(2), day_of(3)).query
    assert ["/d/2.parquet" in query, "/d/3.parquet" in query] == [True, True]


def test_the_number_of_rows_is_no_part_of_a_template() -> None:
    materialised = Materialised(SCAN.derive(()), 7, (ColumnTable("t", ("at", "x")),), {"at": '"at"', "x": '"x"'})
    assert materialised.for_any_day() == Materialised(
        materialised.relation, 0, materialised.tables, dict(materialised.expressions)
    )
    assert hash(materialised.for_any_day()) == hash(materialised.for_any_day())


def test_what_has_no_hash_is_made_anew() -> None:
    made = once_per_template(lambda given: f"{given}")
    assert made(["a"]) == "['a']"
    with pytest.raises(TypeError, match="unhashable"):
        hash(["a"])

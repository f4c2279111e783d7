from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from daeda.dtypes import DType
from daeda.sql.literal import literal


def in_duckdb(value: object, dtype: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(f"SELECT {literal(value, DType.parse(dtype)).sql('duckdb')}").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("value", "dtype", "found"),
    [
        (None, "int64", None),
        (-(2**63), "int64", -(2**63)),
        (2**64 - 1, "uint64", 2**64 - 1),
        (True, "bool", True),
        (1, "double", 1.0),
        (0.1, "double", 0.1),
        (5e-324, "double", 5e-324),
        (float("inf"), "double", math.inf),
        ('it\'s; -- \\ "x"', "string", 'it\'s; -- \\ "x"'),
        ("", "string", ""),
        ("1.10", "decimal(4, 2)", Decimal("1.10")),
        (0.1, "decimal(4, 2)", Decimal("0.10")),
        (10**38 - 1, "decimal(38, 0)", Decimal(10**38 - 1)),
        ("-" + "9" * 28 + "." + "9" * 10, "decimal(38, 10)", Decimal("-" + "9" * 28 + "." + "9" * 10)),
        ([1, None, 3], "list<int64>", [1, None, 3]),
        ([], "list<string>", []),
        ([[1.5], None], "list<list<double>>", [[1.5], None]),
        ([{"b": None, "a": 1}], "list<struct<a: int64, b: list<string>>>", [{"a": 1, "b": None}]),
        (dt.date(2024, 2, 29), "date", dt.date(2024, 2, 29)),
        (dt.date(2024, 2, 29), "timestamp[us]", dt.datetime(2024, 2, 29)),
        ("2024-02-29 12:00:00.000001", "timestamp[us]", dt.datetime(2024, 2, 29, 12, 0, 0, 1)),
        ("2024-02-29T12:00:00+02:00", "timestamp[us, UTC]", dt.datetime(2024, 2, 29, 10, tzinfo=dt.UTC)),
    ],
)
def test_a_value_of_yaml_is_the_same_value_in_duckdb(value: object, dtype: str, found: object) -> None:
    assert in_duckdb(value, dtype) == found


def test_nan_is_a_double() -> None:
    assert math.isnan(in_duckdb(float("nan"), "double"))


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("1", "int64", "'1' is not a value of int64"),
        (1.0, "int64", "1.0 is not a value of int64"),
        (True, "int64", "True is not a value of int64"),
        (1, "bool", "1 is not a value of bool"),
        (1, "string", "1 is not a value of string: YAML does not read it as text, so quote it"),
        (128, "int8", "128 is outside int8 (-128 to 127)"),
        (-1, "uint8", "-1 is outside uint8 (0 to 255)"),
        (10**400, "double", "a whole number of 401 digits is outside double"),
        ("1.234", "decimal(4, 2)", "1.234 is not exact in decimal(4, 2)"),
        ("100", "decimal(4, 2)", "100 is not exact in decimal(4, 2)"),
        ("NaN", "decimal(4, 2)", "NaN is not exact in decimal(4, 2)"),
        ("x", "decimal(4, 2)", "'x' is not a value of decimal(4, 2)"),
        (1, "list<int64>", "1 is not a value of list<int64>"),
        ([1, "x"], "list<int64>", "'x' is not a value of int64"),
        ("yesterday", "timestamp[us]", "'yesterday' is not a value of timestamp[us]"),
        (0, "timestamp[us]", "0 is not a value of timestamp[us]"),
        ([0.5], "list<halffloat>", "0.5 is not a value of halffloat"),
    ],
)
def test_a_value_of_another_type_is_refused(value: object, dtype: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as raised:
        literal(value, DType.parse(dtype))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("value", "dtype", "found"),
    [
        ("1e3", "double", 1000.0),
        ("-2.5E-3", "double", -0.0025),
        (dt.datetime(2024, 2, 29, 10, tzinfo=dt.timezone(dt.timedelta(hours=2))), "timestamp[us]",
         dt.datetime(2024, 2, 29, 8)),
        (["2024-02-29T10:00:00+02:00", None], "list<timestamp[us]>", [dt.datetime(2024, 2, 29, 8), None]),
        ("2024-02-29T23:00:00-01:00", "date", dt.date(2024, 3, 1)),
        (dt.datetime(2024, 2, 29, 10, 0, 0, 5000), "timestamp[ms]", dt.datetime(2024, 2, 29, 10, 0, 0, 5000)),
        (dt.datetime(2024, 2, 29), "date", dt.date(2024, 2, 29)),
        (2**53, "double", 2.0**53),
        (2**24, "float", 2.0**24),
        (0.1, "float", 0.10000000149011612),
    ],
)  # fmt: skip
def test_what_a_type_keeps_is_kept(value: object, dtype: str, found: object) -> None:
    assert in_duckdb(value, dtype) == found


def test_nanoseconds_are_kept() -> None:
    text = literal("2024-02-29 10:00:00.123456789", DType.parse("timestamp[ns]")).sql("duckdb")
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT epoch_ns({text})").fetchone() == (1_709_200_800_123_456_789,)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("2024-02-29 10:00:00.123456789", "timestamp[us]",
         "2024-02-29 10:00:00.123456789 has more digits than timestamp[us] keeps"),
        ("2024-02-29 10:00:00.1234567891", "timestamp[ns]",
         "2024-02-29 10:00:00.1234567891 has more digits than timestamp[ns] keeps"),
        (dt.datetime(2024, 2, 29, 10, 0, 0, 1), "timestamp[ms]",
         "2024-02-29 10:00:00.000001 has more digits than timestamp[ms] keeps"),
        (dt.datetime(2024, 2, 29, 10), "date", "2024-02-29 10:00:00 has a time of day in UTC, and a date has none"),
        (dt.datetime(2024, 2, 29, tzinfo=dt.timezone(dt.timedelta(hours=2))), "date",
         "2024-02-29 00:00:00+02:00 has a time of day in UTC, and a date has none"),
        (dt.date(1500, 1, 1), "timestamp[ns]", "1500-01-01 is outside timestamp[ns] (1677 to 2262)"),
        (2**53 + 1, "double",
         "9007199254740993 is not exact in double: the nearest value is 9007199254740992"),
        (2**24 + 1, "float", "16777217 is not exact in float: the nearest value is 16777216"),
        (1e39, "float", "1e+39 is outside float"),
        (1e-60, "float", "1e-60 is outside float"),
        (False, "string", "False is not a value of string: YAML does not read yes, no, on, off, true and false as "
         "text, so quote it"),
        ("1e3", "int64", "'1e3' is not a value of int64"),
    ],
)  # fmt: skip
def test_what_a_type_does_not_keep_is_refused(value: object, dtype: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as caught:
        literal(value, DType.parse(dtype))
    assert str(caught.value) == message

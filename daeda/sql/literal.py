"""Literals: values of YAML as typed nodes of the SQL tree."""

from __future__ import annotations

import datetime as dt
import decimal
import math

from sqlglot import exp

from daeda.dtypes import DType
from daeda.sql.expression import type_in_duckdb


def literal(value: object, dtype: DType) -> exp.Expr:
    """The value as a literal of the type, NULL included; raises ValueError when it is not one of its values.

    >>> from daeda.dtypes import DType
    >>> literal([1, None], DType.parse("list<int64>")).sql("duckdb")
    'CAST([1, NULL] AS BIGINT[])'
    """
    return exp.Cast(this=_plain(value, dtype), to=type_in_duckdb(dtype))


def _plain(value: object, dtype: DType) -> exp.Expr:
    if value is None:
        return exp.null()
    if dtype.item is not None:
        if not isinstance(value, list | tuple):
            raise ValueError(_wrong(value, dtype))
        return exp.Array(expressions=[_plain(item, dtype.item) for item in value])
    if dtype.name == "bool" and isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, bool):
        raise ValueError(_wrong(value, dtype))
    if dtype.is_integer and isinstance(value, int):
        return _number(value, dtype)
    if dtype.is_float and isinstance(value, int | float):
        return exp.Literal.string(_float_text(value))
    if dtype.is_decimal and isinstance(value, int | float | str):
        return _decimal(value, dtype)
    if dtype.name == "string" and isinstance(value, str):
        return exp.Literal.string(value)
    if dtype.is_instant:
        return _instant(value, dtype)
    raise ValueError(_wrong(value, dtype))


def _number(value: int, dtype: DType) -> exp.Expr:
    bits = int(dtype.name.removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if dtype.name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= value <= high:
        raise ValueError(f"{value} is outside {dtype} ({low} to {high})")
    return exp.Literal.number(value)


def _float_text(given: int | float) -> str:
    try:
        value = float(given)
    except OverflowError as error:
        raise ValueError(f"a whole number of {len(str(abs(given)))} digits is outside double") from error
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def _decimal(value: int | float | str, dtype: DType) -> exp.Expr:
    try:
        exact = decimal.Decimal(str(value))
        scaled = exact.scaleb(dtype.scale)
    except decimal.InvalidOperation as error:
        raise ValueError(_wrong(value, dtype)) from error
    if not exact.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) >= 10**dtype.precision:
        raise ValueError(f"{value} is not exact in {dtype}")
    return exp.Literal.string(format(exact, "f"))


def _instant(value: object, dtype: DType) -> exp.Expr:
    if isinstance(value, dt.datetime):
        return exp.Literal.string(value.isoformat(sep=" "))
    if isinstance(value, dt.date):
        return exp.Literal.string(value.isoformat())
    if isinstance(value, str):
        try:
            parsed = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(_wrong(value, dtype)) from error
        return exp.Literal.string(parsed.isoformat(sep=" "))
    raise ValueError(_wrong(value, dtype))


def _wrong(value: object, dtype: DType) -> str:
    return f"{value!r} is not a value of {dtype}"

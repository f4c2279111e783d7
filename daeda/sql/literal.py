"""Literals: values of YAML as typed nodes of the SQL tree."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
import struct
from typing import Any

from sqlglot import exp

from daeda.dtypes import DType, TimeUnit
from daeda.settings.scalars import WrittenFloat
from daeda.sql.expression import type_in_duckdb

_EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_FRACTION = re.compile(r"\.(\d+)")
_ZONE = re.compile(r":\d\d(?:\.\d+)?\s*(?:Z|[+-]\d\d(?::?\d\d)?)$")
# The seconds that nanoseconds reach whole.
_FIRST_NANO, _LAST_NANO = dt.datetime(1677, 9, 21, 0, 12, 44), dt.datetime(2262, 4, 11, 23, 47, 16)
# No digit is lost on the way.
_WIDE = decimal.Context(prec=2_000)


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
    if dtype.parts:
        return _nested(value, dtype)
    if dtype.name == "bool" and isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, bool):
        raise ValueError(_wrong(value, dtype))
    if dtype.is_integer and isinstance(value, int):
        return _number(value, dtype)
    if dtype.is_float and isinstance(value, str) and _EXPONENT.fullmatch(value):
        # YAML 1.1 takes 1e3, without a point, for text.
        return exp.Literal.string(_float_text(float(value), dtype))
    if dtype.is_float and isinstance(value, int | float):
        return exp.Literal.string(_float_text(value, dtype))
    if dtype.is_decimal and isinstance(value, int | float | str):
        return _decimal(value, dtype)
    if dtype.name == "string" and isinstance(value, str):
        return exp.Literal.string(value)
    if dtype.is_instant:
        return _instant(value, dtype)
    raise ValueError(_wrong(value, dtype))


def _nested(value: object, dtype: DType) -> exp.Expr:
    """A list, or a mapping for the struct that is the item of one."""
    if dtype.item is not None:
        if not isinstance(value, list | tuple):
            raise ValueError(_wrong(value, dtype))
        return exp.Array(expressions=[_plain(item, dtype.item) for item in value])
    names = [name for name, _ in dtype.fields]
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"{value!r} is not a value of {dtype}: write a mapping with {', '.join(names)}")
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=_plain(value[name], kind))
            for name, kind in dtype.fields
        ]
    )


def _number(value: int, dtype: DType) -> exp.Expr:
    bits = int(dtype.name.removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if dtype.name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= value <= high:
        raise ValueError(f"{value} is outside {dtype} ({low} to {high})")
    return exp.Literal.number(value)


def _float_text(given: int | float, dtype: DType) -> str:
    try:
        value = float(given)
    except OverflowError as error:
        raise ValueError(f"a whole number of {len(str(abs(given)))} digits is outside double") from error
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    stored = value if dtype.name == "double" else _single(value)
    if math.isinf(stored) or (stored == 0) != (value == 0):
        raise ValueError(f"{given} is outside {dtype}")
    if isinstance(given, int) and int(stored) != given:
        raise ValueError(f"{given} is not exact in {dtype}: the nearest value is {int(stored)}")
    return repr(value)


def _single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def _decimal(value: int | float | str, dtype: DType) -> exp.Expr:
    text = value.text if isinstance(value, WrittenFloat) else str(value)
    try:
        exact = decimal.Decimal(text)
        scaled = exact.scaleb(dtype.scale, _WIDE)
    except decimal.InvalidOperation as error:
        raise ValueError(_wrong(value, dtype)) from error
    # abs() rounds to 28 digits.
    fits = scaled.is_finite() and scaled.copy_abs() < 10**dtype.precision
    if not fits or scaled != scaled.to_integral_value(context=_WIDE):
        raise ValueError(f"{text} is not exact in {dtype}")
    return exp.Literal.string(format(exact, "f"))


def _instant(value: object, dtype: DType) -> exp.Expr:
    moment, rest = _moment(value, dtype)
    day, digits = moment.replace(hour=0, minute=0, second=0, microsecond=0), moment.microsecond * 1000 + rest
    if dtype.name == "date":
        if moment != day or rest:
            raise ValueError(f"{value} has a time of day in UTC, and a date has none")
        return exp.Literal.string(moment.date().isoformat())
    unit = dtype.unit or TimeUnit.MICRO
    if digits % (TimeUnit.NANO.value // unit.value):
        raise ValueError(f"{value} has more digits than {dtype} keeps")
    if unit is TimeUnit.NANO and not _FIRST_NANO < moment < _LAST_NANO:
        raise ValueError(f"{value} is outside {dtype} ({_FIRST_NANO.year} to {_LAST_NANO.year})")
    return exp.Literal.string(moment.isoformat(sep=" ") if not rest else f"{moment:%Y-%m-%d %H:%M:%S}.{digits:09}")


def _moment(value: object, dtype: DType) -> tuple[dt.datetime, int]:
    """The instant in UTC, and what it has in nanoseconds below the microsecond."""
    rest = 0
    if isinstance(value, str):
        fraction = _FRACTION.search(value)
        digits = fraction[1].ljust(9, "0") if fraction else "0" * 9
        if digits[9:].strip("0"):
            raise ValueError(f"{value} has more digits than {dtype} keeps")
        rest = int(digits[6:9])
        text = value if fraction is None else value.replace(fraction[0], f".{digits[:6]}", 1)
        try:
            value = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(_wrong(value, dtype)) from error
    if isinstance(value, dt.datetime):
        aware = value.tzinfo is not None
        return (value.astimezone(dt.UTC).replace(tzinfo=None) if aware else value), rest
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day), 0
    raise ValueError(_wrong(value, dtype))


def place_of(value: object, dtype: DType) -> Any:
    """What puts single values of a type in order, of one that has a literal: a number, or an instant.

    >>> from daeda.dtypes import DType
    >>> place_of("2024-01-02", DType.parse("date")) < place_of(dt.date(2024, 1, 3), DType.parse("date"))
    True
    """
    if dtype.is_instant:
        return _moment(value, dtype)
    text = value.text if isinstance(value, WrittenFloat) else str(value)
    return float(text) if dtype.is_float else decimal.Decimal(text)


def exact(value: object, dtype: DType) -> object:
    """The value that stands for a literal in a pipeline, where YAML's own would say less, or something else.

    A zone in the literal of a type without one is worked in; a decimal has the digits that were written.
    """
    if isinstance(value, list | tuple) and dtype.item is not None:
        return [exact(item, dtype.item) for item in value]
    if isinstance(value, dict):
        return {name: exact(value.get(name), kind) for name, kind in dtype.fields}
    if isinstance(value, WrittenFloat):
        return value.text if dtype.is_decimal else float(value)
    if dtype.is_instant and not dtype.name.endswith("UTC]") and isinstance(value, dt.datetime | str):
        zoned = value.tzinfo is not None if isinstance(value, dt.datetime) else _ZONE.search(value)
        return str(_instant(value, dtype).name) if zoned else value
    return value


def _wrong(value: object, dtype: DType) -> str:
    hint = ""
    if dtype.name == "string" and isinstance(value, bool | int | float | dt.date):
        words = "yes, no, on, off, true and false" if isinstance(value, bool) else "it"
        hint = f": YAML does not read {words} as text, so quote it"
    return f"{value!r} is not a value of {dtype}{hint}"

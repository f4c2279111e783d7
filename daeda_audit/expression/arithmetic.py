"""Arithmetic, comparison and casts with DuckDB's types: what they give, and when they give NULL."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from daeda.errors import NotBuiltYet
from daeda_audit.instants import PER_DAY, Day, Instant, Span, parse_day, parse_instant
from daeda_audit.values import Single, single

_DECIMAL_TYPE = re.compile(r"(?:DECIMAL|NUMERIC)\((\d+)(?:,(\d+))?\)")
_INTEGER_BITS = {
    "TINYINT": 8, "INT1": 8, "SMALLINT": 16, "INT2": 16, "SHORT": 16, "INTEGER": 32, "INT": 32, "INT4": 32,
    "SIGNED": 32, "BIGINT": 64, "INT8": 64, "LONG": 64, "HUGEINT": 128,
}  # fmt: skip
_TEXTS = frozenset({"VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR"})
_INSTANTS = frozenset(
    {"TIMESTAMP", "DATETIME", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_US", "TIMESTAMP_NS"}
)
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes", "y"}), frozenset({"false", "f", "0", "no", "n"})


class Unfit(Exception):
    """A value that has no counterpart in another type."""


def compare(name: str, left: Any, right: Any) -> bool | None:
    """`=`, `<>`, `<`, `<=`, `>`, `>=`: NULL when a side is NULL."""
    if left is None or right is None:
        return None
    signs = {"=": (0,), "<>": (-1, 1), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}
    return ordering(left, right) in signs[name]


def ordering(left: Any, right: Any) -> int:
    """-1, 0 or 1 for two values that are not NULL. Inside a list NULL is the greatest; NaN is the greatest number."""
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        for item, other in zip(left, right, strict=False):
            missing = (item is None) - (other is None)
            found = missing if item is None or other is None else ordering(item, other)
            if found:
                return found
        return _sign(len(left), len(right))
    left, right = _alike(left, right)
    if isinstance(left, float) and isinstance(right, float) and (math.isnan(left) or math.isnan(right)):
        return _sign(math.isnan(left), math.isnan(right))
    if isinstance(left, Span) and isinstance(right, Span):
        return _sign(left.length, right.length)
    if isinstance(left, str) and isinstance(right, str):
        return _sign(left.encode(), right.encode())
    return _sign(left, right)


def _sign(left: Any, right: Any) -> int:
    return 1 if left > right else -1 if left < right else 0


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both values in the type in which DuckDB compares them."""
    if isinstance(left, str) != isinstance(right, str):
        return (_read_as(right, left), right) if isinstance(left, str) else (left, _read_as(left, right))
    if isinstance(left, Day) and isinstance(right, Instant):
        return left.midnight, right
    if isinstance(left, Instant) and isinstance(right, Day):
        return left, right.midnight
    return _as_numbers(left, right) if _numeric(left) and _numeric(right) else (left, right)


def _read_as(model: Any, text: str) -> Any:
    """A text as a value of the other side's type."""
    kinds = ((bool, "BOOLEAN"), (int, "HUGEINT"), (float, "DOUBLE"), (Instant, "TIMESTAMP"), (Day, "DATE"))
    for kind, name in kinds:
        if isinstance(model, kind):
            return cast(text, name)
    return Decimal(text) if isinstance(model, Decimal) else text


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float | Decimal)


def _as_numbers(left: Any, right: Any) -> tuple[Any, Any]:
    """Two numbers in one type: float32 before integers and decimals, double before everything."""
    kinds = (left, right)
    if not any(isinstance(value, float) for value in kinds):
        return left, right
    if any(isinstance(value, float) and not isinstance(value, Single) for value in kinds):
        return float(left), float(right)
    return single(float(left)), single(float(right))


def arithmetic(name: str, left: Any, right: Any) -> Any:
    """`+ - * / // % ^ & |`: NULL when a side is NULL, and for an integer division by zero.

    `/` gives a double, and so does `//` unless both sides are integers.
    """
    if left is None or right is None:
        return None
    if not (_numeric(left) and _numeric(right)):
        return _in_time(name, left, right)
    if name == "^":
        return power(float(left), float(right))
    if name in "&|":
        return left & right if name == "&" else left | right
    whole = isinstance(left, int) and isinstance(right, int)
    if name == "/" or (name == "//" and not whole):
        name = "/"
        left, right = _as_numbers(left, right)
        if not isinstance(left, float):
            left, right = float(left), float(right)
    left, right = _as_numbers(left, right)
    if isinstance(left, float):
        found = _floating(name, left, right)
        return single(found) if isinstance(left, Single) else found
    return _exact(name, left, right)


def _floating(name: str, left: float, right: float) -> float:
    if name == "/" and right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    if name == "%":
        return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)
    plain: dict[str, Callable[[float, float], float]] = {
        "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    }  # fmt: skip
    return plain[name](float(left), float(right))


def _exact(name: str, left: Any, right: Any) -> Any:
    with localcontext(prec=100):
        match name:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case _ if right == 0:
                return None
            case "//":
                quotient = abs(left) // abs(right)
                return quotient if (left < 0) == (right < 0) else -quotient
            case _:
                rest = abs(left) % abs(right)
                return rest if left >= 0 else -rest


def power(left: float, right: float) -> float:
    """`pow`, by IEEE 754 also where Python raises."""
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _in_time(name: str, left: Any, right: Any) -> Any:
    """Dates, timestamps and intervals."""
    if name == "+" and isinstance(right, Instant | Day):
        left, right = right, left
    if name == "-" and isinstance(right, Span | int):
        right = -right
        name = "+"
    match name, left, right:
        case "+", Day(), int():
            return Day(left.number + right)
        case "+", Day(), Span():
            return left.midnight.plus(right)
        case "+", Instant(), Span():
            return left.plus(right)
        case "+", Span(), Span():
            return Span(left.months + right.months, left.days + right.days, left.microseconds + right.microseconds)
        case "-", Day(), Day():
            return left.number - right.number
        case "-", Instant() | Day(), Instant() | Day():
            return _between(left, right)
        case "*", Span(), int():
            return Span(left.months * right, left.days * right, left.microseconds * right)
        case "*", int(), Span():
            return _in_time(name, right, left)
    raise Unfit(f"{left} {name} {right}")


def _between(left: Instant | Day, right: Instant | Day) -> Span:
    ends = [value.midnight if isinstance(value, Day) else value for value in (left, right)]
    length = ends[0].nanoseconds - ends[1].nanoseconds
    days = abs(length) // PER_DAY * (1 if length >= 0 else -1)
    return Span(days=days, microseconds=(length - days * PER_DAY) // 1_000)


def cast(value: Any, name: str) -> Any:
    """The value as a type of SQL; raises Unfit when it has no counterpart there."""
    if value is None:
        return None
    if name.endswith("[]"):
        if not isinstance(value, list):
            raise Unfit(f"{value!r} is not a list")
        return [cast(item, name[:-2]) for item in value]
    try:
        return _cast_scalar(value, name)
    except (ValueError, ArithmeticError) as error:
        raise Unfit(f"{value!r} is not a value of {name}") from error


def known_type(name: str) -> bool:
    """Whether `cast` can make it."""
    plain = name.rstrip("[]")
    return (
        plain.removeprefix("U") in _INTEGER_BITS
        or plain in _TEXTS | _INSTANTS
        or plain in ("BOOLEAN", "BOOL", "DOUBLE", "FLOAT8", "FLOAT", "REAL", "FLOAT4", "DATE", "DECIMAL", "NUMERIC")
        or _DECIMAL_TYPE.fullmatch(plain) is not None
    )


def _cast_scalar(value: Any, name: str) -> Any:
    if name.removeprefix("U") in _INTEGER_BITS:
        return _integer(value, name)
    if name in ("DOUBLE", "FLOAT8"):
        return float(value)
    if name in ("FLOAT", "REAL", "FLOAT4"):
        return single(float(value))
    if name in _TEXTS:
        return as_text(value)
    if name in ("BOOLEAN", "BOOL"):
        return _boolean(value) if isinstance(value, str) else bool(value)
    if name == "DATE":
        return parse_day(value) if isinstance(value, str) else value.day if isinstance(value, Instant) else value
    if name in _INSTANTS:
        found = parse_instant(value) if isinstance(value, str) else value.midnight if isinstance(value, Day) else value
        return _truncated(found, name)
    if name in ("DECIMAL", "NUMERIC"):
        return _decimal(value, 18, 3)
    if found := _DECIMAL_TYPE.fullmatch(name):
        return _decimal(value, int(found[1]), int(found[2] or 0))
    raise Unfit(f"the type {name}")


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Unfit(f"'{text}' is no BOOLEAN")


def _truncated(value: Instant, name: str) -> Instant:
    step = {"TIMESTAMP_S": 10**9, "TIMESTAMP_MS": 10**6, "TIMESTAMP_NS": 1}.get(name, 10**3)
    return Instant(value.nanoseconds // step * step)


def _integer(value: Any, name: str) -> int:
    """Doubles are rounded half to even, decimals half away from zero."""
    if isinstance(value, str):
        if value.strip().lower().startswith(("0x", "0b", "-0x", "-0b")):
            raise NotBuiltYet(f"the audit cannot recompute the number '{value}' yet")
        value = Decimal(value.strip())
    whole = int(value.quantize(Decimal(1), ROUND_HALF_UP)) if isinstance(value, Decimal) else round(value)
    bits = _INTEGER_BITS[name.removeprefix("U")]
    low, high = (0, 2**bits) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= whole < high:
        raise Unfit(f"{value} is outside {name}")
    return whole


def _decimal(value: Any, precision: int, scale: int) -> Decimal:
    with localcontext(prec=100):
        exact = Decimal(value.strip()) if isinstance(value, str) else Decimal(value)
        found = exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        if abs(found) >= Decimal(10) ** (precision - scale):
            raise Unfit(f"{value} is outside DECIMAL({precision},{scale})")
        return found


def as_text(value: Any) -> str:
    """The value as CAST(... AS VARCHAR) writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = ["NULL" if item is None else as_text(item) for item in value]
        if any(isinstance(item, str | list) for item in value):
            raise NotBuiltYet("the audit cannot recompute the text of a list of texts or lists yet")
        return f"[{', '.join(items)}]"
    if isinstance(value, Single):
        return _shortest_single(value)
    return repr(value) if isinstance(value, float) else str(value)


def _shortest_single(value: Single) -> str:
    """The fewest digits that give the float32 back."""
    for digits in range(1, 10):
        text = f"{float(value):.{digits}g}"
        if single(float(text)) == value:
            return repr(float(text))
    return repr(float(value))

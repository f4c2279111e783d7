"""Values as the audit holds them, and their order.

Integers, text, booleans, decimals and doubles are Python's own; a float32 is a Single, a timestamp an Instant, a date a
Day, a list a list, a struct a dict in the order of its fields, NULL is None.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit
from daeda_audit.instants import PER_SECOND, Day, Instant, parse_day, parse_instant


class Single(float):
    """A float32: a double that is one, so that arithmetic can tell that it has to round."""


def single(value: float) -> Single:
    """The nearest float32; infinity where it overflows."""
    try:
        return Single(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return Single(math.copysign(math.inf, value))


def order_key(value: Any) -> tuple[Any, ...]:
    """A key that orders the values of one column: NULL < -inf < numbers < +inf < NaN, text by bytes, lists by elements.

    Two values are the same when their keys are equal.
    """
    if value is None:
        return (0,)
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    if isinstance(value, str):
        return (1, value.encode())
    if isinstance(value, list | tuple):
        return (1, tuple(order_key(item) for item in value))
    if isinstance(value, dict):
        return (1, tuple((name, order_key(item)) for name, item in value.items()))
    return (1, value)


def nanoseconds(value: Any, unit: TimeUnit) -> int | None:
    """A value of a time column on the one clock of the audit; `unit` is that of whole numbers."""
    match value:
        case None:
            return None
        case Instant():
            return value.nanoseconds
        case Day():
            return value.midnight.nanoseconds
        case _:
            return int(value) * (PER_SECOND // unit.value)


def from_arrow(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The values of an Arrow column. -0.0 becomes 0.0, as a Scan reads it."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in from_arrow(chunk)]
    kind = column.type
    if pa.types.is_dictionary(kind):
        return from_arrow(column.cast(kind.value_type))
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return from_arrow(column.cast(pa.list_(kind.value_type)))
    if pa.types.is_list(kind):
        return _lists(column)
    if pa.types.is_struct(kind):
        return _structs(column)
    if pa.types.is_float16(kind):
        return from_arrow(column.cast(pa.float32()))
    convert = _converter(kind)
    if pa.types.is_temporal(kind):
        column = column.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date32(kind) else column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values if convert is None else [None if value is None else convert(value) for value in values]


def instants(column: pa.ChunkedArray | pa.Array, unit: TimeUnit) -> list[Any]:
    """The instants of a time column in nanoseconds, NULL as None; `unit` is that of whole numbers."""
    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_integer(kind)):
        return [nanoseconds(value, unit) for value in from_arrow(column)]
    step = PER_SECOND // (TIMESTAMP_UNITS[kind.unit] if pa.types.is_timestamp(kind) else unit).value
    values: list[Any] = column.cast(pa.int64()).to_pylist()
    return values if step == 1 else [None if value is None else value * step for value in values]


def _lists(column: pa.ListArray) -> list[Any]:
    offsets = column.offsets.to_pylist()
    items = from_arrow(column.values.slice(offsets[0], offsets[-1] - offsets[0])) if len(column) else []
    start = offsets[0] if offsets else 0
    return [
        items[low - start : high - start] if valid else None
        for low, high, valid in zip(offsets, offsets[1:], column.is_valid().to_pylist(), strict=False)
    ]


def _structs(column: pa.StructArray) -> list[Any]:
    names = [field.name for field in column.type]
    rows = zip(*(from_arrow(values) for values in column.flatten()), strict=True)
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for row, valid in zip(rows, column.is_valid().to_pylist(), strict=True)
    ]


def _converter(kind: pa.DataType) -> Callable[[Any], Any] | None:
    if pa.types.is_timestamp(kind):
        factor = PER_SECOND // TIMESTAMP_UNITS[kind.unit].value
        return lambda value: Instant(value * factor)
    if pa.types.is_date32(kind):
        return Day
    if pa.types.is_float32(kind):
        return lambda value: Single(value + 0.0)
    if pa.types.is_float64(kind):
        return lambda value: value + 0.0
    return None


def shown(value: Any, most: int = 8) -> str:
    """A value as a report shows it; a long list is cut."""
    match value:
        case None:
            return "NULL"
        case str():
            return f"'{value}'"
        case list():
            return f"[{_joined(value, most)}]"
        case dict():
            return f"{{{', '.join(f'{name}: {shown(item, most)}' for name, item in value.items())}}}"
        case float():
            return repr(float(value))
        case bool() | int() | Decimal() | Instant() | Day() | _:
            return str(value)


def _joined(values: Iterable[Any], most: int) -> str:
    listed = list(values)
    rest = f", and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(shown(value, most) for value in listed[:most]) + rest


def typed(value: Any, dtype: DType) -> Any:
    """The literal as the type of its column; NULL stays NULL.

    >>> typed(0, DType.parse("double"))
    0.0
    """
    if value is None:
        return None
    if dtype.item is not None:
        return [typed(item, dtype.item) for item in value]
    if dtype.fields:
        return {name: typed(value[name], kind) for name, kind in dtype.fields}
    if dtype.name == "double":
        return float(value)
    if dtype.name == "float":
        return single(float(value))
    if dtype.is_decimal:
        # Where a double does not keep the digits, the text of the file does.
        return Decimal(str(getattr(value, "text", value)))
    if dtype.is_instant:
        text = value.isoformat() if isinstance(value, dt.date) else str(value)
        return parse_day(text) if dtype.name == "date" else parse_instant(text)
    return value

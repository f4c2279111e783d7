"""Values of Arrow arrays as text, the same on every host, and numbers as such arrays."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.dtypes import iso_date, python_values
from daeda.statistics.model import LONGEST_VALUE

_NANOS = 1_000_000_000


def shown(value: pa.Scalar) -> str:
    """A value as text: times as ISO 8601, truth as true and false, long texts cut.

    >>> shown(pa.scalar(True)), shown(pa.scalar(2.0)), shown(pa.scalar(0, pa.timestamp("us")))
    ('true', '2.0', '1970-01-01 00:00:00')
    """
    kind = value.type
    if not value.is_valid:
        return "NULL"
    if pa.types.is_timestamp(kind):
        return _instant(value.value, kind.unit)
    if pa.types.is_date32(kind):
        return iso_date(value.value)
    (held,) = python_values(pa.repeat(value, 1))
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, Decimal):
        return f"{held:f}"
    text = str(held)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def as_array(numbers: npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    """Numbers as values of a type that is stored as them, in the same memory.

    `pa.array`, and `to_numpy` of the way back, would load pandas where it is installed, for a tenth of a second.

    >>> as_array(np.array([0, 86_400]), pa.timestamp("s"))[1].value
    86400
    """
    assert numbers.dtype.itemsize * 8 == kind.bit_width
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def as_numbers(values: pa.Array) -> npt.NDArray[np.generic]:
    """The way back, of values without NULLs: the memory of numbers, and of times the counts of their unit."""
    kind = values.type
    letter = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    dtype, buffer = np.dtype(f"{letter}{kind.bit_width // 8}"), values.buffers()[1]
    if not len(values):
        return np.empty(0, dtype)
    return np.frombuffer(buffer, dtype, len(values), values.offset * dtype.itemsize)


def _instant(count: int, unit: str) -> str:
    """`2025-03-01 12:00:00.25`."""
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": _NANOS}[unit]
    seconds, rest = divmod(count, per_second)
    days, second = divmod(seconds, 86_400)
    text = f"{iso_date(days)} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    fraction = f"{rest * (_NANOS // per_second):09d}".rstrip("0")
    return f"{text}.{fraction}" if fraction else text

"""Values of YAML as values of a column."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from daeda.dtypes import DType
from daeda_audit.instants import parse_day, parse_instant
from daeda_audit.values import single


def typed(value: Any, dtype: DType) -> Any:
    """The literal as the type of its column; NULL stays NULL.

    >>> typed(0, DType.parse("double"))
    0.0
    """
    if value is None:
        return None
    if dtype.item is not None:
        return [typed(item, dtype.item) for item in value]
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

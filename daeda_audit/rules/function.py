"""Columns of the user's own functions: the function is called again, for it is the only definition of its column.

So the audit cannot tell whether such a function is right. It tells whether the function got the values that the row may
see, and whether its value stands in that row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from daeda.dtypes import DType
from daeda.errors import DayError, shortened
from daeda.functions.calling import Raised, ThreadRaised, called
from daeda.functions.interference import stdout_on_stderr, undisturbed
from daeda.functions.loading import load_function
from daeda.process.interrupts import check_not_stopped
from daeda.process.supervised import user_code
from daeda.settings.aggregations import UdfSpec
from daeda_audit.instants import PER_SECOND, Day, Instant
from daeda_audit.values import from_arrow


def call(spec: UdfSpec, root: Path, columns: Sequence[tuple[Sequence[Any], DType]], seconds: float) -> list[Any]:
    """The values of the function for columns of values and their type; it has so many seconds for them.

    Raises ConfigurationError when it cannot be imported, and DayError when it raises or returns no Arrow array.
    """
    function = load_function(spec.function, root, spec.columns)
    arrays = [to_arrow(values, dtype) for values, dtype in columns]
    what = f"function '{spec.function}', called by the audit,"
    try:
        with stdout_on_stderr(), undisturbed() as disturbed, user_code(what, code=1, seconds=seconds):
            returned = called(function, arrays)
    except ThreadRaised as error:
        raise DayError(
            f"the function '{spec.function}' started a thread that raised {error} while it was audited"
        ) from error.__cause__
    except Raised as error:
        check_not_stopped()
        raise DayError(f"the function '{spec.function}' raised {error} while it was audited") from error.__cause__
    if disturbed:
        raise DayError(f"the function '{spec.function}' changed {shortened(disturbed)} while it was audited")
    if not isinstance(returned, pa.Array | pa.ChunkedArray) or len(returned) != len(arrays[0]):
        raise DayError(f"the function '{spec.function}' did not return an Arrow array with a value for each row")
    return from_arrow(returned)


def to_arrow(values: Sequence[Any], dtype: DType) -> pa.Array:
    """An Arrow array of values as the audit holds them: the way back from `from_arrow`."""
    return pa.array([_plain(value, dtype) for value in values], _storage(dtype)).cast(dtype.arrow())


def _plain(value: Any, dtype: DType) -> Any:
    match value:
        case list():
            return [_plain(item, dtype.item or dtype) for item in value]
        case dict():
            return {name: _plain(value[name], kind) for name, kind in dtype.fields}
        case Instant():
            unit = dtype.unit
            assert unit is not None
            return value.nanoseconds // (PER_SECOND // unit.value)
        case Day():
            return value.number
        case _:
            return value


def _storage(dtype: DType) -> pa.DataType:
    """What holds instants as whole numbers until they are cast."""
    if dtype.item is not None:
        return pa.list_(_storage(dtype.item))
    if dtype.fields:
        return pa.struct([pa.field(name, _storage(kind)) for name, kind in dtype.fields])
    if dtype.name == "date":
        return pa.int32()
    return pa.int64() if dtype.is_instant else dtype.arrow()

"""A frame of the user: pandas, Polars or Arrow; its columns as Arrow, and the same with columns appended.

No library is imported that the frame is not of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeVar

import pyarrow as pa

from daeda.errors import DaedaError, InputError, UsageError, first_line, shortened
from daeda_python.pandas_types import mapper_of

FrameT = TypeVar("FrameT")
Kind = Literal["pandas", "polars", "arrow"]


def kind_of(frame: object) -> Kind:
    """Which library the frame is of; raises UsageError for what is none."""
    if isinstance(frame, pa.Table):
        return "arrow"
    # Of a class of somebody's own that is made from one of theirs, too.
    classes = {(one.__module__.partition(".")[0], one.__name__) for one in type(frame).__mro__}
    if ("pandas", "DataFrame") in classes:
        return "pandas"
    if ("polars", "DataFrame") in classes:
        return "polars"
    advice = ": collect() it" if ("polars", "LazyFrame") in classes else ""
    raise UsageError(
        f"features are made of a pandas.DataFrame, a polars.DataFrame or a pyarrow.Table, and this is a "
        f"{type(frame).__module__}.{type(frame).__qualname__}{advice}"
    )


def names_of(frame: Any) -> tuple[str, ...]:
    """The columns of a frame that have a text for their name; raises InputError where two have the same."""
    names = list(frame.column_names) if kind_of(frame) == "arrow" else list(frame.columns)
    twice = list(dict.fromkeys(str(name) for name in names if names.count(name) > 1))
    if twice:
        raise InputError(f"the frame has several columns of one name: {shortened(twice)}: rename or drop them")
    return tuple(name for name in names if isinstance(name, str))


def check_index(frame: Any, names: Collection[str]) -> None:
    """Raise InputError where a frame of pandas has some of these names in its index, and in no column."""
    levels = frame.index.names if kind_of(frame) == "pandas" else []
    there = [f"'{name}'" for name in levels if isinstance(name, str) and name in names and name not in frame.columns]
    if there:
        verb = "is" if len(there) == 1 else "are"
        raise InputError(
            f"{', '.join(there)} {verb} in the index of the frame, and features are made of its columns: give "
            "frame.reset_index()"
        )


def to_arrow(frame: Any, names: Sequence[str]) -> pa.Table:
    """These columns of a frame; raises InputError with a line for each that is of no one type of Arrow."""
    kind = kind_of(frame)
    columns, mistakes = {}, []
    for name in names:
        try:
            columns[name] = _plain(_column(frame, kind, name))
        except UnicodeError as error:
            mistakes.append(f"column '{name}' of the frame has a text that is no UTF-8 ({first_line(error)}): mend it")
        except (pa.ArrowException, OverflowError, TypeError) as error:
            mistakes.append(f"column '{name}' of the frame is of no one type of Arrow ({first_line(error)}): cast it")
    if mistakes:
        raise InputError(*mistakes)
    return pa.table(columns)


def _column(frame: Any, kind: Kind, name: str) -> pa.ChunkedArray:
    match kind:
        case "arrow":
            return frame.column(name)
        case "polars":
            return frame.select([name]).to_arrow().column(0)
        case "pandas":
            return _of_series(frame[name])


def _of_series(series: Any) -> pa.ChunkedArray:
    """A column of pandas; raises where values would become others.

    Of objects pyarrow takes the type of some for that of all: among dates a time loses its hours, True is 1 among
    doubles, and a nanosecond goes. So of these one kind is asked for.
    """
    import pandas

    if isinstance(series.dtype, pandas.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if isinstance(series.dtype, pandas.DatetimeTZDtype):
        # pandas warns of whoever takes values with a zone, as pyarrow does.
        times = pa.Array.from_pandas(series.dt.tz_convert(None))
        return _chunked(times.cast(pa.timestamp(times.type.unit, tz="UTC")))
    made = pa.Array.from_pandas(series)
    if series.dtype == object and not pa.types.is_nested(made.type):
        found = pandas.api.types.infer_dtype(series)
        if found in ("mixed", "mixed-integer") or (found == "mixed-integer-float" and pa.types.is_integer(made.type)):
            kinds = sorted({type(value).__name__ for value in series})
            raise pa.ArrowTypeError(f"it has values of the types {shortened(kinds, 5)}")
        # A datetime is a date to Python, and the missing one is none to itself.
        if pa.types.is_date32(made.type) and any(isinstance(one, dt.datetime) and one == one for one in series):
            raise pa.ArrowTypeError("it has dates, and times within a day")
        if pa.types.is_timestamp(made.type) and any(getattr(value, "nanosecond", 0) for value in series):
            raise pa.ArrowInvalid("it has nanoseconds, which Arrow does not take from objects")
    return _chunked(made)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in place of dictionaries: a file of Arrow has one for a column, and chunks may have one each.

    Raises for an extension type, of which a process without its library sees what is behind it: months, of a period.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if isinstance(kind, pa.BaseExtensionType):
        raise pa.ArrowTypeError(f"{kind} is what its library makes of {kind.storage_type}")
    return column.cast(kind) if kind != column.type else column


def appended(frame: FrameT, features: pa.Table) -> FrameT:
    """The frame with the columns of `features`, a row for each of its own, in the same order.

    In pandas whole numbers and truth values are nullable (Int64, boolean), whether one of them is missing or not, and a
    missing float is NaN; vectors and lists are arrays of numpy, and lists of structs stay Arrow's, as do lists of whole
    numbers with NULL among them. The index stays.
    """
    whole: Any = frame
    if features.num_rows != len(whole):
        raise DaedaError(
            f"features of {features.num_rows:,} rows came for a frame of {len(whole):,}: this is a fault of daeda"
        )
    match kind_of(frame):
        case "arrow":
            for name in features.column_names:
                whole = whole.append_column(name, features.column(name))
        case "polars":
            import polars

            made = polars.from_arrow(features)
            assert isinstance(made, polars.DataFrame)
            whole = whole.hstack(made.get_columns())
        case "pandas":
            import pandas

            made_frame = features.to_pandas(types_mapper=mapper_of(pandas, features))
            made_frame.index = whole.index
            whole = pandas.concat([whole, made_frame], axis=1)
    result: FrameT = whole
    return result


def _chunked(column: Any) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])

"""A frame of the user: pandas, Polars or Arrow; its columns as Arrow, and the same with columns appended.

No library is imported that the frame is not of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import pyarrow as pa

from daeda.errors import InputError, UsageError, first_line, shortened
from daeda_python.pandas_types import mapper_of

FrameT = TypeVar("FrameT")
Kind = Literal["pandas", "polars", "arrow"]


def kind_of(frame: object) -> Kind:
    """Which library the frame is of; raises UsageError for what is none."""
    if isinstance(frame, pa.Table):
        return "arrow"
    whose = type(frame).__module__.partition(".")[0]
    if whose in ("pandas", "polars") and type(frame).__name__ == "DataFrame":
        return "pandas" if whose == "pandas" else "polars"
    advice = ": collect() it" if whose == "polars" and type(frame).__name__ == "LazyFrame" else ""
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


def to_arrow(frame: Any, names: Sequence[str]) -> pa.Table:
    """These columns of a frame; raises InputError with a line for each that holds values of several types."""
    match kind_of(frame):
        case "arrow":
            return _decoded(frame.select(list(names)))
        case "polars":
            return _decoded(frame.select(list(names)).to_arrow())
        case "pandas":
            columns, mistakes = {}, []
            for name in names:
                try:
                    columns[name] = _chunked(pa.Array.from_pandas(frame[name]))
                except pa.ArrowException as error:
                    mistakes.append(f"column '{name}' of the frame is of no one type ({first_line(error)}): cast it")
            if mistakes:
                raise InputError(*mistakes)
            return _decoded(pa.table(columns))


def _decoded(table: pa.Table) -> pa.Table:
    """Values in place of dictionaries: a file of Arrow has one for a column, and chunks may have one each."""
    for number, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(number, table.field(number).name, column.cast(column.type.value_type))
    return table


def appended(frame: FrameT, features: pa.Table) -> FrameT:
    """The frame with the columns of `features`, a row for each of its own, in the same order.

    In pandas whole numbers and truth values are nullable (Int64, boolean), whether one of them is missing or not, and a
    missing float is NaN; vectors and lists are arrays of numpy, and lists of structs stay Arrow's, as do lists of whole
    numbers with NULL among them. The index stays.
    """
    whole: Any = frame
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

"""A table of one's own keys and times, brought into the types of the spine, and cut into days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.in_memory.day import POSITION
from beam_pipeline.windows.contract import Int64s
from daeda.dtypes import DType, describe_arrow
from daeda.errors import InputError, counted, first_line
from daeda.operators.relational import Scan
from daeda.sql.scan import day_bounds

_EPOCH = dt.date(1970, 1, 1)
# Up to 2**bits a float holds every whole number.
_BITS = {pa.float16(): 11, pa.float32(): 24, pa.float64(): 53}


def rows_by_day(spine: Scan, given: pa.Table) -> Mapping[dt.date, pa.Table]:
    """The rows of each day in UTC, with the columns of the spine's Scan in its types, and POSITION.

    Raises InputError with a line per column that is not what the view declares, and for rows without a time.
    """
    table = in_declared_types(spine, given)
    assert spine.time is not None
    times = table.column(spine.time.column)
    if times.null_count:
        raise InputError(
            f"{counted(times.null_count, 'row')} without '{spine.time.column}': a row without a time "
            "belongs to no day, remove it"
        )
    table = table.append_column(POSITION, pa.array(np.arange(given.num_rows, dtype=np.int64)))
    return _cut(table, _day_numbers(spine, times))


def in_declared_types(spine: Scan, given: pa.Table) -> pa.Table:
    """The columns of the spine's Scan in its types; raises InputError with a line per column that is another one."""
    mistakes: list[str] = []
    columns: dict[str, pa.ChunkedArray] = {}
    for scanned in spine.columns:
        try:
            columns[scanned.name] = _as_declared(given.column(scanned.name), scanned.dtype)
        except UnicodeError:
            mistakes.append(f"column '{scanned.name}' of the rows has a text that is no UTF-8: mend it")
        except (pa.ArrowException, OverflowError) as error:
            kind = describe_arrow(given.schema.field(scanned.name).type)
            mistakes.append(
                f"column '{scanned.name}' of the rows is {kind}, and the view '{spine.view}' declares {scanned.dtype} "
                f"({first_line(error)}): cast it"
            )
    if mistakes:
        raise InputError(*mistakes)
    return pa.table(columns)


def no_rows(spine: Scan) -> pa.Table:
    """A table of no rows, as `rows_by_day` gives them."""
    types = [(scanned.name, scanned.dtype.arrow()) for scanned in spine.columns]
    return pa.schema([*types, (POSITION, pa.int64())]).empty_table()


def _as_declared(column: pa.ChunkedArray, dtype: DType) -> pa.ChunkedArray:
    """The column in its declared type, where nothing is lost by that; a time with a zone as the same instant in UTC."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    wanted = dtype.arrow()
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(wanted) and column.type.tz and not wanted.tz:
        column = column.cast(pa.timestamp(column.type.unit, tz="UTC")).cast(pa.timestamp(column.type.unit))
    if pa.types.is_floating(column.type) and not pa.types.is_floating(wanted):
        # pandas makes doubles of numbers where one is missing, and NaN of what is missing.
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    if _would_guess(column.type, wanted):
        raise pa.ArrowTypeError("no unit, and no truth value, is guessed of a number")
    if pa.types.is_string(wanted):
        column = _to_be_written(column)
    elif dtype.is_integer and pa.types.is_floating(column.type):
        _refuse_rounded(column)
    made = column.cast(wanted)
    if pa.types.is_date32(wanted) and pa.types.is_timestamp(column.type) and not made.cast(column.type).equals(column):
        raise pa.ArrowInvalid("a time within a day is no date")
    if dtype.is_integer and _is_text(column.type):
        _refuse_other_writing(column, made)
    if _is_text(made.type):
        _refuse_no_utf8(made)
    if _may_round(column.type, wanted) and not _equal(made.cast(column.type), column):
        raise pa.ArrowInvalid("it would be rounded")
    return made


def _to_be_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What has one form as a text: texts, bytes and whole numbers; of doubles those that are whole numbers."""
    kind = column.type
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        raise pa.ArrowTypeError("it could be written in several ways, of which none is guessed")
    if not pa.types.is_floating(kind):
        return column
    _refuse_rounded(column)
    return column.cast(pa.int64())


def _refuse_no_utf8(texts: pa.ChunkedArray) -> None:
    """Raise UnicodeError for bytes that are no text: Arrow takes them for one until they are looked at."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnicodeError(first_line(error)) from error


def _refuse_rounded(column: pa.ChunkedArray) -> None:
    """Raise for a float that may stand for several whole numbers: whoever made it has rounded perhaps."""
    bits = _BITS[column.type]
    largest = pc.max(pc.abs(column.cast(pa.float64()))).as_py()
    if largest is not None and 2**bits <= largest < float("inf"):
        raise pa.ArrowInvalid(f"a whole number from 2**{bits} on may have been rounded before")


def _refuse_other_writing(texts: pa.ChunkedArray, numbers: pa.ChunkedArray) -> None:
    """Raise for a text that another one is the number of as well: 007, or 0x7."""
    # Arrow does not filter a view of texts.
    given = texts.cast(pa.large_string())
    other = given.filter(pc.not_equal(numbers.cast(given.type), given))
    if len(other):
        raise pa.ArrowInvalid(f"{other[0].as_py()!r} is not how a whole number is written")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _may_round(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether Arrow would make the nearest value of another one, and say nothing."""
    if pa.types.is_floating(given) and pa.types.is_floating(wanted):
        return bool(wanted.bit_width < given.bit_width)
    return any(
        pa.types.is_floating(one) and pa.types.is_decimal(other) for one, other in ((given, wanted), (wanted, given))
    )


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Whether values agree where there is one; NaN is NaN."""
    same = pc.equal(one, other)
    if pa.types.is_floating(other.type):
        same = pc.or_(same, pc.is_nan(other))
    return bool(pc.all(same).as_py())


def _would_guess(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether Arrow would make a time or a truth value of a number, or a number of one of them."""
    return any(
        is_kind(one) and _is_number(other)
        for is_kind in (pa.types.is_temporal, pa.types.is_boolean)
        for one, other in ((given, wanted), (wanted, given))
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _day_numbers(spine: Scan, times: pa.ChunkedArray) -> Int64s:
    if pa.types.is_date32(times.type):
        dates: Int64s = times.cast("int32").to_numpy().astype(np.int64)
        return dates
    assert spine.time is not None
    _, per_day = day_bounds(_EPOCH, spine.time.resolution)
    days: Int64s = times.cast("int64").to_numpy().astype(np.int64) // per_day
    return days


def _cut(table: pa.Table, numbers: Int64s) -> dict[dt.date, pa.Table]:
    days: dict[dt.date, pa.Table] = {}
    order = np.argsort(numbers, kind="stable")
    distinct, starts = np.unique(numbers[order], return_index=True)
    for number, rows in zip(distinct.tolist(), np.split(order, starts[1:]), strict=False):
        try:
            day = _EPOCH + dt.timedelta(days=number)
        except OverflowError as error:
            raise InputError("the rows have a time outside of the years 1 to 9999: see its unit") from error
        days[day] = table.take(pa.array(rows))
    return days

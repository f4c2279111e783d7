"""ArrowUdfTransform of one day: a user's function, called for a fixed number of rows at a time, in row order.

A function is row-wise: what it returns for a row depends on that row alone, and not on the rows that it gets with it.
Then the result does not depend on where the chunks are cut. A sample of the first chunk is asked for twice to see that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from beam_pipeline.day.table_writer import table_writer
from beam_pipeline.history.arrow_arrays import combined
from beam_pipeline.session.session import DaySession
from daeda.dtypes import describe_arrow, python_values
from daeda.errors import DayError, first_line, shortened
from daeda.functions.calling import Raised, ThreadRaised, called
from daeda.functions.interference import undisturbed
from daeda.functions.loading import Function, load_function
from daeda.operators.udf import ArrowUdfTransform
from daeda.process.interrupts import check_not_stopped
from daeda.process.supervised import user_code
from daeda.sql import statements
from daeda.sql.handle import ColumnTable, Materialised, stored_name
from daeda.sql.streamed import stream

# Rows that are asked for twice. Doubles may differ by what another alignment does to vectorised arithmetic.
_SAMPLE_ROWS = 256
_SAMPLE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Work:
    """What one run of the operator needs; `types` are those of the columns that are read, by name."""

    session: DaySession
    operator: ArrowUdfTransform
    function: Function
    types: dict[str, pa.DataType]

    @property
    def subject(self) -> str:
        """What every message is about."""
        return f"day {self.session.day}, operator '{self.operator.name}': function '{self.operator.function}'"

    def error(self, predicate: str) -> DayError:
        """A message about the function."""
        return DayError(f"{self.subject} {predicate}", day=self.session.day)


def run_udf(session: DaySession, operator: ArrowUdfTransform, left: Materialised) -> ColumnTable:
    """Call the function for every row of `left`; returns the table of the new column."""
    function = load_function(operator.function, session.context.project_root, operator.columns)
    session.record.function_codes[operator.function] = function.code
    types = {name: left.relation.column(name).dtype.arrow() for name in operator.columns}
    work = _Work(session, operator, function, types)
    limit = session.context.limits.udf_chunk_rows
    query = statements.function_input(operator, left)
    given = stream(session.resources.connection, query, limit, session.resources.check)
    schema = pa.schema([(stored_name(operator.result), operator.dtype.arrow())])
    first = 0
    with table_writer(session.resources.beside(), operator.output) as append:
        append(schema.empty_table())
        for chunk in _chunks(given.batches, limit):
            session.resources.check()
            values = _call(work, chunk, first)
            if first == 0:
                _check_row_wise(work, chunk, values)
            append(pa.table([values], schema=schema))
            first += chunk.num_rows
    return ColumnTable(operator.output, (operator.result,))


def _chunks(batches: Iterable[pa.RecordBatch], limit: int) -> Iterator[pa.Table]:
    """Tables of exactly `limit` rows, but for the last one: the batches of DuckDB have any number of rows."""
    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        while rows >= limit:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, limit)
            pending = table.slice(limit).to_batches()
            rows -= limit
    if rows:
        yield pa.Table.from_batches(pending)


def _call(work: _Work, chunk: pa.Table, first: int) -> pa.Array:
    """The checked values of a chunk whose first row is row `first` of the day."""
    rows = f"rows {first} to {first + chunk.num_rows - 1}"
    arrays = [combined(chunk.column(name)).cast(work.types[name]) for name in work.operator.columns]
    session, limit = work.session, work.session.context.limits.function_seconds
    what = f"{work.subject} at {rows}"
    sentence = f"{what} has not returned after {limit:g} s: correct it, or raise timeouts.function_seconds"
    session.status.report_call(work.operator.name, sentence, limit)
    try:
        with (
            undisturbed() as disturbed,
            session.resources.time_limit(limit, sentence),
            user_code(what, code=1, seconds=limit),
        ):
            returned = called(work.function, arrays)
    except ThreadRaised as error:
        raise work.error(f"at {rows} started a thread that raised {error}") from error.__cause__
    except Raised as error:
        # Whatever it is, also what means something to Python or to Beam: here it is a day that fails.
        check_not_stopped()
        raise work.error(f"raised {error}, at {rows}") from error.__cause__
    if disturbed:
        raise work.error(f"at {rows} changed {shortened(disturbed)}: a function makes values and no more")
    if isinstance(returned, pa.ChunkedArray):
        returned = combined(returned)
    if not isinstance(returned, pa.Array):
        raise work.error(
            f"returned a {type(returned).__name__} at {rows}: it returns one Arrow array, with a value for each row"
        )
    if len(returned) != chunk.num_rows:
        raise work.error(f"returned {len(returned)} values for {chunk.num_rows} rows, {rows}: one for each")
    return _typed(work, returned, rows)


def _typed(work: _Work, returned: pa.Array, rows: str) -> pa.Array:
    """The array in the declared type: another form of the same type is taken, another type is not."""
    operator = work.operator
    if pa.types.is_null(returned.type):
        return pa.nulls(len(returned), operator.dtype.arrow())
    dtype = describe_arrow(returned.type)
    if dtype != operator.dtype.name:
        raise work.error(
            f"returned {dtype} at {rows}, and the column '{operator.result}' is declared "
            f"{operator.dtype}: cast the values in the function, or declare their type"
        )
    try:
        returned.validate(full=True)
        return returned.cast(operator.dtype.arrow())
    except pa.ArrowInvalid as error:
        raise work.error(f"returned an Arrow array that is not valid at {rows}: {first_line(error)}") from error


def _check_row_wise(work: _Work, chunk: pa.Table, values: pa.Array) -> None:
    """Raise DayError when rows from the middle of the chunk get other values alone than among the others."""
    middle = chunk.num_rows // 2
    sample = chunk.slice(middle, _SAMPLE_ROWS)
    if middle == 0:
        return
    alone = python_values(_call(work, sample, middle))
    among = python_values(values.slice(middle, _SAMPLE_ROWS))
    for row, (value, again) in enumerate(zip(among, alone, strict=True)):
        if not _agree(value, again):
            raise work.error(
                f"gave row {middle + row} {value!r:.60} among {chunk.num_rows} rows, and {again!r:.60} "
                f"among {sample.num_rows}: a function is row-wise, its value for a row depends on that row alone"
            )


def _agree(value: Any, again: Any) -> bool:
    if isinstance(value, float) and isinstance(again, float):
        both_nan = math.isnan(value) and math.isnan(again)
        return both_nan or math.isclose(value, again, rel_tol=_SAMPLE_TOLERANCE, abs_tol=1e-300)
    if isinstance(value, list) and isinstance(again, list):
        return len(value) == len(again) and all(_agree(*pair) for pair in zip(value, again, strict=True))
    return bool(value == again)

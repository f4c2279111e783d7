"""One day's work of each source-side operator, without Beam: a session, an operator and a handle in, a handle out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from beam_pipeline.day.extend import DayOperator, Extend, extend_day
from beam_pipeline.day.failing_expression import failing_expression
from beam_pipeline.day.functions import run_udf
from beam_pipeline.day.look_up import run_search
from beam_pipeline.day.side_by_side import finished, roll, waited_for
from beam_pipeline.day.sink import write_day
from beam_pipeline.history.projected_partitions import projected
from beam_pipeline.session.session import DaySession
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle
from daeda.errors import DayError
from daeda.operators.relational import Filter, Join, Scan, Sink
from daeda.operators.temporal import PointInTimeJoin, WindowOperator
from daeda.operators.udf import ArrowUdfTransform
from daeda.sql import statements
from daeda.sql.handle import ColumnTable, Deferred, Materialised
from daeda.sql.lower import Handle, SourceOperator, inputs_of, lower


def finish_started(session: DaySession, operator: DayOperator, handle: DayHandle) -> DayHandle:
    """Wait for the operators that were started and whose columns this one needs: it may run with the handle then."""
    for started in waited_for(session, operator, handle):
        with (
            timed(session, started.operator.name, rows_of(handle)),
            _expressions_told(session, started.operator, started.inputs),
        ):
            handle = finished(session, started, handle)
    return handle


def run_operator(session: DaySession, operator: DayOperator, handle: DayHandle) -> DayHandle:
    """Run one operator of a day; returns the handle with the operator's output, or behind a Sink with the parts."""
    if isinstance(operator, Extend):
        return extend_day(session, operator, handle)
    inputs = inputs_of(operator, dict(handle.relations))
    relation = operator.derive(tuple(source.relation for source in inputs))
    session.record.add_operator(operator)
    with _expressions_told(session, operator, inputs):
        output = lower(_Executing(session), operator, relation, inputs)
    session.expressions.add(operator, inputs)
    if isinstance(operator, Sink):
        return handle.as_published(session.record.published)
    return handle.with_relation(operator.output, output)


@contextmanager
def _expressions_told(session: DaySession, operator: SourceOperator, inputs: tuple[Handle, ...]) -> Iterator[None]:
    """Where a statement fails because of an expression of the user, the error is about that."""
    try:
        yield
    except duckdb.Error as error:
        sentence = failing_expression(session, operator, inputs, error)
        if sentence is None:
            raise
        raise DayError(sentence) from error


def rows_of(handle: DayHandle) -> int:
    """Rows of the spine, 0 while they are not known."""
    return max(
        (relation.rows for relation in handle.relations.values() if isinstance(relation, Materialised)), default=0
    )


def rows_made(operator: DayOperator, before: DayHandle, after: DayHandle) -> int | None:
    """Rows of the operator's own output, None where it only composes SQL."""
    if isinstance(operator, Sink) or after.given_up:
        return rows_of(before)
    output = after.relations[operator.output]
    return output.rows if isinstance(output, Materialised) else None


@dataclass(frozen=True)
class _Executing:
    """Carries out the work in the session of the day."""

    session: DaySession

    @property
    def day(self) -> dt.date:
        return self.session.day

    def source_files(self, operator: Scan) -> tuple[str, ...]:
        return tuple(self.session.inputs.read(operator, self.session.record.digests[operator.name]).needed)

    def projected(self, given: Deferred) -> Deferred:
        return projected(self.session, given)

    def note_without_key(self, operator: Filter, query: str) -> None:
        counted = self.session.resources.connection.execute(query).fetchone()
        if counted is not None and counted[0]:
            self.session.record.without_key[operator.name] = int(counted[0])

    def number(self, operator: SourceOperator, query: str, name: str) -> int:
        return self.session.resources.table(name, query)

    def materialise(self, operator: SourceOperator, query: str, name: str, left_rows: int) -> int:
        return self.session.resources.table(name, query)

    def search(self, operator: PointInTimeJoin, left: Materialised, right: Deferred) -> ColumnTable | None:
        return run_search(self.session, operator, left, right)

    def duplicate_key(self, operator: Join, right: Deferred) -> str:
        example = self.session.resources.connection.execute(statements.duplicate_keys(operator.keys, right)).fetchone()
        if example is None:
            return "the join made more rows than its left side has"
        shown = ", ".join(f"{key} = {value!r}" for key, value in zip(operator.keys, example, strict=False))
        return f"the right side has {example[-1]} rows with {shown}"

    def roll(self, operator: WindowOperator, left: Materialised, right: Deferred) -> ColumnTable:
        return roll(self.session, operator, left, right)

    def transform(self, operator: ArrowUdfTransform, left: Materialised) -> ColumnTable:
        return run_udf(self.session, operator, left)

    def write(self, operator: Sink, given: Materialised) -> None:
        self.session.record.published = write_day(self.session, operator, given)

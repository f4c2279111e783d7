"""From operators to work: which statements an operator becomes, and what its output is.

The skeleton runs this with an engine that executes, `explain --sql` with one that writes down. Both see the same
statements, so they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol, assert_never

from daeda.errors import ConfigurationError, DayError
from daeda.operators.relation import Relation
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.operators.udf import ArrowUdfTransform
from daeda.sql import scan as scan_sql
from daeda.sql import statements
from daeda.sql.handle import ColumnTable, Deferred, Materialised, column, stored_name
from daeda.sql.projection import project

Handle = Deferred | Materialised
SourceOperator = Scan | Filter | Project | Join | PointInTimeJoin | WindowOperator | ArrowUdfTransform | Sink


class DayEngine(Protocol):
    """What carries out the work of one day."""

    @property
    def day(self) -> dt.date:
        """The day."""

    def source_files(self, operator: Scan) -> tuple[str, ...]:
        """The files that a Scan reads for the day."""

    def projected(self, given: Deferred) -> Deferred:
        """The same rows, from files that are quicker to read where there are some."""

    def note_without_key(self, operator: Filter, query: str) -> None:
        """Note how many rows a sample drops because they have no key: the query counts them."""

    def number(self, operator: SourceOperator, query: str, name: str) -> int:
        """Make a table of rows in their total order; returns how many rows it has."""

    def materialise(self, operator: SourceOperator, query: str, name: str, left_rows: int) -> int:
        """Make a table of an operator's new columns; returns how many rows it has."""

    def search(self, operator: PointInTimeJoin, left: Materialised, right: Deferred) -> ColumnTable | None:
        """The look-up's new columns without its statement, where that is cheaper; else None."""

    def duplicate_key(self, operator: Join, right: Deferred) -> str:
        """An example of right keys that stand more than once, as text."""

    def roll(self, operator: WindowOperator, left: Materialised, right: Deferred) -> ColumnTable:
        """Compute the aggregates of every left row."""

    def transform(self, operator: ArrowUdfTransform, left: Materialised) -> ColumnTable:
        """Call the function for every left row."""

    def write(self, operator: Sink, given: Materialised) -> None:
        """Write and publish the day."""


def lower(engine: DayEngine, operator: SourceOperator, relation: Relation, inputs: tuple[Handle, ...]) -> Handle:
    """Carry out one operator; returns its output."""
    match operator:
        case Scan():
            return scan_sql.scan(operator, relation, engine.source_files(operator), engine.day)
        case Filter():
            right = deferred(inputs[1]) if operator.semi_join else None
            rows = deferred(inputs[0], renumbers=True)
            if operator.sample is not None:
                engine.note_without_key(operator, scan_sql.without_key(operator, rows))
            return scan_sql.filter_rows(operator, rows, right)
        case Project():
            return project(operator, relation, _materialised(engine, operator, inputs[0]))
        case Join():
            return _join(engine, operator, relation, inputs)
        case PointInTimeJoin():
            return _point_in_time(engine, operator, relation, inputs)
        case RollingAggregate() | LabelAggregate():
            left = _materialised(engine, operator, inputs[0])
            return _extended(left, relation, engine.roll(operator, left, deferred(inputs[1])))
        case Sink():
            given = _materialised(engine, operator, inputs[0])
            engine.write(operator, given)
            return given
        case ArrowUdfTransform():
            left = _materialised(engine, operator, inputs[0])
            return _extended(left, relation, engine.transform(operator, left))
        case _:
            assert_never(operator)


def inputs_of(operator: SourceOperator, handles: dict[str, Handle]) -> tuple[Handle, ...]:
    """The handles of an operator's inputs; raises ConfigurationError when one has not been made."""
    for name in operator.inputs:
        if name not in handles:
            raise ConfigurationError(
                f"operator '{operator.name}' ({operator.op_kind}): no relation '{name}' has been made before it: "
                f"{', '.join(handles) or 'none exists'}"
            )
    return tuple(handles[name] for name in operator.inputs)


def _join(engine: DayEngine, operator: Join, relation: Relation, inputs: tuple[Handle, ...]) -> Materialised:
    left, right = _materialised(engine, operator, inputs[0]), engine.projected(deferred(inputs[1]))
    query = statements.static_join(operator, left, right)
    rows = engine.materialise(operator, query, operator.output, left.rows)
    if rows != left.rows:
        raise DayError(f"{engine.duplicate_key(operator, right)}: a Join needs one row per key")
    return _extended(left, relation, ColumnTable(operator.output, operator.columns))


def _point_in_time(
    engine: DayEngine, operator: PointInTimeJoin, relation: Relation, inputs: tuple[Handle, ...]
) -> Materialised:
    left = _materialised(engine, operator, inputs[0])
    right = engine.projected(deferred(inputs[1]))
    searched = engine.search(operator, left, right)
    if searched is not None:
        return _extended(left, relation, searched)
    query = statements.point_in_time_join(operator, left, right)
    rows = engine.materialise(operator, query, operator.output, left.rows)
    if rows != left.rows:
        raise DayError(f"the as-of join made {rows} rows of {left.rows}")
    return _extended(left, relation, ColumnTable(operator.output, operator.columns))


def _extended(left: Materialised, relation: Relation, added: ColumnTable) -> Materialised:
    return Materialised(relation, left.rows, (*left.tables, added), {**left.expressions, **_own(added.columns)})


def _materialised(engine: DayEngine, operator: SourceOperator, given: Handle) -> Materialised:
    """Rows that have numbers: a deferred relation is sorted into its total order and written."""
    if isinstance(given, Materialised):
        return given
    given = engine.projected(given)
    names = given.relation.names
    name = f"rows_of_{operator.inputs[0]}"
    rows = engine.number(operator, statements.numbering(given.relation, given), name)
    return Materialised(given.relation, rows, (ColumnTable(name, names),), _own(names))


def _own(names: tuple[str, ...]) -> dict[str, str]:
    """Each column as itself, by the name that it has in its table."""
    return {name: column(stored_name(name)).sql("duckdb") for name in names}


def deferred(given: Handle, *, renumbers: bool = False) -> Deferred:
    """Rows as a query; what was materialised on its way (an attribute joined to a history) is read back.

    Of rows to choose from, those of a materialised relation get new numbers, in the order of their old ones.
    """
    if isinstance(given, Deferred):
        return given
    return Deferred(given.relation, statements.all_columns(given), renumbers)

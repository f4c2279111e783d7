"""Which expression of the user fails, and at which row: looked for only when a statement of the day has failed."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from beam_pipeline.session.session import DaySession
from daeda.errors import cut, first_line
from daeda.operators.relation import Relation
from daeda.operators.relational import Filter, Project, Sink
from daeda.sql import statements
from daeda.sql.expression import columns_of, parse_expression, quoted_columns
from daeda.sql.handle import Deferred, Materialised, column, selected
from daeda.sql.lower import Handle, SourceOperator

_SUSPECTS = "daeda_suspects"
# Errors of the machine, and not of a value.
_MACHINE_ERRORS = (
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
    duckdb.IOException,
    duckdb.PermissionException,
)


def failing_expression(
    session: DaySession, operator: SourceOperator, inputs: tuple[Handle, ...], error: duckdb.Error
) -> str | None:
    """The sentence about the expression behind an error and its first row; None where it is not an expression."""
    if isinstance(error, _MACHINE_ERRORS) or session.resources.stopping:
        return None
    try:
        for filtered, left in session.expressions.filters:
            predicate = filtered.predicate if filtered.sample is None else filtered.sample.where
            if predicate is not None and (sentence := _in_filter(session, predicate, filtered, left)):
                return sentence
        if (
            isinstance(operator, Sink)
            and isinstance(inputs[0], Materialised)
            and session.expressions.project is not None
        ):
            return _in_column(session, session.expressions.project, inputs[0])
    except duckdb.Error:
        return None  # then the error of the statement is raised as it is
    return None


def _in_column(session: DaySession, project: Project, given: Materialised) -> str | None:
    """The first column that fails, at its first row in the order of the spine."""
    whole = session.resources.arrow_columns.side_by_side(given)
    for projected in project.in_order():
        if projected.expression is None:
            continue
        relation = Relation((given.relation.column(projected.name),))

        def failure(first: int, last: int, relation: Relation = relation) -> str | None:
            session.resources.arrow_columns.show(first, last)
            rows = statements.assembly(relation, whole, first, last)
            return _failure(session, f"SELECT count(COLUMNS(*)) FROM ({rows}) AS o")

        row = _first_failing(failure, given.rows)
        if row is not None:
            reason = failure(row, row + 1)
            names = [name for name in session.context.label_columns if name in given.relation.names]
            session.resources.arrow_columns.show(row, row + 1)
            query = selected(*map(column, names)).from_(whole.select(names, row, row + 1).subquery("a"))
            labels = session.resources.connection.execute(query.sql("duckdb")).fetchone() if names else ()
            return _sentence(
                f"column '{projected.name}': its expression", projected.expression, (names, labels or ()), row, reason
            )
    return None


def _in_filter(session: DaySession, predicate: str, operator: Filter, left: Deferred) -> str | None:
    """The first row of a filter's input at which its condition fails, in the order of the rows."""
    tree = quoted_columns(parse_expression(predicate))
    condition = tree.sql("duckdb")
    if _failure(session, f"SELECT count(*) FROM ({left.query}) AS l WHERE {condition}") is None:
        return None
    relation = left.relation
    names = [name for name in session.context.label_columns if name in relation.names] or list(relation.names[:3])
    names = list(dict.fromkeys((*names, *columns_of(tree))))
    order = [name for name in (*relation.order, *names) if name in relation.names]
    suspects = f"SELECT * FROM ({left.query}) AS l WHERE TRY({condition}) IS NULL"
    chosen = ", ".join(column(name).sql("duckdb") for name in names)
    by = ", ".join(column(name).sql("duckdb") for name in dict.fromkeys(order))
    session.resources.table(_SUSPECTS, f"SELECT {chosen} FROM ({suspects}) AS s ORDER BY {by}")

    def failure(first: int, last: int) -> str | None:
        some = f"SELECT * FROM {_SUSPECTS} LIMIT {last - first} OFFSET {first}"
        return _failure(session, f"SELECT count({condition}) FROM ({some}) AS l")

    count = session.resources.connection.execute(f"SELECT count(*) FROM {_SUSPECTS}").fetchone()
    row = _first_failing(failure, int(count[0]) if count else 0)
    if row is None:
        return None
    values = session.resources.connection.execute(f"SELECT * FROM {_SUSPECTS} LIMIT 1 OFFSET {row}").fetchone() or ()
    views = session.expressions.views_of_attributes(operator)
    told = [f"{views[name]}:{name}" if name in views else name for name in names]
    return _sentence(f"filter '{operator.name}': its condition", predicate, (told, values), None, failure(row, row + 1))


def _first_failing(failure: Callable[[int, int], str | None], rows: int) -> int | None:
    """The least row that fails alone; None where all of them together do not fail."""
    if not rows or failure(0, rows) is None:
        return None
    first, last = 0, rows
    while last - first > 1:
        middle = (first + last) // 2
        if failure(first, middle) is not None:
            last = middle
        else:
            first = middle
    return first


def _failure(session: DaySession, query: str) -> str | None:
    """DuckDB's reason why a query fails; None where it does not."""
    session.resources.check()
    try:
        session.resources.connection.execute(query).fetchall()
    except _MACHINE_ERRORS:
        raise
    except duckdb.Error as error:
        return first_line(error)
    return None


def _sentence(
    what: str, text: str, shown: tuple[list[str], tuple[object, ...]], row: int | None, reason: str | None
) -> str:
    values = ", ".join(f"{name} {cut(value)}" for name, value in zip(*shown, strict=False))
    at_row = f"row {row} ({values})" if row is not None else f"the row with {values}"
    return (
        f"{what} '{cut(' '.join(text.split()), 200)}' fails at {at_row}: {reason}: guard it with try_cast, nullif or a "
        "CASE, or repair the row"
    )

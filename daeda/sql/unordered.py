"""SQL of a history or of a right side whose rows are put in order outside of DuckDB: the rows, and the order of ties.

Rows of one entity at one time are tied. Few are, and where only counts or sums are asked for, their order does not
matter. So what orders them is read only where it does, and DuckDB, which knows the order of values, sorts them alone.
"""

from __future__ import annotations

from sqlglot import exp

from daeda.aggregates import shows_order
from daeda.dtypes import DType
from daeda.operators.relation import Relation
from daeda.operators.temporal import PointInTimeJoin, WindowOperator
from daeda.sql.handle import Deferred, column, table
from daeda.sql.order import ordered, ordered_column
from daeda.sql.scan import FILE
from daeda.sql.statements import (
    CREATED,
    ProbingOperator,
    ascending,
    history_rows,
    history_values,
    is_known,
    rows_with_instants,
    tie_names,
)
from daeda.sql.template import once_per_template

# Numbers of the tied rows' group, in the order of entity and time, and of their place among all tied rows.
GROUP = "__group"
POSITION = "__position"


@once_per_template
def unordered_history(operator: ProbingOperator, right: Deferred, entities: str, telling: str | None) -> str:
    """The rows of the right side that have an entity of the day and their instants, in any order.

    With the columns that are aggregated or taken, and what orders tied rows. No two entities share the key `telling`.
    """
    return history_rows(operator, right, entities, _needed(operator, right.relation), telling).sql("duckdb")


def numeric_keys(operator: ProbingOperator, relation: Relation) -> tuple[str, ...]:
    """Keys by which alone DuckDB may join faster than by all of them: integers, of entities of several keys.

    It finds integers that lie close together by their place in a table, and several keys by a hash of them.
    """
    if len(operator.keys) == 1:
        return ()
    return tuple(key for key in operator.keys if relation.column(key).dtype.is_integer)


@once_per_template
def telling_keys(keys: tuple[str, ...], entities: str) -> str:
    """One row: of each key, whether no two entities share a value of it."""
    rows = exp.Count(this=exp.Star())
    distinct = (exp.Count(this=exp.Distinct(expressions=[column(key)])) for key in keys)
    return (
        exp.select(*(exp.EQ(this=count, expression=rows.copy()) for count in distinct))
        .from_(table(entities))
        .sql("duckdb")
    )


@once_per_template
def prepared_history(operator: WindowOperator, right: Deferred) -> str:
    """The rows of any entity in any order, with the keys in the place of its number: what is alike for several days.

    `right` tells its rows by FILE (`daeda.sql.scan.told_by_file`), and so does what this reads.
    """
    keys = tuple(column(key, "h") for key in operator.keys)
    needed = _needed(operator, right.relation, keys=operator.keys)
    query = rows_with_instants(operator, right, (column(FILE, "h"), *keys), needed)
    return query.where(exp.and_(*(is_known(key.copy()) for key in keys))).sql("duckdb")


def tie_columns(operator: ProbingOperator, relation: Relation) -> tuple[str, ...]:
    """Columns of `unordered_history` that order tied rows; none where their order does not matter."""
    if isinstance(operator, WindowOperator) and not any(
        shows_order(aggregate.kind, None if aggregate.column is None else relation.column(aggregate.column).dtype)
        for aggregate in operator.aggregates
    ):
        return () if operator.created is None else (CREATED,)
    return tuple(dict.fromkeys(tie_names(operator)))


@once_per_template
def tied_in_order(operator: ProbingOperator, relation: Relation, tied: str) -> str:
    """POSITION of all rows of a table `tied`, by GROUP and then by `tie_columns`, greater last."""
    order = [
        ordered(column(name), DType("int64")) if name == CREATED else ordered_column(name, relation.column(name).dtype)
        for name in tie_columns(operator, relation)
    ]
    query = exp.select(column(POSITION)).from_(table(tied)).order_by(*ascending(column(GROUP)), *order)
    return query.sql("duckdb")


def _needed(operator: ProbingOperator, relation: Relation, keys: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Columns that are aggregated, taken, or order tied rows, each once, without `created` and `keys`."""
    ties = (name for name in tie_columns(operator, relation) if name != CREATED)
    values = operator.columns if isinstance(operator, PointInTimeJoin) else history_values(operator)
    return tuple(name for name in dict.fromkeys((*values, *ties)) if name not in keys)

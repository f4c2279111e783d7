"""SQL of Project: expressions over what the day has made, put in place where a column is read.

A column that reads another one of the output as it is shown gets that one's whole value in its place, in its type and
behind its default:

    category: source category, default 'unknown'
    is_toy:   category = 'toys', reads_output (category)
        ->    CAST(COALESCE(category, 'unknown') AS TEXT) = 'toys'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlglot import exp

from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Project, ProjectColumn
from daeda.sql.calendar import check_zone
from daeda.sql.expression import (
    MOST_LEVELS,
    check_expression_type,
    levels,
    parse_expression,
    quoted_columns,
    type_in_duckdb,
)
from daeda.sql.handle import Materialised
from daeda.sql.literal import literal
from daeda.sql.template import once_per_template

# Characters of an expression in which all that it reads stands in its place.
_MOST_CHARACTERS = 100_000
# Levels of the tree that a default, a cast and parentheses add around what is read.
_AROUND = 3


def project(operator: Project, relation: Relation, given: Materialised) -> Materialised:
    """The projected columns as expressions over the same tables."""
    return Materialised(relation, given.rows, given.tables, _expressions(operator, given))


def check_expressions(operator: Project, name: str, given: Relation) -> None:
    """Raise ConfigurationError unless the expression of a column fits what it reads, and can be written out."""
    column = operator.column(name)
    assert column.expression is not None
    if column.timezone is not None:
        check_zone(column.timezone)
    check_expression_type(
        column.expression, Column(name, column.dtype), operator.seen_by(column, given), column.timezone
    )
    if not column.reads_output:
        return
    deep, long = _size(operator, column, {})
    if deep > MOST_LEVELS or long > _MOST_CHARACTERS:
        raise ConfigurationError(
            f"the expression of '{name}', with those of {', '.join(column.reads_output)} in their places, is "
            + ("nested too deeply" if deep > MOST_LEVELS else f"longer than {_MOST_CHARACTERS:,} characters")
            + ": let a function make one of them (udf_specs)"
        )


def _size(operator: Project, column: ProjectColumn, known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Levels and characters of a column with everything that it reads in its place."""
    if column.name not in known:
        if column.expression is None:
            known[column.name] = (_AROUND, len(column.name))
            return known[column.name]
        tree = parse_expression(column.expression, timezone=column.timezone)
        deep, long = levels(tree), len(column.expression)
        times = Counter(node.name for node in tree.find_all(exp.Column))
        for name in column.reads_output:
            below, length = _size(operator, operator.column(name), known)
            deep, long = max(deep, levels(tree) + below + _AROUND), min(long + times[name] * length, 10**9)
        known[column.name] = (deep, long)
    return known[column.name]


@once_per_template
def _expressions(operator: Project, given: Materialised) -> dict[str, str]:
    columns = {column.name: column for column in operator.columns}
    return {
        name: _text(column, given) or _projected(name, columns, given).sql("duckdb") for name, column in columns.items()
    }


def _text(projected: ProjectColumn, given: Materialised) -> str | None:
    """A column of the input as it is, or with a default; None for anything else. Of a thousand, trees take long."""
    if projected.source is None:
        return None
    value = given.expressions[projected.source]
    if projected.default is None:
        return value
    return f"COALESCE({value}, {literal(projected.default, projected.dtype).sql('duckdb')})"


def _projected(name: str, columns: Mapping[str, ProjectColumn], given: Materialised) -> exp.Expr:
    projected = columns[name]
    default = None if projected.default is None else literal(projected.default, projected.dtype)
    if projected.source is not None:
        value = given.expression(projected.source)
    elif projected.expression is not None:
        tree = quoted_columns(parse_expression(projected.expression, timezone=projected.timezone))

        def substituted(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Column):
                return node
            if node.name not in projected.reads_output:
                return exp.Paren(this=given.expression(node.name))
            dtype = type_in_duckdb(columns[node.name].dtype)
            return exp.Cast(this=_projected(node.name, columns, given), to=dtype)

        value = exp.Paren(this=tree.transform(substituted))
    else:
        return default or literal(None, projected.dtype)
    return value if default is None else exp.Coalesce(this=value, expressions=[default])

"""The columns of the output: what each is made of, its default, and what expressions and functions see of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from daeda.catalog.service import ContractColumn
from daeda.compiler.resolved import Resolved
from daeda.operators.relational import ProjectColumn
from daeda.sql.expression import columns_of, parse_expression
from daeda.sql.literal import exact


def output_columns(resolved: Resolved) -> tuple[ProjectColumn, ...]:
    """The contract's columns in the order of output_columns."""
    contract = {column.name: column for column in resolved.project.service.columns}
    made = {
        column.name: _output_column(resolved, contract[column.name])
        for column in resolved.project.runtime.output_columns
    }
    return tuple(_reading_output(column, made) for column in made.values())


def defaults_of(resolved: Resolved, names: Iterable[str]) -> dict[str, Any]:
    """The defaults of the contract's columns among these: a function reads them as the output shows them."""
    contract = {column.name: column for column in resolved.project.service.columns}
    made = (_output_column(resolved, contract[name]) for name in dict.fromkeys(names) if name in contract)
    return {column.name: column.default for column in made if column.default is not None}


def _reading_output(column: ProjectColumn, made: Mapping[str, ProjectColumn]) -> ProjectColumn:
    """The column, with the names of those that it reads of the output: they differ from the input, or are not in it."""
    if column.expression is None:
        return column
    others = (made[name] for name in columns_of(parse_expression(column.expression)) if name in made)
    read = tuple(
        one.name for one in others if one.name != column.name and (one.source is None or one.default is not None)
    )
    return column.model_copy(update={"reads_output": read})


def _output_column(resolved: Resolved, column: ContractColumn) -> ProjectColumn:
    views = (*resolved.features.values(), *resolved.latest.values())
    looked_up = {name for names in views for name in names}
    has_source = (
        (column.name in resolved.spine_columns and column.kind in ("key", "timestamp", "spine"))
        or (column.name in resolved.aggregations and column.kind == "rolling")
        or (column.name in resolved.labels and column.kind == "label")
        or (column.name in resolved.udfs and column.kind == "udf")
        or ((column.name in resolved.uses or column.name in looked_up) and column.kind in ("static", "point_in_time"))
    )
    default = (
        column.default if has_source or column.kind == "derived" else resolved.literals.get(column.name, column.default)
    )
    default = exact(default, column.dtype)
    return ProjectColumn(
        name=column.name,
        dtype=column.dtype,
        source=column.name if has_source else None,
        expression=column.expression,
        timezone=column.timezone,
        default=default,
        # A field is marked where it is read, before anything else can read it.
        label=column.label and column.kind == "derived",
    )

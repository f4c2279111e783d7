"""Columns that a function of the user makes, in an order in which each reads what is there before it."""

from __future__ import annotations

from daeda.catalog.service import ContractColumn
from daeda.compiler.aggregates import known_aggregates, take_aggregate
from daeda.compiler.lookups import is_latest, known_features, take_feature
from daeda.compiler.makers import several_makers
from daeda.compiler.resolved import Resolved, expect_type
from daeda.errors import did_you_mean
from daeda.settings.aggregations import UdfSpec


def known_columns(resolved: Resolved) -> list[str]:
    """What expressions and functions can read, whether the contract has it or not."""
    known = [*(field.name for field in resolved.spine.fields), *known_features(resolved), *known_aggregates(resolved)]
    return [*known, *(spec.name for spec in resolved.project.aggregations.udf_specs)]


def resolve_udf(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind udf: declared, of the type that its function makes, with everything that it reads."""
    spec = take_udf(resolved, column.name)
    if spec is not None:
        expect_type(resolved, where, column, spec.dtype, f"the function of '{spec.name}'")
    elif column.name not in resolved.literals:
        known = [udf_spec.name for udf_spec in resolved.project.aggregations.udf_specs]
        resolved.mistakes.add(
            where, f"column '{column.name}' (kind udf) is made by no udf_spec: {did_you_mean(column.name, known)}"
        )


def take_udf(resolved: Resolved, name: str, path: tuple[str, ...] = ()) -> UdfSpec | None:
    """The spec that makes a column with a function, after what its function reads."""
    specs = resolved.project.aggregations.udf_specs
    index = next((index for index, spec in enumerate(specs) if spec.name == name), None)
    if index is None:
        return None
    where = resolved.project.where("aggregations", ("udf_specs", index))
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        resolved.mistakes.add(where, f"the functions {circle} read each other's columns, so none can be called first")
    elif name not in resolved.udfs:
        for column in dict.fromkeys(specs[index].columns):
            _take_argument(resolved, column, (*path, name), where)
        resolved.udfs[name] = specs[index]
    return specs[index]


def _take_argument(resolved: Resolved, name: str, path: tuple[str, ...], where: str) -> None:
    """Make a column that a function reads, the last of `path`."""
    contract = {column.name: column for column in resolved.project.service.columns}
    reads = f"the function of '{path[-1]}' reads '{name}'"
    if name in contract and contract[name].kind == "derived":
        resolved.mistakes.add(where, f"{reads}, a derived column, and those come last: derive it in the function")
    elif name in contract and contract[name].kind == "embedding":
        resolved.mistakes.add(where, f"{reads}, a vector, which only the enrichment fills: read the ids")
    elif name not in contract and (makers := several_makers(resolved, name)) is not None:
        resolved.mistakes.add(where, f"{reads}, which is made by {makers}: rename one")
    elif name in {field.name for field in resolved.spine.fields}:
        resolved.spine_columns.add(name)
    elif not (
        take_feature(resolved, name, latest=is_latest(resolved, name))
        or take_aggregate(resolved, name)
        or take_udf(resolved, name, path)
    ):
        resolved.mistakes.add(where, f"{reads}, which nobody makes: {did_you_mean(name, known_columns(resolved))}")

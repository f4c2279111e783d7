"""Columns that a function of the user makes, in an order in which each reads what is there before it."""

from __future__ import annotations

from daeda.catalog.service import ContractColumn
from daeda.compiler.aggregates import known_aggregates, take_aggregate
from daeda.compiler.lookups import is_latest, known_features, take_feature
from daeda.compiler.makers import several_makers
from daeda.compiler.resolved import Resolved, expect_type
from daeda.errors import did_you_mean
from daeda.settings.aggregations import UdfSpec


def known_columns(found: Resolved) -> list[str]:
    """What expressions and functions can read, whether the contract has it or not."""
    known = [*(one.name for one in found.spine.fields), *known_features(found), *known_aggregates(found)]
    return [*known, *(spec.name for spec in found.project.aggregations.udf_specs)]


def resolve_udf(found: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind udf: declared, of the type that its function makes, with everything that it reads."""
    spec = take_udf(found, column.name)
    if spec is not None:
        expect_type(found, where, column, spec.dtype, f"the function of '{spec.name}'")
    elif column.name not in found.literals:
        known = [one.name for one in found.project.aggregations.udf_specs]
        found.mistakes.add(
            where, f"column '{column.name}' (kind udf) is made by no udf_spec: {did_you_mean(column.name, known)}"
        )


def take_udf(found: Resolved, name: str, path: tuple[str, ...] = ()) -> UdfSpec | None:
    """The spec that makes a column with a function, after what its function reads."""
    specs = found.project.aggregations.udf_specs
    index = next((index for index, spec in enumerate(specs) if spec.name == name), None)
    if index is None:
        return None
    where = found.project.where("aggregations", ("udf_specs", index))
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        found.mistakes.add(where, f"the functions {circle} read each other's columns, so none can be called first")
    elif name not in found.udfs:
        for one in dict.fromkeys(specs[index].columns):
            _take_argument(found, one, (*path, name), where)
        found.udfs[name] = specs[index]
    return specs[index]


def _take_argument(found: Resolved, name: str, path: tuple[str, ...], where: str) -> None:
    """Make a column that a function reads, the last of `path`."""
    contract = {column.name: column for column in found.project.service.columns}
    reads = f"the function of '{path[-1]}' reads '{name}'"
    if name in contract and contract[name].kind == "derived":
        found.mistakes.add(where, f"{reads}, a derived column, and those come last: derive it in the function")
    elif name in contract and contract[name].kind == "embedding":
        found.mistakes.add(where, f"{reads}, a vector, which only the enrichment fills: read the ids")
    elif name not in contract and (makers := several_makers(found, name)) is not None:
        found.mistakes.add(where, f"{reads}, which is made by {makers}: rename one")
    elif name in {one.name for one in found.spine.fields}:
        found.spine_columns.add(name)
    elif not (
        take_feature(found, name, latest=is_latest(found, name))
        or take_aggregate(found, name)
        or take_udf(found, name, path)
    ):
        found.mistakes.add(where, f"{reads}, which nobody makes: {did_you_mean(name, known_columns(found))}")

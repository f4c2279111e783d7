"""First step of the compiler: find, for every column of the contract, what makes it.

All mistakes are recorded with their line; nothing is built here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daeda.catalog.service import ContractColumn
from daeda.compiler.aggregates import (
    known_aggregates,
    known_labels,
    resolve_label,
    resolve_rolling,
    take_aggregate,
    take_label,
)
from daeda.compiler.labels import IS_LABEL, is_label, marked_by, marked_fields
from daeda.compiler.lookups import is_latest, known_features, resolve_feature, take_feature
from daeda.compiler.makers import several_makers
from daeda.compiler.resolved import Resolved, expect_type
from daeda.errors import ConfigurationError, closest, did_you_mean
from daeda.operators.circles import first_circle
from daeda.settings.aggregations import UdfSpec
from daeda.sql.expression import columns_of, parse_expression
from daeda.sql.literal import literal


def check_spine(resolved: Resolved) -> None:
    """The spine view exists, has a timestamp, and holds the grain."""
    project, service = resolved.project, resolved.project.service
    name, where = service.spine.view, project.where("service", ("spine", "view"))
    if name not in project.views:
        resolved.mistakes.add(where, f"no feature view '{name}': {did_you_mean(name, project.views)}")
    elif resolved.spine.source.timestamp_field is None:
        resolved.mistakes.add(where, f"the view '{name}' has no source.timestamp_field, and a spine needs one")
    resolved.mistakes.raise_if_any()
    names = [field.name for field in resolved.spine.fields]
    for index, name in enumerate(service.grain):
        if name not in names:
            resolved.mistakes.add(
                project.where("service", ("grain", index)),
                f"grain '{name}' is not a field of the spine view '{resolved.spine.name}': {did_you_mean(name, names)}",
            )
    resolved.spine_columns.update({resolved.spine_time(), *service.grain} & set(names))


def check_output_columns(resolved: Resolved) -> None:
    """output_columns is an ordering of exactly the contract's columns, and defaults agree."""
    project = resolved.project
    contract = {column.name: column for column in project.service.columns}
    listed = {column.name for column in project.runtime.output_columns}
    # What is listed and not there most likely means these, and is told.
    meant = {closest(name, contract.keys() - listed) for name in listed - contract.keys()}
    for index, column in enumerate(project.runtime.output_columns):
        where = project.where("runtime", ("output_columns", index))
        if column.name not in contract:
            resolved.mistakes.add(
                where,
                f"output column '{column.name}' is not a column of the service "
                f"'{project.service.name}': {did_you_mean(column.name, contract)}",
            )
            continue
        declared = contract[column.name]
        if "default" not in column.model_fields_set:
            continue
        _check_literal(resolved, where, column.default, declared)
        if column.default is not None and declared.default is not None and column.default != declared.default:
            resolved.mistakes.add(
                where,
                f"the default of '{column.name}' is {column.default!r} here and "
                f"{declared.default!r} in the service: keep one",
            )
        resolved.literals[column.name] = column.default
    for index, contracted in enumerate(project.service.columns):
        where = project.where("service", ("columns", index))
        if contracted.name not in listed and contracted.name not in meant:
            resolved.mistakes.add(
                where, f"column '{contracted.name}' is not in output_columns of runtime.yaml: add it there"
            )
        _check_literal(resolved, where, contracted.default, contracted)


def resolve_columns(resolved: Resolved) -> None:
    """Each contract column gets its maker, by its kind."""
    for index, column in enumerate(resolved.project.service.columns):
        where = resolved.project.where("service", ("columns", index))
        match column.kind:
            case "key" | "timestamp" | "spine":
                _resolve_spine(resolved, column, where)
            case "static" | "point_in_time":
                resolve_feature(resolved, column, where)
            case "rolling":
                resolve_rolling(resolved, column, where)
            case "label":
                resolve_label(resolved, column, where)
            case "udf":
                resolve_udf(resolved, column, where)
            case "embedding":
                _resolve_embedding(resolved, column, where)
            case "derived":
                pass  # reads other columns: resolved when all of them are known


def resolve_derived(resolved: Resolved) -> None:
    """Columns that a derived expression reads are made even where the contract does not list them.

    A name of the contract is that column of it; the expression's own name is a column of the source.
    """
    contract = {column.name: column for column in resolved.project.service.columns}
    others: dict[str, list[str]] = {}
    for index, column in enumerate(resolved.project.service.columns):
        if column.expression is None:
            continue
        where = resolved.project.where("service", ("columns", index, "expression"))
        try:
            read = columns_of(parse_expression(column.expression, f"the expression of '{column.name}'"))
        except ConfigurationError as error:
            resolved.mistakes.add(where, str(error))
            continue
        for name in read:
            if name in contract and name != column.name:
                others.setdefault(column.name, []).append(name)
                if contract[name].kind == "embedding":
                    resolved.mistakes.add(
                        where,
                        f"the expression of '{column.name}' reads '{name}', a vector, which only the enrichment fills",
                    )
                continue
            if (makers := several_makers(resolved, name)) is not None:
                resolved.mistakes.add(
                    where, f"the expression of '{column.name}' reads '{name}', which is made by {makers}: rename one"
                )
            elif name in {field.name for field in resolved.spine.fields}:
                resolved.spine_columns.add(name)
            elif not (
                take_feature(resolved, name)
                or take_aggregate(resolved, name)
                or take_udf(resolved, name)
                or take_label(resolved, name)
            ):
                known = [*(one for one in contract if one != column.name), *known_columns(resolved)]
                resolved.mistakes.add(
                    where,
                    f"the expression of '{column.name}' reads '{name}', which nobody makes: "
                    f"{did_you_mean(name, known)}",
                )
    _check_circle(resolved, others)


def _check_circle(resolved: Resolved, read: Mapping[str, Sequence[str]]) -> None:
    if circle := first_circle(read):
        names = [column.name for column in resolved.project.service.columns]
        resolved.mistakes.add(
            resolved.project.where("service", ("columns", names.index(circle[0]), "expression")),
            f"the expressions {' -> '.join(circle)} read each other, so none can be computed first",
        )


def check_marked(resolved: Resolved) -> None:
    """What names a row, orders it, or finds something by its keys is no label, nor is the weight of a sample."""
    project, spine = resolved.project, resolved.spine
    read = {**dict.fromkeys(project.service.grain, "names the row"), resolved.spine_time(): "is the time of the row"}
    read |= {resolved.weight: "is the weight of the sample"} if resolved.weight is not None else {}
    fields = {field.name for field in spine.fields}
    for view in resolved.looked_up_views:
        read |= {key: f"is a key of the view '{view.name}'" for key in view.keys if key in fields}
    for index, column in enumerate(project.service.columns):
        name = marked_by(column) if column.label else None
        if name is not None and name in read and name in {*marked_fields(resolved), resolved.weight}:
            resolved.mistakes.add(
                project.where("service", ("columns", index, "label")),
                f"'label' of '{column.name}': '{name}' {read[name]}, which is known beforehand: remove 'label'",
            )


def check_references(resolved: Resolved) -> None:
    """Every entry of feature_refs names a feature that exists and that something uses."""
    project = resolved.project
    if project.refs_left_out:
        return
    for index, ref in enumerate(project.runtime.feature_refs):
        where = project.where("runtime", ("feature_refs", index))
        view_name, colon, feature = ref.partition(":")
        if not colon:
            resolved.mistakes.add(where, f"'{ref}' is not a reference: write view:feature")
        elif view_name not in project.views:
            resolved.mistakes.add(where, f"no feature view '{view_name}': {did_you_mean(view_name, project.views)}")
        elif feature not in (*project.views[view_name].features, *project.views[view_name].times):
            resolved.mistakes.add(
                where,
                f"the view '{view_name}' has no feature '{feature}': "
                f"{did_you_mean(feature, project.views[view_name].features)}",
            )
        elif feature in project.views[view_name].times and feature in {field.name for field in resolved.spine.fields}:
            view = project.views[view_name]
            resolved.mistakes.add(
                where,
                f"'{ref}' has the name of a field of the spine view '{resolved.spine.name}', and a column takes the "
                "time of a looked-up row from its view by name: give it another one there, like field_mapping: "
                f"{{{view.source_name(feature)}: {view_name}_time}}, and name that one here and in the service",
            )
        elif feature not in _used_features(resolved, view_name):
            resolved.mistakes.add(where, f"nothing uses '{ref}': remove it, or add a column '{feature}' to the service")


def _used_features(resolved: Resolved, view: str) -> set[str]:
    used = {*resolved.features.get(view, []), *resolved.latest.get(view, [])}
    return used | {use.field for use in resolved.uses.values() if use.view == view}


def _check_literal(resolved: Resolved, where: str, value: Any, column: ContractColumn) -> None:
    if column.declared is None:
        return  # its maker is wrong, which is told there
    try:
        literal(value, column.declared)
    except ValueError as error:
        resolved.mistakes.add(where, f"the default of '{column.name}': {error}")


def _resolve_spine(resolved: Resolved, column: ContractColumn, where: str) -> None:
    if column.name == resolved.weight:
        resolved.spine_columns.add(column.name)  # its kind and type are checked with the sample
        return
    names = [field.name for field in resolved.spine.fields]
    if column.name not in names and _is_misspelt_weight(resolved, column.name):
        return  # told with the sample
    if column.name not in names:
        resolved.mistakes.add(
            where,
            f"column '{column.name}' (kind {column.kind}) is not a field of the spine view "
            f"'{resolved.spine.name}': {did_you_mean(column.name, names)}",
        )
        return
    resolved.spine_columns.add(column.name)
    expect_type(resolved, where, column, resolved.spine.dtype(column.name), f"the view '{resolved.spine.name}'")


def _is_misspelt_weight(resolved: Resolved, name: str) -> bool:
    """Whether the sample's weight is no column, and most likely means this one."""
    weight, contract = resolved.weight, {column.name for column in resolved.project.service.columns}
    return weight is not None and weight not in contract and closest(weight, contract) == name


def _resolve_embedding(resolved: Resolved, column: ContractColumn, where: str) -> None:
    specs = {spec.name: spec for spec in resolved.project.aggregations.enrichment_specs}
    stores = {store.name: store for store in resolved.project.aggregations.embedding_stores}
    if column.name not in specs:
        if column.name not in resolved.literals:
            resolved.mistakes.add(
                where,
                f"column '{column.name}' (kind embedding) is made by no enrichment_spec: "
                f"{did_you_mean(column.name, specs)}",
            )
        return
    spec = specs[column.name]
    index = resolved.project.aggregations.enrichment_specs.index(spec)
    position = resolved.project.where("aggregations", ("enrichment_specs", index))
    if spec.store not in stores:
        resolved.mistakes.add(position, f"no embedding store '{spec.store}': {did_you_mean(spec.store, stores)}")
        return
    contract = {column.name: column for column in resolved.project.service.columns}
    if spec.column not in contract:
        resolved.mistakes.add(
            position,
            f"'{spec.name}' reads the column '{spec.column}', which the service does not have: "
            f"{did_you_mean(spec.column, contract)}",
        )
        return
    if is_label(resolved, contract[spec.column]):
        resolved.mistakes.add(position, f"'{spec.name}' reads the column '{spec.column}', {IS_LABEL}")
        return
    resolved.enrichments[column.name] = (spec, stores[spec.store])


def known_columns(resolved: Resolved) -> list[str]:
    """What expressions and functions can read, whether the contract has it or not."""
    known = [*(field.name for field in resolved.spine.fields), *known_features(resolved), *known_aggregates(resolved)]
    return [*known, *known_labels(resolved), *(spec.name for spec in resolved.project.aggregations.udf_specs)]


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
    elif (
        (name in contract and contract[name].kind == "label")
        or (name in known_labels(resolved) and several_makers(resolved, name) is None)
        or name in marked_fields(resolved)
    ):
        resolved.mistakes.add(where, f"{reads}, {IS_LABEL}")
    elif name in contract and contract[name].kind == "embedding":
        resolved.mistakes.add(where, f"{reads}, a vector, which only the enrichment fills: read the ids")
    elif name not in contract and (makers := several_makers(resolved, name)) is not None:
        resolved.mistakes.add(where, f"{reads}, which is made by {makers}: rename one")
    elif name in {*(field.name for field in resolved.spine.fields), resolved.weight}:
        resolved.spine_columns.add(name)
    elif not (
        take_feature(resolved, name, latest=is_latest(resolved, name))
        or take_aggregate(resolved, name)
        or take_udf(resolved, name, path)
    ):
        resolved.mistakes.add(where, f"{reads}, which nobody makes: {did_you_mean(name, known_columns(resolved))}")

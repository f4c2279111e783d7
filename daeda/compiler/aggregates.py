"""Columns that are windows over a history, and the relation of that history."""

from __future__ import annotations

from daeda.catalog.service import ContractColumn
from daeda.compiler.lookups import check_entity_key
from daeda.compiler.resolved import Resolved, expect_type
from daeda.dtypes import DType
from daeda.errors import ConfigError, did_you_mean
from daeda.operators.relation import Column, Relation
from daeda.operators.temporal import Aggregate
from daeda.settings.aggregations import AggregationSpec


def known_aggregates(resolved: Resolved) -> list[str]:
    """The names of all rolling columns that are declared."""
    return [output.name for spec in resolved.project.aggregations.aggregation_specs for output in spec.outputs]


def take_aggregate(resolved: Resolved, wanted: str) -> tuple[AggregationSpec, DType | None] | None:
    """The spec that makes a column, and the type that it makes (None when it cannot, which is recorded)."""
    for spec in resolved.project.aggregations.aggregation_specs:
        for output in spec.outputs:
            if output.name == wanted:
                apart = output.field is not None
                aggregate = Aggregate(
                    name=output.name,
                    kind=spec.kind,
                    column=spec.column,
                    columns=tuple(name for name in spec.columns or () if not apart or name == output.field),
                    age=spec.age if not apart or spec.age == output.field else None,
                    layout="columns" if apart else None,
                    window=output.window,
                    aligned_to=spec.aligned_to,
                    offset=spec.offset,
                    q=output.q,
                    half_life=spec.half_life,
                    max_length=spec.max_length,
                    order=spec.order,
                )
                resolved.aggregations[output.name] = (spec, aggregate)
                return spec, _made_by(resolved, spec, aggregate)
    return None


def _made_by(resolved: Resolved, spec: AggregationSpec, aggregate: Aggregate) -> DType | None:
    index = resolved.project.aggregations.aggregation_specs.index(spec)
    where = resolved.project.where("aggregations", ("aggregation_specs", index))
    relation = history_relation(resolved, spec, where)
    if relation is None:
        return None
    try:
        return aggregate.output(relation).dtype
    except ConfigError as error:
        resolved.mistakes.add(where, str(error))
        return None


def resolve_rolling(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind rolling: declared, and of the type that it makes."""
    result = take_aggregate(resolved, column.name)
    if result is None:
        if column.name not in resolved.literals:
            resolved.mistakes.add(
                where,
                f"column '{column.name}' (kind rolling) is made by no aggregation_spec: "
                f"{did_you_mean(column.name, known_aggregates(resolved))}",
            )
        return
    spec, dtype = result
    if dtype is not None:
        expect_type(resolved, where, column, dtype, f"the aggregation '{spec.name}'")


def history_relation(resolved: Resolved, spec: AggregationSpec, where: str) -> Relation | None:
    """Columns that an aggregation can read: the view's fields and the joined attributes."""
    views = resolved.project.views
    if spec.history.view not in views:
        resolved.mistakes.add(where, f"no feature view '{spec.history.view}': {did_you_mean(spec.history.view, views)}")
        return None
    view = views[spec.history.view]
    columns = [Column(field.name, field.dtype) for field in view.fields]
    if view.source.timestamp_field is None:
        resolved.mistakes.add(where, f"the view '{view.name}' has no source.timestamp_field, and a history needs one")
        return None
    for attribute in spec.history.attributes:
        other, _, name = attribute.partition(":")
        if other not in views or name not in (*views[other].features, *views[other].times):
            known = [f"{view.name}:{feature}" for view in views.values() for feature in view.features]
            resolved.mistakes.add(where, f"no attribute '{attribute}': {did_you_mean(attribute, known)}")
            return None
        names = [column.name for column in columns]
        for key in views[other].keys:
            if key not in names:
                resolved.mistakes.add(
                    where,
                    f"the attribute '{attribute}' is looked up by '{key}', which the history '{view.name}' does not "
                    f"have: {did_you_mean(key, names)}",
                )
                return None
        if name.lower() in map(str.lower, names):
            resolved.mistakes.add(
                where, f"the attribute '{attribute}' has the name of a column of the history: rename it in its view"
            )
            return None
        columns.append(Column(name, views[other].dtype(name)))
    for entity in spec.entity:
        check_entity_key(
            resolved, f"{entity}_id", {column.name: column.dtype for column in columns}, (view.name, where)
        )
    return Relation(tuple(columns))

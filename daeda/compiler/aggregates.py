"""Columns that are windows over a history, back from the row or ahead of it, and the relation of that history."""

from __future__ import annotations

from daeda.catalog.service import ContractColumn, of_no_type
from daeda.compiler.labels import told_of_spec
from daeda.compiler.lookups import check_entity_key
from daeda.compiler.resolved import Resolved, expect_type
from daeda.dtypes import DType
from daeda.durations import NO_DELAY
from daeda.errors import ConfigurationError, did_you_mean
from daeda.operators.relation import Column, Relation
from daeda.operators.temporal import Aggregate, Label
from daeda.settings.aggregations import AggregationSpec, LabelSpec


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


def known_labels(resolved: Resolved) -> list[str]:
    """The names of all labels that are declared."""
    return [output.name for spec in resolved.project.aggregations.label_specs for output in spec.outputs]


def take_label(resolved: Resolved, wanted: str) -> tuple[LabelSpec, DType | None] | None:
    """The spec that makes a label, and the type that it makes (None when it cannot, which is recorded)."""
    for spec in resolved.project.aggregations.label_specs:
        for output in spec.outputs:
            if output.name == wanted:
                apart = output.field is not None
                label = Label(
                    name=output.name,
                    kind=spec.kind,
                    column=spec.column,
                    columns=tuple(name for name in spec.columns or () if not apart or name == output.field),
                    age=spec.age if not apart or spec.age == output.field else None,
                    layout="columns" if apart else None,
                    q=output.q,
                    gap=spec.gap,
                    window=output.window,
                    matures_after=spec.matures_after or NO_DELAY,
                    immature=spec.immature,
                    max_length=spec.max_length,
                    order=spec.order,
                )
                resolved.labels[wanted] = (spec, label)
                return spec, _made_by(resolved, spec, label)
    return None


def resolve_label(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind label: declared, and of the type that it makes."""
    result = take_label(resolved, column.name)
    if result is not None:
        spec, dtype = result
        if dtype is not None:
            expect_type(resolved, where, column, dtype, f"the label '{spec.name}'")
    elif column.name not in resolved.literals:
        resolved.mistakes.add(
            where,
            f"column '{column.name}' (kind label) is made by no label_spec: "
            f"{did_you_mean(column.name, known_labels(resolved))}",
        )
    elif column.declared is None:
        resolved.mistakes.add(where, of_no_type(column))


def _made_by(resolved: Resolved, spec: AggregationSpec | LabelSpec, aggregate: Aggregate | Label) -> DType | None:
    specs: tuple[AggregationSpec | LabelSpec, ...] = resolved.project.aggregations.aggregation_specs
    section = "aggregation_specs"
    if isinstance(spec, LabelSpec):
        specs, section = resolved.project.aggregations.label_specs, "label_specs"
    where = resolved.project.where("aggregations", (section, specs.index(spec)))
    relation = None if told_of_spec(resolved, spec) is not None else history_relation(resolved, spec, where)
    if relation is None:
        return None
    try:
        return aggregate.output(relation).dtype
    except ConfigurationError as error:
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
        elif column.declared is None:
            resolved.mistakes.add(where, of_no_type(column))
        return
    spec, dtype = result
    if dtype is not None:
        expect_type(resolved, where, column, dtype, f"the aggregation '{spec.name}'")


def history_relation(resolved: Resolved, spec: AggregationSpec | LabelSpec, where: str) -> Relation | None:
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
    if isinstance(spec, LabelSpec) and view.source.created_field is not None and spec.matures_after is None:
        resolved.mistakes.add(
            where,
            f"'{spec.name}' looks at the view '{view.name}', whose rows become known by '{view.source.created_field}': "
            "write matures_after, how long after its window a row may still become known (0s, if not at all)",
        )
    for key in spec.keys:
        check_entity_key(resolved, key, {column.name: column.dtype for column in columns}, (view.name, where))
    return Relation(tuple(columns))

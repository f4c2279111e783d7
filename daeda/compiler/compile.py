"""The compiler: a project in, the DAG of its service out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from daeda.catalog.project import Project
from daeda.catalog.service import SpineFilter
from daeda.compiler.build import build_operators
from daeda.compiler.checks import check_checks, checks_of
from daeda.compiler.edited import edited_path
from daeda.compiler.immature import told_not_null
from daeda.compiler.labels import (
    check_labels_unread,
    check_no_leaks,
    marked_fields,
    names_in,
    names_in_having,
    told_of_label,
)
from daeda.compiler.lookups import check_lookups, check_uses
from daeda.compiler.makers import check_alike, check_makers
from daeda.compiler.resolve import (
    check_marked,
    check_output_columns,
    check_references,
    check_spine,
    resolve_columns,
    resolve_derived,
)
from daeda.compiler.resolved import Resolved
from daeda.compiler.sampling import check_sample
from daeda.compiler.splits import check_splits_apart
from daeda.dtypes import TimeUnit
from daeda.errors import ConfigurationError, NotBuiltYet, closest, did_you_mean
from daeda.operators.dag import Dag
from daeda.operators.operator import same_keys
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Filter
from daeda.operators.relational import Project as ProjectOperator
from daeda.operators.temporal import LabelAggregate
from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda.sql.binding import bound_together
from daeda.sql.expression import check_having, check_predicate
from daeda.sql.projection import check_expressions
from daeda.sql.statements import ProbingOperator, spans_of, times_of, unit_of
from daeda.storage.location import is_object

Pass = Callable[[Resolved], None]
# The first and the last whole day of nanoseconds in 64 bits.
_FIRST, _LAST = dt.date(1677, 9, 22), dt.date(2262, 4, 10)


def check_embedding_defaults(resolved: Resolved) -> None:
    """An embedding column has no default but NULL: a placeholder is all NULL, and NULL means that nothing was found."""
    for index, column in enumerate(resolved.project.service.columns):
        if column.kind == "embedding" and (
            column.default is not None or resolved.literals.get(column.name) is not None
        ):
            resolved.mistakes.add(
                resolved.project.where("service", ("columns", index)),
                f"column '{column.name}' is an embedding: its only default is null",
            )


def check_filters(resolved: Resolved) -> None:
    """Spine filters read columns of the spine view, and coverage views hold the column with the same type."""
    project, spine = resolved.project, resolved.spine
    relation = Relation(tuple(Column(field.name, field.dtype) for field in spine.fields))
    unmarked = {*relation.names} - marked_fields(resolved)
    for index, spine_filter in enumerate(project.service.spine.filters):
        where = project.where("service", ("spine", "filters", index))
        told = told_of_label(resolved, _read_by(spine_filter), unmarked)
        if told is not None:
            resolved.mistakes.add(where, f"the filter {told}")
            continue
        if spine_filter.where is not None:
            resolved.mistakes.check(where, check_predicate, spine_filter.where, relation, "the filter")
        if spine_filter.session is not None:
            for name in spine_filter.session.key:
                resolved.mistakes.check(where, relation.column, name)
            if set(spine_filter.session.key) <= set(relation.names):
                having, key = spine_filter.session.having, spine_filter.session.key
                resolved.mistakes.check(where, check_having, having, key, relation)
        if spine_filter.covered_by is not None:
            view_name = spine_filter.covered_by.view
            if view_name not in project.views:
                resolved.mistakes.add(where, f"no feature view '{view_name}': {did_you_mean(view_name, project.views)}")
                continue
            other = Relation(tuple(Column(field.name, field.dtype) for field in project.views[view_name].fields))
            resolved.mistakes.check(where, same_keys, relation, other, (spine_filter.covered_by.column,))


def check_conditions(resolved: Resolved) -> None:
    """The `where` of each aggregation is a condition on its history and the attributes of that."""
    project = resolved.project
    for section, index, spec in project.aggregations.window_specs():
        if spec.where is None or spec.history.view not in project.views:
            continue
        fields, read = _seen_by_where(project, spec), names_in(spec.where)
        where = project.where("aggregations", (section, index, "where"))
        lacking = {attribute.partition(":")[2] for attribute in spec.history.attributes} - {*fields.names}
        if (told := told_of_label(resolved, read, fields.names)) is not None:
            resolved.mistakes.add(where, f"where of '{spec.name}' {told}")
        elif any(closest(name, lacking) for name in {*read} - {*fields.names}) and resolved.mistakes.tells(
            project.where("aggregations", (section, index))
        ):
            continue  # an attribute that is told not to be there
        else:
            resolved.mistakes.check(where, check_predicate, spec.where, fields, "where")


def _read_by(spine_filter: SpineFilter) -> tuple[str, ...]:
    """What a filter reads of the spine's rows; what a sample reads is looked at with the sample."""
    if spine_filter.where is not None:
        return names_in(spine_filter.where)
    if spine_filter.covered_by is not None:
        return (spine_filter.covered_by.column,)
    session = spine_filter.session
    return () if session is None else (*session.key, *names_in_having(session.having))


def _seen_by_where(project: Project, spec: AggregationSpec | LabelSpec) -> Relation:
    """The fields of a history, and its attributes; what is wrong with one is told where the columns are resolved."""
    columns = {field.name: field.dtype for field in project.views[spec.history.view].fields}
    for attribute in spec.history.attributes:
        view, _, name = attribute.partition(":")
        alike = name.lower() in map(str.lower, columns)
        if not alike and view in project.views and name in {field.name for field in project.views[view].fields}:
            columns[name] = project.views[view].dtype(name)
    return Relation(tuple(Column(name, dtype) for name, dtype in columns.items()))


PASSES: tuple[Pass, ...] = (
    check_spine,
    check_output_columns,
    resolve_columns,
    resolve_derived,
    check_marked,
    check_lookups,
    check_uses,
    check_makers,
    check_alike,
    check_references,
    check_embedding_defaults,
    check_filters,
    check_conditions,
    check_labels_unread,
    check_splits_apart,
    check_sample,
    check_checks,
)


@bound_together()
def compile_project(project: Project) -> Dag:
    """The DAG of the project's service; raises ConfigurationError with a line per mistake."""
    resolved = Resolved(project)
    for check in PASSES:
        check(resolved)
    resolved.mistakes.raise_if_any()
    dag = Dag(project.service.name, build_operators(resolved))
    _check_expressions(resolved, dag)
    lines = {column.name: index for index, column in enumerate(project.service.columns)}
    for name, what in told_not_null(dag, [one.name for one in project.service.columns if not one.nullable]):
        resolved.mistakes.add(project.where("service", ("columns", lines[name])), what)
    resolved.mistakes.raise_if_any()
    return dag


def compile_runnable(project: Project) -> Dag:
    """The DAG, when every operator of it can be run by this version; raises NotBuiltYet otherwise."""
    for name in ("data_root", "output_root"):
        path = getattr(project.runtime, name)
        if "://" in path and not is_object(path):
            raise NotBuiltYet(
                f"{project.where_set(name)}: {name} '{path}' is not built: use a local path or s3://bucket/path"
            )
    dag = project_dag(project)
    dag.require_runnable()
    return dag


def project_dag(project: Project) -> Dag:
    """The DAG of the project's service: the hand-edited one where there is one, the compiled one elsewhere."""
    path = edited_path(project)
    _check_data_until(project)
    if path.exists():
        # Few projects have such a file, whose model is made of those of all operators.
        from daeda.compiler.pipeline_file import load_edited

        dag = load_edited(project, path)
    else:
        dag = compile_project(project)
    check_no_leaks(dag.operators)
    checks_of(project, dag)
    check_reach(dag, project.runtime.days)
    return dag


def _check_expressions(resolved: Resolved, dag: Dag) -> None:
    """Expressions are bound by DuckDB against the columns that they will see."""
    for operator in dag.operators:
        if isinstance(operator, Filter) and operator.predicate is not None:
            check_predicate(operator.predicate, dag.relations[operator.inputs[0]], f"operator '{operator.name}':")
        if isinstance(operator, ProjectOperator):
            _check_derived(resolved, operator, dag.relations[operator.inputs[0]])


def _check_derived(resolved: Resolved, operator: ProjectOperator, given: Relation) -> None:
    lines = {column.name: index for index, column in enumerate(resolved.project.service.columns)}
    for column in operator.columns:
        if column.expression is not None:
            where = resolved.project.where("service", ("columns", lines[column.name], "expression"))
            resolved.mistakes.check(where, check_expressions, operator, column.name, given)


def check_reach(dag: Dag, days: Sequence[dt.date]) -> None:
    """Raise ConfigurationError where a day, or the border of its window, lies where nanoseconds do not reach."""
    for operator in dag.operators:
        if not isinstance(operator, ProbingOperator) or unit_of(operator) is not TimeUnit.NANO:
            continue
        if all(instant.resolution is TimeUnit.NANO for instant in (operator.left_time, *times_of(operator))):
            continue
        if isinstance(operator, LabelAggregate):
            _check_reach_ahead(operator, days)
            continue
        for span in spans_of(operator):
            back = dt.timedelta(days=min(span.days or 0, (days[0] - dt.date.min).days))
            if days[0] - back < _FIRST or days[-1] > _LAST:
                raise ConfigurationError(
                    f"operator '{operator.name}': times are compared in nanoseconds, which reach from {_FIRST} to "
                    f"{_LAST}, and {span} before {days[0]} to {days[-1]} goes beyond: write 'unbounded', or declare "
                    "all its times in microseconds"
                )


def _check_reach_ahead(operator: LabelAggregate, days: Sequence[dt.date]) -> None:
    for label in operator.aggregates:
        ahead = dt.timedelta(days=min((label.horizon.days or 0) + 1, (dt.date.max - days[-1]).days))
        if days[0] < _FIRST or days[-1] + ahead > _LAST:
            raise ConfigurationError(
                f"operator '{operator.name}': times are compared in nanoseconds, which reach from {_FIRST} to {_LAST}, "
                f"and '{label.name}' looks {label.horizon} after {days[0]} to {days[-1]}: declare all its times in "
                "microseconds"
            )


def _check_data_until(project: Project) -> None:
    for view in project.runtime.data_until:
        if view and view not in project.views:
            raise ConfigurationError(
                f"{project.where_set('data_until')}: no feature view '{view}': {did_you_mean(view, project.views)}"
            )

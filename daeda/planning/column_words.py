"""What makes a column of the output: where that is written in YAML, and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.catalog.service import KIND_MEANINGS, ContractColumn
from daeda.catalog.view import FeatureView
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Scan
from daeda.operators.relational import Project as ProjectOperator
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.planning.explain import aggregate_told, details, label_told, view_behind


@dataclass(frozen=True)
class ColumnWords:
    """What is told of a column. `made_by` is what one would look for in the files, `where` are its `file:line`."""

    made_by: str
    meaning: str
    sentences: tuple[str, ...]
    where: tuple[str, ...]


def words_of(project: Project, dag: Dag, column: ContractColumn) -> ColumnWords:
    """What makes a column, by the pipeline that makes it, which may have been edited by hand."""
    places = [project.where("service", ("columns", project.service.columns.index(column)))]
    for section, index, _, names in project.aggregations.results():
        if column.name in names:
            places.append(project.where("aggregations", (section, index)))
    sentences = tuple(dict.fromkeys(_sentences(dag, dag.sink.inputs[0], column.name)))
    if column.label:
        sentences += ("a label by label: true: what reads it is a label too",)
    return ColumnWords(maker_of(project, column), KIND_MEANINGS[column.kind], sentences, tuple(places))


def maker_of(project: Project, column: ContractColumn) -> str:
    """What makes a column, as one would look for it in the files."""
    if column.expression is not None:
        return column.expression
    if column.taken_from is not None:
        return column.taken_from
    for section, _, name, columns in project.aggregations.results():
        if column.name in columns:
            return f"{section.removesuffix('s')} {name}"
    if column.kind in ("key", "timestamp", "spine"):
        return f"{project.service.spine.view}:{column.name}"
    views = dict.fromkeys(ref.partition(":")[0] for ref in project.runtime.feature_refs)
    owners = [name for name in views if name in project.views and _has(project.views[name], column.name)]
    return f"{owners[0]}:{column.name}" if owners else "a literal of output_columns"


def _has(view: FeatureView, name: str) -> bool:
    return name in (*view.features, *view.times)


def _sentences(dag: Dag, relation: str, name: str) -> Iterator[str]:
    """From the output back to where the column is made; of an expression, what it reads is told by its own columns."""
    operator = next(one for one in dag.operators if one.output == relation)
    match operator:
        case Scan():
            field = next(column.source for column in operator.columns if column.name == name)
            yield f"the field {field} of a row of the view {operator.view}"
        case Join() | PointInTimeJoin() if name in operator.columns:
            view = view_behind(dag, operator.inputs[1])
            yield f"{name} of the view {view}: {details(operator)[0].partition('; takes ')[0]}"
        case RollingAggregate() if name in {one.name for one in operator.aggregates}:
            yield aggregate_told(next(one for one in operator.aggregates if one.name == name))
            yield f"rows of {view_behind(dag, operator.inputs[1])} {details(operator)[0]}"
        case LabelAggregate() if name in {one.name for one in operator.aggregates}:
            yield label_told(next(one for one in operator.aggregates if one.name == name), operator)
            yield f"rows of {view_behind(dag, operator.inputs[1])} {details(operator)[0]}"
        case ArrowUdfTransform() if name == operator.result:
            yield from details(operator)
        case RayUdfTransform() if name == operator.column:
            yield from details(operator)
        case Filter() if operator.sample is not None and name == operator.sample.weight:
            yield from details(operator)
        case ProjectOperator():
            yield from _projected(dag, operator, name)
        case _:
            yield from _sentences(dag, operator.inputs[0], name)


def _projected(dag: Dag, operator: ProjectOperator, name: str) -> Iterator[str]:
    column = operator.column(name)
    if column.expression is not None:
        zone = f", in {column.timezone}" if column.timezone else ""
        yield f"{name} = {column.expression}{zone}"
    elif column.source is None:
        yield f"{column.default if column.default is not None else 'NULL'} until something fills it"
    else:
        yield from _sentences(dag, operator.inputs[0], column.source)
        if column.default is not None:
            yield f"{column.default!r} where it would be NULL"


def makes(operator: Operator) -> tuple[str, ...]:
    """The columns that an operator adds to those of its left side, or fills."""
    match operator:
        case Join() | PointInTimeJoin():
            return operator.columns
        case RollingAggregate() | LabelAggregate():
            return tuple(one.name for one in operator.aggregates)
        case ArrowUdfTransform():
            return (operator.result,)
        case RayUdfTransform():
            return (operator.column,)
        case ProjectOperator():
            return tuple(one.name for one in operator.columns if one.expression is not None)
        case _:
            return ()

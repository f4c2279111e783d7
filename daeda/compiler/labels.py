"""Labels in a DAG: nothing but a derived column reads one, and only labels read what lies after the day.

A label tells what comes after the row: it looks ahead, or the contract says `label: true` of an outcome of the row
itself. A column that reads one is a label too, and everything else would be a leak.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import assert_never

from sqlglot import exp

from daeda.catalog.service import ContractColumn
from daeda.compiler.resolved import Resolved
from daeda.errors import ConfigurationError
from daeda.operators.dag import Operator
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, Sink
from daeda.operators.temporal import Label, LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda.sql.expression import columns_of, parse_expression, parse_having

_OF_THE_ROW = ("key", "timestamp", "spine")
# Behind the name of a column that something reads.
IS_LABEL = "which is a label and tells what comes after the row: only a derived column may read it, and is a label then"


def is_label(resolved: Resolved, column: ContractColumn) -> bool:
    """Whether a column of the contract is a label, or reads one, itself or by other derived columns."""
    fields = marked_fields(resolved)
    contract = {other.name: other for other in resolved.project.service.columns}
    declared = {output.name for spec in resolved.project.aggregations.label_specs for output in spec.outputs}
    seen: set[str] = set()
    asked = [column]
    while asked:
        one = asked.pop()
        if one.kind == "label" or one.label or (one.kind in _OF_THE_ROW and one.name in fields):
            return True
        if one.expression is None or one.name in seen:
            continue
        seen.add(one.name)
        for name in _read_in(parse_expression, one.expression):
            if name in contract and name != one.name:
                asked.append(contract[name])
            elif name in declared or name in fields:
                return True
    return False


def marked_fields(resolved: Resolved) -> frozenset[str]:
    """Fields of the spine that are labels by `label: true`: at their own column, or at a mere copy of them.

    Other expressions mark what they make, and leave the fields that they read as they are.
    """
    contract = {column.name: column for column in resolved.project.service.columns}
    fields = {field.name for field in resolved.spine.fields}
    marked = set()
    for column in contract.values():
        name = marked_by(column) if column.label else None
        if name is not None and name in fields:
            other = contract.get(name, column)
            if other is column or other.kind in _OF_THE_ROW:
                marked.add(name)
    return frozenset(marked)


def marked_by(column: ContractColumn) -> str | None:
    """The field that a mark at a column is about: its own, or the one that its expression is, and does nothing with."""
    if column.expression is None:
        return column.name
    try:
        tree = parse_expression(column.expression).unnest()
    except ConfigurationError:
        return None
    return tree.name if isinstance(tree, exp.Column) else None


def labels_of(
    operators: Sequence[Operator], chosen: Callable[[Label], bool] | None = None
) -> dict[str, frozenset[str]]:
    """The columns of each relation that are labels or read one; of operators in topological order.

    With `chosen` only of the labels for which it holds, which look ahead.
    """
    labels: dict[str, frozenset[str]] = {}
    for operator in operators:
        given = frozenset[str]().union(*(labels[name] for name in operator.inputs[:1]))
        match operator:
            case Scan() if chosen is None:
                given |= {column.name for column in operator.columns if column.label}
            case LabelAggregate():
                given |= {label.name for label in operator.aggregates if chosen is None or chosen(label)}
            case Project():
                given = _labels_made(operator, given, marked=chosen is None)
            case _:
                pass
        labels[operator.output] = given
    return labels


def _labels_made(operator: Project, given: frozenset[str], *, marked: bool) -> frozenset[str]:
    """Columns of a Project that are labels; an expression reads the other columns that it makes before those given."""
    made = {column.name for column in operator.columns}
    labels: frozenset[str] = frozenset()
    while True:
        # A column's own name in its expression is one of those given.
        more = frozenset(
            column.name
            for column in operator.columns
            if _read_by(column) & (given if column.source is not None else (given - made) | (labels - {column.name}))
            or column.name in given & _read_by(column)
            or (marked and column.label)
        )
        if more == labels:
            return labels
        labels = more


def leaks(operators: Sequence[Operator]) -> Iterator[tuple[Operator, str]]:
    """Operators that read a label, or rows after the day that are none of a label's, each with a sentence."""
    labels = labels_of(operators)
    for operator in operators:
        for place, name in enumerate(operator.inputs):
            found = sorted(labels[name] & _read_from(operator, place))
            if found:
                yield operator, f"reads '{found[0]}', {IS_LABEL}"
    yield from _ahead(operators)


def check_no_leaks(operators: Sequence[Operator]) -> None:
    """Raise ConfigurationError for the first of the `leaks`."""
    for operator, what in leaks(operators):
        raise ConfigurationError(f"operator '{operator.name}' ({operator.op_kind}): {what}")


def _ahead(operators: Sequence[Operator]) -> Iterator[tuple[Operator, str]]:
    """What comes after the day goes into the histories of labels, and nowhere else."""
    ahead: dict[str, Scan] = {}
    for operator in operators:
        if isinstance(operator, Scan):
            if operator.lookahead is not None:
                ahead[operator.output] = operator
            continue
        of_inputs = [ahead.get(name) for name in operator.inputs]
        scan = next((scan for scan in of_inputs if scan is not None), None)
        if scan is None:
            continue
        if isinstance(operator, Filter | PointInTimeJoin | Join) and of_inputs[0] is not None:
            ahead[operator.output] = of_inputs[0]
        elif not isinstance(operator, LabelAggregate) or of_inputs[0] is not None:
            yield (
                operator,
                f"'{scan.name}' reads rows after the day, which only a label may see: read the view once more, "
                "without lookahead",
            )


def _read_by(column: ProjectColumn) -> frozenset[str]:
    if column.expression is not None:
        return frozenset(columns_of(parse_expression(column.expression)))
    return frozenset() if column.source is None else frozenset({column.source})


def _read_from(operator: Operator, place: int) -> frozenset[str]:
    """Columns that an operator reads of an input, and does more with than to hand them on."""
    match operator:
        case Scan() | Sink() | Project():
            return frozenset()
        case Filter():
            return frozenset((*_conditions(operator), *operator.semi_join, *operator.session))
        case Join():
            return frozenset((*operator.keys, *(operator.columns if place else ())))
        case PointInTimeJoin():
            return frozenset((*operator.keys, *(operator.columns if place else (operator.left_time.column,))))
        case RollingAggregate() | LabelAggregate():
            values = (name for aggregate in operator.aggregates for name in aggregate.reads)
            return frozenset((*operator.keys, *(values if place else (operator.left_time.column,))))
        case ArrowUdfTransform():
            return frozenset(operator.columns)
        case RayUdfTransform():
            return frozenset({operator.source})
        case _:
            assert_never(operator)


def _conditions(operator: Filter) -> Iterator[str]:
    if operator.predicate is not None:
        yield from columns_of(parse_expression(operator.predicate))
    if operator.having is not None:
        yield from columns_of(parse_having(operator.having))
    if operator.sample is not None:
        yield from operator.sample.by
        if operator.sample.where is not None:
            yield from columns_of(parse_expression(operator.sample.where))


def told_of_label(resolved: Resolved, names: Iterable[str], known: Collection[str]) -> str | None:
    """What is said of the first name that is none of those known here, and that of a label; None without one."""
    labels = {output.name for spec in resolved.project.aggregations.label_specs for output in spec.outputs}
    labels |= {column.name for column in resolved.project.service.columns if column.label} | marked_fields(resolved)
    read = sorted((labels & set(names)) - set(known))
    return f"reads '{read[0]}', {IS_LABEL}" if read else None


def told_of_spec(resolved: Resolved, spec: AggregationSpec | LabelSpec) -> str | None:
    """What is said of a window that aggregates a label, or asks for its rows by one; None of one that does not."""
    view = resolved.project.views.get(spec.history.view)
    if view is None:
        return None
    attributes = (attribute.partition(":")[2] for attribute in spec.history.attributes)
    known = {*(field.name for field in view.fields), *attributes}
    # By its keys the row of the spine is read; values are those of other rows, whose outcomes may be known.
    told = told_of_label(resolved, spec.keys, known - marked_fields(resolved))
    return told or told_of_label(resolved, spec.reads, known)


def check_labels_unread(resolved: Resolved) -> None:
    """No window aggregates a label, or is one of an entity whose key is one; conditions tell it where they stand."""
    project = resolved.project
    for section, index, spec in project.aggregations.window_specs():
        if (told := told_of_spec(resolved, spec)) is not None:
            resolved.mistakes.add(project.where("aggregations", (section, index)), f"'{spec.name}' {told}")


def names_in(text: str) -> tuple[str, ...]:
    """The names that a condition reads; none of one that is no SQL, which is told where it is checked."""
    return _read_in(parse_expression, text)


def names_in_having(text: str) -> tuple[str, ...]:
    """The same of the condition of a session."""
    return _read_in(parse_having, text)


def _read_in(parse: Callable[[str], exp.Expr], text: str) -> tuple[str, ...]:
    try:
        return columns_of(parse(text))
    except ConfigurationError:
        return ()  # told where the condition is checked

"""Labels in a DAG: nothing but a derived column reads one, and only labels read what lies after the day.

A label tells what comes after the row. A column that reads one is a label too, and everything else would be a leak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from sqlglot import exp

from daeda.catalog.service import ContractColumn, SpineFilter
from daeda.compiler.resolved import Resolved
from daeda.errors import ConfigError
from daeda.operators.dag import Operator
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, Sink
from daeda.operators.temporal import Label, LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.sql.expression import columns_of, parse_expression, parse_having

# Behind the name of a column that something reads.
IS_LABEL = "which is a label and tells what comes after the row: only a derived column may read it, and is a label then"


def is_label(resolved: Resolved, column: ContractColumn) -> bool:
    """Whether a column of the contract is a label, or reads one, itself or by other derived columns."""
    contract = {other.name: other for other in resolved.project.service.columns}
    declared = {output.name for spec in resolved.project.aggregations.label_specs for output in spec.outputs}
    seen: set[str] = set()
    asked = [column]
    while asked:
        one = asked.pop()
        if one.kind == "label":
            return True
        if one.expression is None or one.name in seen:
            continue
        seen.add(one.name)
        for name in _read_in(parse_expression, one.expression):
            if name in contract and name != one.name:
                asked.append(contract[name])
            elif name in declared:
                return True
    return False


def labels_of(
    operators: Sequence[Operator], chosen: Callable[[Label], bool] = lambda label: True
) -> dict[str, frozenset[str]]:
    """The columns of each relation that are labels, chosen ones, or read one; of operators in topological order."""
    labels: dict[str, frozenset[str]] = {}
    for operator in operators:
        given = frozenset[str]().union(*(labels[name] for name in operator.inputs[:1]))
        match operator:
            case LabelAggregate():
                given |= {label.name for label in operator.aggregates if chosen(label)}
            case Project():
                given = _labels_made(operator, given)
            case _:
                pass
        labels[operator.output] = given
    return labels


def _labels_made(operator: Project, given: frozenset[str]) -> frozenset[str]:
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
    """Raise ConfigError for the first of the `leaks`."""
    for operator, what in leaks(operators):
        raise ConfigError(f"operator '{operator.name}' ({operator.op_kind}): {what}")


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


def check_labels_unread(resolved: Resolved) -> None:
    """No filter of the spine, window or `where` asks for a label by its name."""
    project = resolved.project
    labels = {output.name for spec in project.aggregations.label_specs for output in spec.outputs}
    for index, spine_filter in enumerate(project.service.spine.filters):
        fields = {field.name for field in resolved.spine.fields}
        for name in sorted((labels - fields) & set(_asked_by(spine_filter))):
            where = project.where("service", ("spine", "filters", index))
            resolved.mistakes.add(where, f"the filter reads '{name}', {IS_LABEL}")
    for section, index, spec in project.aggregations.window_specs():
        view = project.views.get(spec.history.view)
        if view is None:
            continue
        attributes = (attribute.partition(":")[2] for attribute in spec.history.attributes)
        known = {*(field.name for field in view.fields), *attributes}
        read = {*spec.keys, *spec.reads}
        read |= set() if spec.where is None else set(_read_in(parse_expression, spec.where))
        for name in sorted((labels & read) - known):
            where = project.where("aggregations", (section, index))
            resolved.mistakes.add(where, f"'{spec.name}' reads '{name}', {IS_LABEL}")


def _asked_by(spine_filter: SpineFilter) -> Iterator[str]:
    if spine_filter.where is not None:
        yield from _read_in(parse_expression, spine_filter.where)
    if spine_filter.covered_by is not None:
        yield spine_filter.covered_by.column
    if spine_filter.session is not None:
        yield from spine_filter.session.key
        yield from _read_in(parse_having, spine_filter.session.having)
    if spine_filter.sample is not None:
        yield from spine_filter.sample.by
        if spine_filter.sample.where is not None:
            yield from _read_in(parse_expression, spine_filter.sample.where)


def _read_in(parse: Callable[[str], exp.Expr], text: str) -> tuple[str, ...]:
    try:
        return columns_of(parse(text))
    except ConfigError:
        return ()  # told where the condition is checked

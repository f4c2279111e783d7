"""A day some of whose labels are not mature: what it is built by, and which of its columns are NULL then.

    label_a makes again_1d, again_7d; scan_a reads 7 days ahead; assemble makes both and `came_back` of again_7d
        -> again_7d is not mature:
    label_a makes again_1d; scan_a reads 1 day ahead; assemble makes again_1d, and NULL for again_7d and came_back

So nothing of what comes later than the data is read, and none of it decides whether the day is stale.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from daeda.compiler.labels import labels_of
from daeda.durations import Duration
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Project, ProjectColumn, Scan
from daeda.operators.temporal import Label, LabelAggregate


def null_columns(dag: Dag, immature: Collection[str] | None = None) -> frozenset[str]:
    """Columns of the output that are NULL on a day that lacks these labels; by default all that say they may be."""

    def lacking(label: Label) -> bool:
        return label.immature is None if immature is None else label.name in immature

    return labels_of(dag.operators, lacking)[dag.sink.output]


def told_not_null(dag: Dag, not_null: Collection[str]) -> Iterator[tuple[str, str]]:
    """Columns that must hold no NULL, and do where a label is not mature, each with a sentence."""
    for name in sorted(null_columns(dag) & set(not_null)):
        yield (
            name,
            f"column '{name}' is NULL on days on which its label is not mature (immature: null), and the service says "
            "nullable: false: say nullable: true, or leave immature out, and the days wait",
        )


def without_labels(dag: Dag, immature: Collection[str]) -> dict[str, tuple[Operator, ...]]:
    """What a day is built by on which these labels are not mature: the operators in place of each, by its name.

    What only they would read is left out, and stands for no operator at all.
    """
    null = labels_of(dag.operators, lambda label: label.name in immature)
    changed = {operator.name: _changed(dag, operator, immature, null[operator.output]) for operator in dag.operators}
    needed: set[str] = set()
    for operator in reversed(dag.operators):
        if operator is dag.sink or operator.output in needed:
            needed.update(name for one in changed[operator.name] for name in one.inputs)
        else:
            changed[operator.name] = ()
    return changed


def _changed(dag: Dag, operator: Operator, immature: Collection[str], null: frozenset[str]) -> tuple[Operator, ...]:
    match operator:
        case LabelAggregate():
            return _labels(dag, operator, immature)
        case Project():
            columns = tuple(_nothing(one) if one.name in null else one for one in operator.columns)
            return (operator.model_copy(update={"columns": columns}),)
        case Scan() if operator.lookahead is not None:
            return (_narrowed(operator, [one for one in _readers(dag, operator.output) if one.name not in immature]),)
        case _:
            return (operator,)


def _nothing(column: ProjectColumn) -> ProjectColumn:
    return ProjectColumn(name=column.name, dtype=column.dtype)


def _labels(dag: Dag, operator: LabelAggregate, immature: Collection[str]) -> tuple[Operator, ...]:
    """The labels that are mature, and behind them NULL for the others, in the order of all."""
    left, made = dag.relations[operator.inputs[0]], dag.relations[operator.output]
    kept = tuple(label for label in operator.aggregates if label.name not in immature)
    if len(kept) == len(operator.aggregates):
        return (operator,)
    names = {*left.names, *(label.name for label in kept)}
    columns = tuple(
        ProjectColumn(name=column.name, dtype=column.dtype, source=column.name if column.name in names else None)
        for column in made.columns
    )
    if not kept:
        given = operator.inputs[0]
        return (Project(name=operator.name, inputs=(given,), output=operator.output, columns=columns),)
    output = _free(f"{operator.output}_mature", [one.output for one in dag.operators])
    mature = operator.model_copy(update={"aggregates": kept, "output": output})
    name = _free(f"{operator.name}_immature", [one.name for one in dag.operators])
    return (mature, Project(name=name, inputs=(output,), output=operator.output, columns=columns))


def _free(wanted: str, used: Collection[str]) -> str:
    taken = {name.lower() for name in used}
    numbered = (f"{wanted}_{count}" for count in itertools.count(2))
    return next(name for name in itertools.chain((wanted,), numbered) if name.lower() not in taken)


def _readers(dag: Dag, relation: str) -> list[Label]:
    """The labels that look at a relation, or at what is made of it."""
    labels: list[Label] = []
    reached = {relation}
    for operator in dag.operators:
        if reached & set(operator.inputs):
            if isinstance(operator, LabelAggregate) and operator.inputs[1] in reached:
                labels += operator.aggregates
            else:
                reached.add(operator.output)
    return labels


def _narrowed(scan: Scan, labels: list[Label]) -> Scan:
    """The Scan reading as far ahead as these labels look, and no more."""
    if not labels:
        return scan
    update: dict[str, Duration] = {}
    furthest = max((label.reach for label in labels), key=_length)
    if scan.lookahead is not None and _length(furthest) < _length(scan.lookahead):
        update["lookahead"] = furthest
    nearest = min((label.gap for label in labels), key=_length)
    if scan.gap is not None and _length(nearest) > _length(scan.gap):
        update["gap"] = nearest
    return scan.model_copy(update=update) if update else scan


def _length(span: Duration) -> int:
    return span.nanoseconds or 0

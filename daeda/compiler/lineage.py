"""From which fields of which sources each column of the output comes, and through which operators.

A field is `direct` where values of the column are made of it, and indirect where it only decides which rows count:
keys, ids, times, and what puts rows that tie in order. What chooses the rows of the output is told by `rows` for all
of its columns at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daeda.aggregates import Order, told_of
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.sql.expression import columns_of, parse_expression, parse_having


@dataclass(frozen=True, order=True)
class SourceField:
    """A field of a view by its name in the files, or the vectors of an embedding store."""

    source: str
    field: str
    is_store: bool = False


@dataclass(frozen=True)
class Lineage:
    """What one column comes from. `operators` are the names of those that make it, in the order in which they run."""

    direct: frozenset[SourceField] = frozenset()
    indirect: frozenset[SourceField] = frozenset()
    operators: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[SourceField, ...]:
        """All of it once, what is direct first."""
        return (*sorted(self.direct), *sorted(self.indirect - self.direct))


class Lineages:
    """The lineages of the columns of a DAG; what several columns share is walked once."""

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        self._makers: dict[str, Operator] = {operator.output: operator for operator in dag.operators}
        self._places = {operator.name: place for place, operator in enumerate(dag.operators)}
        self._seen: dict[tuple[str, str], Lineage] = {}

    def of(self, column: str) -> Lineage:
        """That of a column of the output."""
        return self._of(self._dag.sink.inputs[0], column)

    def rows(self) -> Lineage:
        """What chooses the rows and puts them in order: the filters of the spine, and the columns of its order."""
        spine = self._dag.spine
        found = [self._of(spine.output, name) for name in (*spine.order_by, *_read_in(spine.predicate))]
        for operator in self._dag.operators:
            if isinstance(operator, Filter) and self._is_of_spine(operator.inputs[0]):
                found.append(self._filtered(operator))
        return self._together((), found)

    def _is_of_spine(self, relation: str) -> bool:
        operator = self._makers[relation]
        if isinstance(operator, Scan):
            return operator.name == self._dag.spine.name
        return isinstance(operator, Filter) and self._is_of_spine(operator.inputs[0])

    def _filtered(self, operator: Filter) -> Lineage:
        names = {*_read_in(operator.predicate), *operator.session}
        if operator.having is not None:
            names |= set(columns_of(parse_having(operator.having)))
        if operator.sample is not None:
            names |= {*operator.sample.by, *_read_in(operator.sample.where)}
        found = [self._of(operator.inputs[0], name) for name in names]
        if operator.semi_join:
            found += [self._of(relation, name) for relation in operator.inputs for name in operator.semi_join]
        return self._together((), found, operator)

    def _of(self, relation: str, name: str) -> Lineage:
        place = (relation, name)
        if place not in self._seen:
            self._seen[place] = self._walk(self._makers[relation], name)
        return self._seen[place]

    def _walk(self, operator: Operator, name: str) -> Lineage:
        match operator:
            case Scan():
                fields = {column.name: SourceField(operator.view, column.source) for column in operator.columns}
                deciding = frozenset(fields[each] for each in _read_in(operator.predicate))
                return Lineage(frozenset({fields[name]}), deciding - {fields[name]}, (operator.name,))
            case Join() | PointInTimeJoin() if name in operator.columns:
                return self._looked_up(operator, name)
            case RollingAggregate() | LabelAggregate() if name in {one.name for one in operator.aggregates}:
                return self._windowed(operator, name)
            case ArrowUdfTransform() if name == operator.result:
                return self._together((self._of(operator.inputs[0], each) for each in operator.columns), (), operator)
            case RayUdfTransform() if name == operator.column:
                ids = self._of(operator.inputs[0], operator.source)
                store = SourceField(operator.store.name, operator.store.vector_column, is_store=True)
                return self._together([Lineage(frozenset({store}))], [ids], operator)
            case Project():
                return self._projected(operator, name)
            case Filter() if operator.sample is not None and name == operator.sample.weight:
                return self._filtered(operator)
            case Sink() | Filter() | Join() | PointInTimeJoin() | RollingAggregate() | LabelAggregate():
                return self._of(operator.inputs[0], name)
            case ArrowUdfTransform() | RayUdfTransform():
                return self._of(operator.inputs[0], name)

    def _looked_up(self, operator: Join | PointInTimeJoin, name: str) -> Lineage:
        left, right = operator.inputs
        newest = operator.latest_by if isinstance(operator, Join) else operator.right_time
        times = [one.column for one in (newest, operator.created) if one is not None]
        ours = [operator.left_time.column] if isinstance(operator, PointInTimeJoin) else []
        deciding = [
            *(self._of(left, each) for each in (*operator.keys, *ours)),
            *(self._of(right, each) for each in (*operator.keys, *times, *operator.tie_order)),
        ]
        return self._together([self._of(right, name)], deciding, operator)

    def _windowed(self, operator: RollingAggregate | LabelAggregate, name: str) -> Lineage:
        left, history = operator.inputs
        aggregate = next(one for one in operator.aggregates if one.name == name)
        times = [operator.history_time.column, *([operator.created.column] if operator.created else [])]
        ties = operator.tie_order if told_of(aggregate.kind).order is Order.DECIDES else ()
        deciding = [
            *(self._of(left, each) for each in (*operator.keys, operator.left_time.column)),
            *(self._of(history, each) for each in (*operator.keys, *times, *ties)),
        ]
        return self._together((self._of(history, each) for each in aggregate.reads), deciding, operator)

    def _projected(self, operator: Project, name: str) -> Lineage:
        column = operator.column(name)
        read = (column.source,) if column.source is not None else _read_in(column.expression)
        made = [self._of(operator.output if each in column.reads_output else operator.inputs[0], each) for each in read]
        return self._together(made, (), operator if column.expression is not None or not made else None)

    def _together(
        self, made_of: Iterable[Lineage], decided_by: Iterable[Lineage], operator: Operator | None = None
    ) -> Lineage:
        direct: set[SourceField] = set()
        indirect: set[SourceField] = set()
        names = set() if operator is None else {operator.name}
        for one in made_of:
            direct |= one.direct
            indirect |= one.indirect
            names |= set(one.operators)
        for one in decided_by:
            indirect |= one.direct | one.indirect
            names |= set(one.operators)
        ordered = tuple(sorted(names, key=self._places.__getitem__))
        return Lineage(frozenset(direct), frozenset(indirect - direct), ordered)


def _read_in(expression: str | None) -> tuple[str, ...]:
    return () if expression is None else columns_of(parse_expression(expression))

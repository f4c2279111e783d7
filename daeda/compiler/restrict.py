"""A skeleton restricted to some columns of its output: the operators that it would have if it made nothing else.

What is shared with other columns is cut down to what these need: the columns of Scans, the reach of a history, the
aggregates of a window, and what orders ties. Of rows that tie, those that agree in every column that a value comes from
are interchangeable, so the order ends with the last of these:

    rolling (a list of a, a list of c) tied by (a, b, c), restricted to the list of a   ->   tied by (a)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf

from daeda.aggregates import Order, told_of
from daeda.durations import Duration
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, Sink
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.sql.expression import columns_of, parse_expression, parse_having

LookUp = Join | PointInTimeJoin


def restricted(dag: Dag, wanted: Collection[str]) -> Dag:
    """The skeleton's DAG for these columns of its output, and for those that their expressions read."""
    return _Restriction(dag).to(wanted)


@dataclass(frozen=True)
class _Reach:
    """How much of a history one reader needs; None: all that the Scan reads."""

    back: Duration | None = None
    gap: Duration | None = None
    ahead: Duration | None = None


class _Restriction:
    """Goes from the Sink to the Scans: what reads a relation is seen before what makes it."""

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        self._makers: dict[str, Operator] = {operator.output: operator for operator in dag.operators}
        self._needed: dict[str, set[str]] = {}
        self._reaches: dict[str, list[_Reach]] = {}
        # Relations that nobody makes any more, and those that take their place.
        self._instead: dict[str, str] = {}

    def to(self, wanted: Collection[str]) -> Dag:
        kept: list[Operator] = []
        for operator in reversed(self._dag.operators):
            made = self._needed.get(operator.output)
            if isinstance(operator, Sink):
                kept.append(self._sink(operator, wanted))
            elif made is not None:
                kept += self._cut(operator, made)
        operators = [one.model_copy(update={"inputs": tuple(map(self._stands_for, one.inputs))}) for one in kept]
        return Dag(self._dag.service, tuple(reversed(operators)))

    def _stands_for(self, relation: str) -> str:
        while relation in self._instead:
            relation = self._instead[relation]
        return relation

    def _need(self, relation: str, columns: Iterable[str], reaches: Iterable[_Reach] = (_Reach(),)) -> None:
        self._needed.setdefault(relation, set()).update(columns)
        self._reaches.setdefault(relation, []).extend(reaches)

    def _sink(self, operator: Sink, wanted: Collection[str]) -> Sink:
        self._need(operator.inputs[0], wanted)
        return operator.model_copy(
            update={
                "not_null": tuple(name for name in operator.not_null if name in wanted),
                "vectors": tuple(name for name in operator.vectors if name in wanted),
            }
        )

    def _cut(self, operator: Operator, made: set[str]) -> list[Operator]:
        """The operator as far as it is needed, and what it needs in turn; nothing of one whose columns nobody reads."""
        match operator:
            case Scan():
                return [self._scan(operator, made)]
            case Filter():
                return [self._filter(operator, made)]
            case Project():
                return [self._project(operator, made)]
            case Join() | PointInTimeJoin():
                return self._look_up(operator, made)
            case RollingAggregate() | LabelAggregate():
                return self._windows(operator, made)
            case ArrowUdfTransform():
                return self._function(operator, made)
            case RayUdfTransform() | Sink():
                raise ValueError(f"operator '{operator.name}' ({operator.op_kind}) makes no relation of a skeleton")

    def _left_out(self, operator: Operator, made: set[str]) -> list[Operator]:
        self._instead[operator.output] = operator.inputs[0]
        self._need(operator.inputs[0], made, self._reaches[operator.output])
        return []

    def _scan(self, operator: Scan, made: set[str]) -> Scan:
        read = {*made, *operator.order_by, *_names_in(operator.predicate)}
        read |= {instant.column for instant in (operator.time, operator.created) if instant is not None}
        reaches = self._reaches[operator.output]
        update: dict[str, object] = {"columns": tuple(column for column in operator.columns if column.name in read)}
        backs, gaps, aheads = (_known(getattr(reach, name) for reach in reaches) for name in ("back", "gap", "ahead"))
        if backs and operator.lookback is not None:
            update["lookback"] = min(max(backs, key=_length), operator.lookback, key=_length)
        if gaps and operator.gap is not None:
            update["gap"] = max(min(gaps, key=_length), operator.gap, key=_length)
        if aheads and operator.lookahead is not None:
            update["lookahead"] = min(max(aheads, key=_length), operator.lookahead, key=_length)
        return operator.model_copy(update=update)

    def _filter(self, operator: Filter, made: set[str]) -> Filter:
        read = {*made, *operator.semi_join, *operator.session, *_names_in(operator.predicate)}
        if operator.having is not None:
            read |= set(columns_of(parse_having(operator.having)))
        if operator.sample is not None:
            read |= {*operator.sample.by, *_names_in(operator.sample.where)}
            read -= {operator.sample.weight or ""}
        # Whether a row of a session stays depends on all of its rows.
        apart = not operator.session and operator.sample is None
        self._need(operator.inputs[0], read, self._reaches[operator.output] if apart else (_Reach(),))
        if operator.semi_join:
            self._need(operator.inputs[1], operator.semi_join)
        return operator

    def _project(self, operator: Project, made: set[str]) -> Project:
        kept: dict[str, ProjectColumn] = {}
        waiting = [operator.column(name) for name in made]
        while waiting:
            column = waiting.pop()
            if column.name not in kept:
                kept[column.name] = column
                waiting += [operator.column(name) for name in column.reads_output]
        read: set[str] = set()
        for column in kept.values():
            read |= {column.source} if column.source is not None else set()
            read |= set(_names_in(column.expression)) - set(column.reads_output)
        self._need(operator.inputs[0], read, self._reaches[operator.output])
        columns = tuple(column for column in operator.columns if column.name in kept)
        return operator.model_copy(update={"columns": columns})

    def _look_up(self, operator: LookUp, made: set[str]) -> list[Operator]:
        taken = tuple(name for name in operator.columns if name in made)
        if not taken:
            return self._left_out(operator, made)
        left, right = operator.inputs
        times = _times(operator)
        ties = self._ties(right, operator.tie_order, taken, {*operator.keys, *times})
        ours = {operator.left_time.column} if isinstance(operator, PointInTimeJoin) else set()
        reaches = self._reaches[operator.output]
        self._need(left, {*(made - set(taken)), *operator.keys, *ours}, reaches)
        # What labels look ahead at looks up attributes as far ahead.
        self._need(right, {*operator.keys, *times, *taken, *ties}, [_Reach(ahead=reach.ahead) for reach in reaches])
        return [operator.model_copy(update={"columns": taken, "tie_order": ties})]

    def _windows(self, operator: WindowOperator, made: set[str]) -> list[Operator]:
        kept = [aggregate for aggregate in operator.aggregates if aggregate.name in made]
        if not kept:
            return self._left_out(operator, made)
        left, right = operator.inputs
        times = {operator.history_time.column} | ({operator.created.column} if operator.created else set())
        ties = self._ties_of_windows(operator, kept, {*operator.keys, *times})
        names = {aggregate.name for aggregate in kept}
        self._need(left, {*(made - names), *operator.keys, operator.left_time.column}, self._reaches[operator.output])
        read = {name for aggregate in kept for name in aggregate.reads}
        self._need(right, {*operator.keys, *times, *ties, *read}, [_reach_of(kept)])
        return [operator.model_copy(update={"aggregates": tuple(kept), "tie_order": ties})]

    def _function(self, operator: ArrowUdfTransform, made: set[str]) -> list[Operator]:
        if operator.result not in made:
            return self._left_out(operator, made)
        read = {*(made - {operator.result}), *operator.columns}
        self._need(operator.inputs[0], read, self._reaches[operator.output])
        return [operator]

    def _ties_of_windows(
        self, operator: WindowOperator, kept: Iterable[Aggregate | Label], same: set[str]
    ) -> tuple[str, ...]:
        history = self._dag.relations[operator.inputs[1]]
        deciding: set[str] = set()
        for aggregate in kept:
            order = told_of(aggregate.kind).order
            read = [history.column(name).dtype for name in aggregate.reads]
            if order is Order.NAN and any(dtype.holds_float for dtype in read):
                # Which bits of a NaN are taken depends on every column of the order.
                return operator.tie_order
            if order is Order.DECIDES:
                deciding |= set(aggregate.reads)
        return self._ties(operator.inputs[1], operator.tie_order, deciding, same)

    def _ties(
        self, relation: str, ties: tuple[str, ...], values: Iterable[str], same: Collection[str]
    ) -> tuple[str, ...]:
        """What is needed to order rows that tie, which agree in the columns `same`, where `values` are taken of them.

        The whole order where a value comes from a column that stands in neither.
        """
        decided_by = {origin for name in values for origin in self._origins(relation, name)}
        decided_by -= {origin for name in same for origin in self._origins(relation, name)}
        origins = [self._origins(relation, name) for name in ties]
        if not all(any(origin in of_tie for of_tie in origins) for origin in decided_by):
            return ties
        last = max((index for index, of_tie in enumerate(origins) if of_tie & decided_by), default=-1)
        return ties[: last + 1]

    def _origins(self, relation: str, name: str) -> frozenset[str]:
        """The columns of the files, by their names there, that a column of a history is a function of."""
        operator = self._makers[relation]
        if isinstance(operator, Scan):
            return frozenset(column.source for column in operator.columns if column.name == name)
        within: tuple[str, ...] = ()
        match operator:
            case Join() if name in operator.columns:
                read = operator.keys
            case PointInTimeJoin() if name in operator.columns:
                read = (*operator.keys, operator.left_time.column)
            case RollingAggregate() | LabelAggregate() if name in {one.name for one in operator.aggregates}:
                read = (*operator.keys, operator.left_time.column)
            case ArrowUdfTransform() if name == operator.result:
                read = operator.columns
            case Project():
                column = operator.column(name)
                within = column.reads_output
                names = _names_in(column.expression) if column.source is None else (column.source,)
                read = tuple(each for each in names if each not in within)
            case Filter() if operator.sample is not None and name == operator.sample.weight:
                read = (*operator.sample.by, *_names_in(operator.sample.where))
            case _:
                read = (name,)
        before = (self._origins(operator.inputs[0], each) for each in read)
        return frozenset().union(*before, *(self._origins(relation, each) for each in within))


def _times(operator: LookUp) -> set[str]:
    """The columns of the right side that say which row is the newest."""
    newest = operator.latest_by if isinstance(operator, Join) else operator.right_time
    return {instant.column for instant in (newest, operator.created) if instant is not None}


def _reach_of(kept: Iterable[Aggregate | Label]) -> _Reach:
    windows = [one for one in kept if isinstance(one, Aggregate)]
    labels = [one for one in kept if isinstance(one, Label)]
    if windows:
        return _Reach(back=max((one.reach for one in windows), key=_length))
    return _Reach(
        gap=min((one.gap for one in labels), key=_length), ahead=max((one.reach for one in labels), key=_length)
    )


def _known(spans: Iterable[Duration | None]) -> list[Duration]:
    """The spans, or none where one of them is everything."""
    given = list(spans)
    known = [span for span in given if span is not None]
    return known if len(known) == len(given) else []


def _length(span: Duration) -> float:
    return inf if span.nanoseconds is None else span.nanoseconds


def _names_in(expression: str | None) -> tuple[str, ...]:
    return () if expression is None else columns_of(parse_expression(expression))

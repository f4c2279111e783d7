"""The DAG of a service over a spine of one's own: no filter, no sample, and no column that the spine cannot give.

What a row of one's own lacks, and all that is made from it, is left out and named; so is what nobody asked for. The DAG
over its own spine is reduced to what somebody asks for in the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from daeda.errors import InputError, did_you_mean, shortened
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, Sink
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.sql.expression import columns_of, parse_expression

_IS_LABEL = "it is a label"


@dataclass(frozen=True)
class OwnSpine:
    """`dag` computes the columns that can be computed; `left_out` says of the others which column each lacks."""

    dag: Dag
    left_out: dict[str, str] = field(default_factory=dict)


def over_own_spine(
    dag: Dag, given: Collection[str], columns: Sequence[str] | None = None, *, labels: bool = False
) -> OwnSpine:
    """The DAG over rows that have the columns `given`, reduced to the output `columns` where they are named.

    Raises InputError where the time of the spine is not given, or a column that is named cannot be made.
    """
    spine = dag.spine
    assert spine.time is not None
    if spine.time.column not in given:
        raise InputError(
            f"the rows have no column '{spine.time.column}', the time of each row, only "
            f"{shortened(sorted(given), 10) or 'columns that the view does not have'}: add it, as a timestamp in UTC"
        )
    chain = list(_chain(dag))
    _refuse_own_history(dag, chain)
    if columns is not None:
        _check_known(dag, columns)
    project = next(operator for operator in reversed(chain) if isinstance(operator, Project))
    lacking = _lacking(chain, project, set(given), labels=labels)
    marked = frozenset[str]() if labels else frozenset(column.name for column in project.columns if column.label)
    made = {column.name: _lacks(column, project, lacking, marked) for column in project.columns}
    for operator in chain:
        if isinstance(operator, RayUdfTransform) and (lack := made[operator.source]) is not None:
            made[operator.column] = lack
    wanted = tuple(made) if columns is None else tuple(columns)
    left_out = {name: lack for name in wanted if (lack := made[name]) is not None}
    if columns is not None and left_out:
        cures = {_IS_LABEL: ": ask for labels, which are made where they are known"}
        raise InputError(
            *(f"column '{name}' cannot be made: {lack}{cures.get(lack, '')}" for name, lack in left_out.items())
        )
    shown = [name for name in wanted if name not in left_out]
    if not shown:
        raise InputError(f"none of the columns can be made: {shortened(list(dict.fromkeys(left_out.values())), 5)}")
    return OwnSpine(_Restriction(dag, chain, set(given), shown).dag(), left_out)


def of_columns(dag: Dag, columns: Sequence[str]) -> Dag:
    """The DAG of the same rows, reduced to the output `columns` and what they are made of.

    A pipeline that was edited by hand may have a filter, or a look-up of its own rows, behind what is left out: it
    stays whole. Raises InputError for a column that the service does not have.
    """
    _check_known(dag, columns)
    chain = list(_chain(dag))
    behind = itertools.dropwhile(lambda one: isinstance(one, Filter), chain[1:])
    rows = {operator.output for operator in chain}
    if any(isinstance(one, Filter) for one in behind) or any(rows & set(one.inputs[1:]) for one in dag.operators):
        return dag
    return _Restriction(dag, chain, set(), columns, own=False).dag()


def no_column(name: str) -> str:
    """Why a column cannot be made of rows that lack one of the spine."""
    return f"the rows have no column '{name}'"


def spine_keys(dag: Dag) -> tuple[str, ...]:
    """Columns of the spine by which something is looked up."""
    read = {
        key
        for operator in _chain(dag)
        if isinstance(operator, Join | PointInTimeJoin | RollingAggregate | LabelAggregate)
        for key in operator.keys
    }
    return tuple(column.name for column in dag.spine.columns if column.name in read)


def _check_known(dag: Dag, columns: Sequence[str]) -> None:
    unknown = [name for name in columns if name not in dag.output.names]
    if unknown:
        raise InputError(
            *(
                f"the service '{dag.service}' has no column '{name}': {did_you_mean(name, dag.output.names)}"
                for name in unknown
            )
        )


def _refuse_own_history(dag: Dag, chain: Sequence[Operator]) -> None:
    """A pipeline that was edited by hand may look up rows of its own spine, which are not those of somebody else."""
    rows = {operator.output for operator in chain}
    for operator in dag.operators:
        if rows & set(operator.inputs[1:]):
            raise InputError(
                f"operator '{operator.name}' looks up rows of the spine itself, and takes no rows of one's own: "
                "give it a Scan of its own"
            )


def _chain(dag: Dag) -> Iterator[Operator]:
    """The operators whose rows are those of the spine, from its Scan to the Sink."""
    makers = {operator.output: operator for operator in dag.operators}
    backwards: list[Operator] = [dag.sink]
    while backwards[-1].inputs:
        backwards.append(makers[backwards[-1].inputs[0]])
    return reversed(backwards)


def _lacking(chain: Sequence[Operator], project: Project, given: set[str], *, labels: bool) -> dict[str, str]:
    """What each column of the chain lacks that cannot be made; columns that can be made are not in it."""
    lacking: dict[str, str] = {}
    for operator in chain:
        match operator:
            case Scan():
                lacking |= {
                    column.name: no_column(column.name) for column in operator.columns if column.name not in given
                }
                if not labels:
                    lacking |= {column.name: _IS_LABEL for column in operator.columns if column.label}
            case LabelAggregate() if not labels:
                lacking |= dict.fromkeys(_made_by(operator), _IS_LABEL)
            case Filter() if operator.sample is not None and operator.sample.weight is not None:
                if not any(operator.sample.weight == one.source == one.name for one in project.columns):
                    lacking[operator.sample.weight] = "rows of one's own are not sampled, and have no weight"
            case Filter() | Project() | RayUdfTransform() | Sink():
                pass
            case _:
                reason = next((lacking[name] for name in _reads(operator) if name in lacking), None)
                if reason is not None:
                    lacking |= dict.fromkeys(_made_by(operator), reason)
    return lacking


def _reads(operator: Operator) -> tuple[str, ...]:
    """Columns of the left side that an operator of the chain reads."""
    match operator:
        case Join():
            return operator.keys
        case PointInTimeJoin() | RollingAggregate() | LabelAggregate():
            return (*operator.keys, operator.left_time.column)
        case ArrowUdfTransform():
            return operator.columns
        case _:
            return ()


def _made_by(operator: Operator) -> tuple[str, ...]:
    """Columns that an operator of the chain adds."""
    match operator:
        case Join() | PointInTimeJoin():
            return operator.columns
        case RollingAggregate() | LabelAggregate():
            return tuple(aggregate.name for aggregate in operator.aggregates)
        case ArrowUdfTransform():
            return (operator.result,)
        case _:
            return ()


def _lacks(column: ProjectColumn, project: Project, lacking: dict[str, str], marked: Collection[str]) -> str | None:
    """What a column of the output lacks, or what one that it reads does; `marked` are labels that nobody asks for."""
    if column.name in marked:
        return _IS_LABEL
    if column.source is not None:
        return lacking.get(column.source)
    if column.expression is None:
        return None
    for name in _expression_reads(column):
        if name not in column.reads_output and name in lacking:
            return lacking[name]
    reasons = (_lacks(project.column(name), project, lacking, marked) for name in column.reads_output)
    return next((reason for reason in reasons if reason is not None), None)


def _expression_reads(column: ProjectColumn) -> tuple[str, ...]:
    return () if column.expression is None else columns_of(parse_expression(column.expression))


class _Restriction:
    """One DAG restricted to the columns `shown`; its spine are `own` rows with the columns `given`, or its own Scan."""

    def __init__(
        self, dag: Dag, chain: Sequence[Operator], given: set[str], shown: Sequence[str], *, own: bool = True
    ) -> None:
        self._dag, self._chain, self._given, self._own = dag, chain, given, own
        self._project = next(operator for operator in reversed(chain) if isinstance(operator, Project))
        self._weights = {
            operator.sample.weight
            for operator in chain
            if own
            and isinstance(operator, Filter)
            and operator.sample is not None
            and operator.sample.weight is not None
        }
        self._shown = self._with_sources(shown)

    def _with_sources(self, shown: Sequence[str]) -> list[str]:
        """The output columns, and those that the enrichment and expressions read of the output, in their order."""
        wanted, waiting = set(shown), list(shown)
        sources = {one.column: one.source for one in self._chain if isinstance(one, RayUdfTransform)}
        while waiting:
            name = waiting.pop()
            column = self._project.column(name)
            read = {*column.reads_output, *([sources[name]] if name in sources else [])}
            read |= self._weights & set(_expression_reads(column))
            waiting += read - wanted
            wanted |= read
        return [column.name for column in self._project.columns if column.name in wanted]

    def dag(self) -> Dag:
        """The DAG, its operators on the sides reduced to those that are still read."""
        kept: list[Operator] = []
        left = ""
        needed = self._needed()
        for operator in self._chain:
            changed = self._changed(operator, needed)
            if changed is None:
                continue
            inputs = (left, *changed.inputs[1:]) if changed.inputs else ()
            kept.append(changed.model_copy(update={"inputs": inputs}))
            left = changed.output
        return Dag(self._dag.service, (*self._beside(kept), *kept))

    def _needed(self) -> set[str]:
        """Columns of the chain that something behind them reads."""
        needed: set[str] = set()
        for column in map(self._project.column, self._shown):
            if column.source is not None:
                needed.add(column.source)
            needed |= set(_expression_reads(column))
        for operator in reversed(self._chain):
            if needed & set(_made_by(operator)):
                needed |= set(_reads(operator))
        return needed

    def _changed(self, operator: Operator, needed: set[str]) -> Operator | None:
        """An operator of the chain as it is kept; None where it is not."""
        match operator:
            case Scan() | Filter() if not self._own:
                return operator
            case Scan():
                columns = tuple(column for column in operator.columns if column.name in self._given)
                order = tuple(name for name in operator.order_by if name in self._given)
                return operator.model_copy(update={"columns": columns, "order_by": order, "predicate": None})
            case Filter():
                return None
            case Project():
                columns_kept = tuple(self._column(name) for name in self._shown)
                return operator.model_copy(update={"columns": columns_kept})
            case RayUdfTransform():
                return operator if operator.column in self._shown else None
            case Sink():
                vectors = tuple(name for name in operator.vectors if name in self._shown)
                not_null = () if self._own else tuple(name for name in operator.not_null if name in self._shown)
                return operator.model_copy(update={"not_null": not_null, "vectors": vectors})
            case _:
                return operator if needed & set(_made_by(operator)) else None

    def _column(self, name: str) -> ProjectColumn:
        """A column of the output; rows that are not sampled weigh 1, in expressions too."""
        column = self._project.column(name)
        if column.source in self._weights:
            return column.model_copy(update={"source": None, "default": 1.0})
        read = tuple(one for one in self._weights if one in _expression_reads(column) and one != name)
        return column.model_copy(update={"reads_output": (*column.reads_output, *read)}) if read else column

    def _beside(self, kept: Sequence[Operator]) -> list[Operator]:
        """The operators that make what the chain reads on its right sides, in order."""
        makers = {operator.output: operator for operator in self._dag.operators}
        wanted: set[str] = set()
        waiting = [name for operator in kept for name in operator.inputs[1:]]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting += makers[name].inputs
        return [operator for operator in self._dag.operators if operator.output in wanted]

"""The DAG of operators: checked as a whole when it is built, split at the Ray boundary, round-tripped through YAML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import ConfigDict, Field

from daeda.errors import ConfigurationError, did_you_mean
from daeda.operators.operator import Executor, Target
from daeda.operators.relation import Relation
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.settings.kinds import Name, Strict, repeated

Operator = (
    Scan
    | Filter
    | Project
    | Join
    | PointInTimeJoin
    | RollingAggregate
    | LabelAggregate
    | ArrowUdfTransform
    | RayUdfTransform
    | Sink
)


class PipelineModel(Strict):
    """The YAML form of a DAG."""

    # Made of the models of all operators: built where such a file is read or written.
    model_config = ConfigDict(defer_build=True)

    service: Name = Field(description="Service that the pipeline makes.")
    operators: tuple[Annotated[Operator, Field(discriminator="op_kind")], ...] = Field(
        min_length=1, description="The operators; their inputs say how they hang together."
    )


@dataclass(frozen=True)
class Dag:
    """Operators in topological order, with the relation that each makes.

    Raises ConfigurationError when it is built from operators that do not fit together: an unknown or ambiguous input, a
    cycle (shown as its path), a column that nobody makes, a Sink that is missing or not last.
    """

    service: str
    operators: tuple[Operator, ...]
    relations: dict[str, Relation] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        ordered = _topological(self.operators)
        _check_sink(ordered)
        relations: dict[str, Relation] = {}
        for operator in ordered:
            try:
                relations[operator.output] = operator.derive(tuple(relations[name] for name in operator.inputs))
            except ConfigurationError as error:
                raise ConfigurationError(f"operator '{operator.name}' ({operator.op_kind}): {error}") from error
        object.__setattr__(self, "operators", ordered)
        object.__setattr__(self, "relations", relations)

    @property
    def sink(self) -> Sink:
        """The last operator."""
        last = self.operators[-1]
        if not isinstance(last, Sink):
            raise ConfigurationError("the last operator is not a Sink")
        return last

    @property
    def output(self) -> Relation:
        """What the Sink writes."""
        return self.relations[self.sink.output]

    @property
    def enrichments(self) -> tuple[RayUdfTransform, ...]:
        """The operators that are pinned to Ray, in order."""
        return tuple(operator for operator in self.operators if isinstance(operator, RayUdfTransform))

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The operators that read files."""
        return tuple(operator for operator in self.operators if isinstance(operator, Scan))

    @property
    def rolling_engines(self) -> frozenset[str]:
        """The engines that compute the rolling aggregates."""
        return frozenset(operator.compute for operator in self.operators if isinstance(operator, WindowOperator))

    @property
    def spine(self) -> Scan:
        """The Scan whose rows are the rows of the output."""
        return next(scan for scan in self.scans if scan.order_by)

    def skeleton(self) -> Dag:
        """The source-side sub-range, closed by a Sink of its own."""
        kept = [operator for operator in self.operators if not isinstance(operator, RayUdfTransform | Sink)]
        first = self.enrichments[0].inputs[0] if self.enrichments else self.sink.inputs[0]
        embedded = {operator.column for operator in self.enrichments}
        not_null = tuple(name for name in self.sink.not_null if name not in embedded)
        sink = self.sink.model_copy(update={"inputs": (first,), "dataset": "skeleton", "not_null": not_null})
        return Dag(self.service, (*kept, sink))

    def to_model(self) -> PipelineModel:
        """The YAML form."""
        return PipelineModel(service=self.service, operators=self.operators)

    def require_runnable(self) -> None:
        """Raise ConfigurationError for an operator that no executor runs on the engine that it declares."""
        for operator in self.operators:
            executor: Executor = "ray" if isinstance(operator, RayUdfTransform) else "beam"
            targets = operator.can_run_on()
            if Target(executor, operator.engine) not in targets:
                engines = ", ".join(sorted(target.engine for target in targets if target.executor == executor))
                raise ConfigurationError(
                    f"operator '{operator.name}' ({operator.op_kind}) cannot run on engine "
                    f"'{operator.engine}': it runs on {engines}"
                )


def _topological(operators: Iterable[Operator]) -> tuple[Operator, ...]:
    """Stable topological order: an operator keeps its place unless an input of it stands later."""
    given = tuple(operators)
    for kind in ("name", "output"):
        if twice := repeated(getattr(operator, kind) for operator in given):
            raise ConfigurationError(f"two operators have the {kind} '{twice[0]}': each {kind} stands once")
    _check_case([operator.output for operator in given])
    makers = {operator.output: operator for operator in given}
    done: dict[str, Operator] = {}

    def visit(operator: Operator, path: tuple[str, ...]) -> None:
        if operator.output in done:
            return
        if operator.name in path:
            raise ConfigurationError(
                f"the operators form a cycle: {' -> '.join((*path[path.index(operator.name) :], operator.name))}"
            )
        for name in operator.inputs:
            if name not in makers:
                raise ConfigurationError(
                    f"operator '{operator.name}' ({operator.op_kind}): unknown input '{name}': "
                    f"{did_you_mean(name, makers)}"
                )
            visit(makers[name], (*path, operator.name))
        done[operator.output] = operator

    for operator in given:
        visit(operator, ())
    return tuple(done.values())


def _check_case(outputs: list[str]) -> None:
    """Relations become tables of the day, whose names SQL folds."""
    firsts: dict[str, str] = {}
    for name in outputs:
        first = firsts.setdefault(name.lower(), name)
        if first != name:
            raise ConfigurationError(
                f"the outputs '{first}' and '{name}' differ only in case, and SQL does not tell them apart: rename one"
            )


def _check_sink(operators: tuple[Operator, ...]) -> None:
    sinks = [operator for operator in operators if isinstance(operator, Sink)]
    if len(sinks) != 1:
        raise ConfigurationError(f"a pipeline has exactly one Sink, found {len(sinks)}")
    read = {name for operator in operators for name in operator.inputs}
    if sinks[0].output in read:
        raise ConfigurationError(
            f"operator '{sinks[0].name}' (sink): a Sink is terminal, and its output is read by another operator"
        )
    for operator in operators:
        if operator is not sinks[0] and operator.output not in read:
            raise ConfigurationError(
                f"operator '{operator.name}' ({operator.op_kind}): nothing reads its output '{operator.output}'"
            )
    if operators[-1] is not sinks[0]:
        raise ConfigurationError(f"operator '{sinks[0].name}' (sink): the Sink comes last")

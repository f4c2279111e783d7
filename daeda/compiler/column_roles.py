"""What the manifest of a day says of its columns and of the sample that chose its rows, by the DAG that makes them.

It decides no byte, so that no day becomes stale by it. A pipeline that was edited by hand is told by what it does.
"""

from __future__ import annotations

from collections.abc import Sequence

from daeda.catalog.service import FeatureService
from daeda.compiler.labels import labels_of
from daeda.dataset.manifest import SampleOfDay
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Project


def column_kinds(service: FeatureService, dag: Dag) -> dict[str, str]:
    """The kind of each column of the output.

    It is that of the contract, but `label` for whatever reads a label, and `weight` for the weight of a sample.
    """
    kinds: dict[str, str] = {column.name: column.kind for column in service.columns}
    last = dag.sink.inputs[0]
    kinds |= dict.fromkeys(weights_of(dag.operators)[last], "weight")
    kinds |= dict.fromkeys(labels_of(dag.operators)[last], "label")
    return {name: kinds[name] for name in dag.output.names if name in kinds}


def sample_of(dag: Dag) -> SampleOfDay | None:
    """The sample of the spine; None where all rows stay."""
    for operator in dag.operators:
        if isinstance(operator, Filter) and operator.sample is not None:
            sample = operator.sample
            return SampleOfDay(f"{sample.share}", tuple(sample.by), sample.seed, sample.where, sample.weight)
    return None


def weights_of(operators: Sequence[Operator]) -> dict[str, frozenset[str]]:
    """The columns of each relation that are the weight of a sample, of operators in topological order."""
    weights: dict[str, frozenset[str]] = {}
    for operator in operators:
        given = frozenset[str]().union(*(weights[name] for name in operator.inputs[:1]))
        if isinstance(operator, Filter) and operator.sample is not None and operator.sample.weight is not None:
            given |= {operator.sample.weight}
        if isinstance(operator, Project):
            given = frozenset(column.name for column in operator.columns if column.source in given)
        weights[operator.output] = given
    return weights

"""The pipeline of a report: what each operator does, its SQL and its columns, and the seconds that it took."""

from __future__ import annotations

from typing import Any

from daeda.catalog.project import Project
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan, Sink
from daeda.operators.udf import RayUdfTransform
from daeda.planning.column_words import makes
from daeda.planning.explain import details, sees_the_future
from daeda.planning.explain_sql import sql_of_operators
from daeda_report.days import DaysOfReport


def described_operators(project: Project, dag: Dag, days: DaysOfReport) -> list[dict[str, Any]]:
    """In the order in which they run; `seconds` has a list for each dataset that tells of the operator."""
    sql = sql_of_operators(dag.skeleton(), days.days[0], project.runtime.rows_per_part)
    makers = {operator.output: operator.name for operator in dag.operators}
    own = {operator.name for operator in dag.operators}
    described = []
    for operator in dag.operators:
        described.append(
            {
                "name": operator.name,
                "kind": operator.op_kind,
                "engine": operator.engine,
                "half": "enriched" if isinstance(operator, RayUdfTransform) else "skeleton",
                "reads": [makers[name] for name in operator.inputs],
                "ends": isinstance(operator, Scan | Sink),
                "future": sees_the_future(operator),
                "view": operator.view if isinstance(operator, Scan) else None,
                "makes": list(makes(operator)),
                "does": details(operator),
                "columns": [[column.name, column.dtype.name] for column in dag.relations[operator.output].columns],
                "sql": sql.get(operator.name, ""),
                "seconds": _seconds(days, operator.name),
            }
        )
    # What a run does beside its operators: phases of the enrichment, and what extends a day.
    for name in _others(days, own):
        described.append({"name": name, "kind": "phase", "seconds": _seconds(days, name)})
    return described


def _seconds(days: DaysOfReport, name: str) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = {}
    for dataset, of in days.datasets.items():
        seconds = [None if one is None else one.seconds.get(name) for one in of.manifests]
        if any(one is not None for one in seconds):
            found[dataset] = seconds
    return found


def _others(days: DaysOfReport, own: set[str]) -> list[str]:
    told = (name for of in days.datasets.values() for one in of.manifests if one is not None for name in one.seconds)
    return [name for name in dict.fromkeys(told) if name not in own]

"""The columns of a report: what makes each, where it comes from, and what is in it on each day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daeda.catalog.project import Project
from daeda.compiler.column_roles import column_kinds
from daeda.compiler.lineage import Lineages
from daeda.operators.dag import Dag
from daeda.planning.column_words import words_of
from daeda.statistics.model import DayStatistics
from daeda_report.days import DaysOfReport, immature_columns
from daeda_report.series import Series

Shown = dict[str, Any]


def described_columns(
    project: Project, dag: Dag, days: DaysOfReport, series: Sequence[Series]
) -> tuple[list[Shown], list[Shown]]:
    """What the page shows of each column at once, and what it shows of it when it is asked for."""
    lineages, contract = Lineages(dag), {column.name: column for column in project.service.columns}
    columns, details = [], []
    for made, own in zip(dag.output.columns, series, strict=True):
        declared = contract[made.name]
        words, lineage = words_of(project, dag, declared), lineages.of(made.name)
        psi = own.psi
        worst = max((value for value in psi if value is not None), default=None)
        columns.append(
            {
                "name": made.name,
                "kind": own.kind,
                "dtype": made.dtype.name,
                "nullable": declared.nullable,
                "description": declared.description,
                "made_by": words.made_by,
                "operators": list(lineage.operators),
                "nulls": [None if one is None else round(one.null_share, 6) for one in own.summaries],
                "drift": psi if worst is not None else None,
                "worst": worst,
                "worst_day": str(days.days[psi.index(worst)]) if worst is not None else None,
                "left_out": [str(days.days[index]) for index in own.left_out],
            }
        )
        details.append(
            {
                "meaning": words.meaning,
                "words": list(words.sentences),
                "where": list(words.where),
                "sources": [[one.source, one.field, one in lineage.direct, one.is_store] for one in lineage.sources],
                "statistics": own.shown(),
            }
        )
    return columns, details


def series_of(
    project: Project,
    dag: Dag,
    days: DaysOfReport,
    statistics: Sequence[DayStatistics | None],
    reference: Sequence[int],
    *,
    chosen_by_hand: bool = False,
) -> list[Series]:
    """The series of each column of the output, in their order; the kind is the one that the newest day tells.

    A column that is NULL on a day because a label was not mature has no summary there: it is no fault.
    """
    unripe = immature_columns(dag, days)
    declared = column_kinds(project.service, dag)
    by_day = [{} if one is None else {column.name: column for column in one.columns} for one in statistics]
    series = []
    for made in dag.output.columns:
        there = [of_day.get(made.name) for of_day in by_day]
        kind = next((one.kind for one in reversed(there) if one is not None and one.kind is not None), None)
        kind = kind or declared[made.name]
        summaries = [
            None if one is None or one.placeholder or (made.name in early and not one.summary.values) else one.summary
            for one, early in zip(there, unripe, strict=True)
        ]
        series.append(Series.of(made.name, kind, summaries, reference, chosen=chosen_by_hand))
    return series

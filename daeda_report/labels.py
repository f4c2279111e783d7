"""The labels of a training set: until when each is known, on which days it is, and what it is like in each split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from daeda.catalog.project import Project
from daeda.operators.dag import Dag
from daeda.operators.temporal import LabelAggregate
from daeda.settings.splits import in_order
from daeda.statistics.model import Summary
from daeda_report.days import DaysOfReport, immature_columns
from daeda_report.series import Series


def described_labels(project: Project, dag: Dag, days: DaysOfReport, series: Sequence[Series]) -> list[dict[str, Any]]:
    """One entry for each column that is a label, or is derived from one."""
    horizons = {
        label.name: (str(label.window), str(label.horizon), "NULL" if label.immature is None else "wait")
        for operator in dag.operators
        if isinstance(operator, LabelAggregate)
        for label in operator.aggregates
    }
    splits = [(name, split.first, split.last) for name, split in in_order(project.service.splits)]
    shown = splits or [("all days", days.days[0], days.days[-1])]
    unripe = immature_columns(dag, days)
    entries = []
    for one in series:
        if one.kind != "label":
            continue
        window, horizon, immature = horizons.get(one.name, (None, None, None))
        chosen = [
            (name, [index for index, day in enumerate(days.days) if first <= day <= last])
            for name, first, last in shown
        ]
        entries.append(
            {
                "name": one.name,
                "window": window,
                "horizon": horizon,
                "immature": immature,
                "splits": [
                    [
                        name,
                        *_of_split([one.summaries[index] for index in indexes]),
                        sum(one.name in unripe[index] for index in indexes),
                    ]
                    for name, indexes in chosen
                ],
            }
        )
    return entries


def _of_split(summaries: Sequence[Summary | None]) -> tuple[int, int, float | None, float | None]:
    """Days, rows, the share of NULLs, and the mean; of truth values the share of those that are true."""
    there = [one for one in summaries if one is not None]
    rows = sum(one.rows for one in there)
    nulls = sum(one.nulls for one in there) / rows if rows else None
    weighted = [(one.values, mean) for one in there if (mean := _mean(one)) is not None]
    total = sum(values for values, _ in weighted)
    mean = math.fsum(values * mean for values, mean in weighted) / total if total else None
    return len(there), rows, nulls, mean


def _mean(summary: Summary) -> float | None:
    if summary.numbers is not None:
        return summary.numbers.mean
    if summary.dtype == "bool" and summary.top is not None and summary.values:
        return dict(summary.top.values).get("true", 0) / summary.values
    return None

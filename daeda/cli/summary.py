"""The tables at the end of a run and of a plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from daeda.catalog.service import FeatureService
from daeda.dataset.answers import BuiltDay
from daeda.dataset.layout import Dataset
from daeda.errors import counted, shortened
from daeda.planning.days import MISSING_ADVICE, Action, DayPlan
from daeda.process.console import HarmlessConsole
from daeda.settings.splits import in_order

_PLANNED = {
    Action.BUILD: "build",
    Action.REBUILD: "stale: rebuild",
    Action.EXTEND: "stale: extend",
    Action.SKIP: "skip",
    Action.KEEP: "stale: keep",
    Action.BLOCKED: "blocked",
    Action.WAIT: "wait",
}
_KEPT = {"kept": "kept, stale"}


def print_run(title: str, days: Sequence[BuiltDay]) -> None:
    """A row per day: rows, seconds of each phase, and what was done."""
    console = HarmlessConsole(stderr=True)
    table = Table(title=title, title_justify="left")
    table.add_column("day")
    table.add_column("rows", justify="right")
    datasets = list(days[0].datasets) if days else []
    for dataset in datasets:
        table.add_column(f"{dataset} s", justify="right")
        table.add_column(dataset)
    totals: dict[Dataset, float] = dict.fromkeys(datasets, 0.0)
    rows_in_all = 0
    for day in days:
        rows = None
        cells = []
        for dataset, built in day.datasets.items():
            rows = built.rows if built.rows is not None else rows
            totals[dataset] += built.seconds or 0.0
            seconds = "" if built.seconds is None else f"{built.seconds:.2f}"
            cells += [seconds, _KEPT.get(built.outcome, built.outcome)]
        rows_in_all += rows or 0
        table.add_row(str(day.day), f"{rows:,}" if rows is not None else "", *cells)
    table.add_section()
    table.add_row(
        f"{len(days)} day{'s' if len(days) != 1 else ''}",
        f"{rows_in_all:,}",
        *(cell for dataset in datasets for cell in (f"{totals[dataset]:.2f}", "")),
    )
    console.print(table)


def print_plan(
    console: HarmlessConsole,
    plans: Mapping[Dataset, Sequence[DayPlan]],
    sources: Sequence[tuple[str, Path | str]],
    notes: Sequence[str] = (),
) -> None:
    """A row per day and the reasons; then which days look back beyond a view's first partition, and what is late."""
    table = Table(title="plan", title_justify="left")
    table.add_column("day")
    for dataset in plans:
        table.add_column(dataset)
    table.add_column("files read", justify="right")
    table.add_column("why", overflow="fold")
    days = next(iter(plans.values()), ())
    for index, plan in enumerate(days):
        chosen = [planned[index] for planned in plans.values()]
        reasons = dict.fromkeys(reason for day_plan in chosen for reason in day_plan.reasons)
        table.add_row(
            str(plan.day),
            *(_PLANNED[day_plan.action] for day_plan in chosen),
            str(plan.files),
            shortened(list(reasons), 4),
        )
    console.print(table)
    for sentence, cut in _cut_days(days):
        console.print(f"{sentence}: the windows of {shortened(cut, 3)} hold less than they could", soft_wrap=True)
    if any(plan.lacks_partitions for plan in days):
        console.print(f"missing partitions: {MISSING_ADVICE}", soft_wrap=True)
    for sentence in notes:
        console.print(sentence, soft_wrap=True)
    for view, path in sources:
        console.print(f"{view}: {path}", soft_wrap=True)


def splits_told(service: FeatureService, days: Sequence[dt.date]) -> tuple[str, ...]:
    """A sentence for each split, in the order of their days: how many days it has, and how many of them are planned."""
    sentences = []
    for name, split in in_order(service.splits):
        planned = sum(split.first <= day <= split.last for day in days)
        rest = "" if planned == len(split.days) else f", {planned} of them in feed_start to feed_end"
        sentences.append(f"split {name}: {split}, {counted(len(split.days), 'day')}{rest}")
    return tuple(sentences)


def _cut_days(plans: Iterable[DayPlan]) -> list[tuple[str, list[dt.date]]]:
    days: dict[str, list[dt.date]] = {}
    for plan in plans:
        for sentence in plan.cut:
            days.setdefault(sentence, []).append(plan.day)
    return list(days.items())

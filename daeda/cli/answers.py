"""The answers of plan, explain and train as documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from daeda.answers.checks import DeclaredCheck, JudgedCheck
from daeda.answers.days import BuiltDataset, BuiltDay, PlanAnswer, PlannedDataset, PlannedDay, TrainAnswer
from daeda.answers.pipeline import ExplainAnswer, ExplainedColumn
from daeda.catalog.project import Project
from daeda.compiler.checks import checks_of
from daeda.compiler.column_roles import column_kinds
from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.manifest import Manifest, Verdict
from daeda.dataset.published import look_at_days
from daeda.operators.dag import Dag
from daeda.planning.days import Action, DayPlan

Verdicts = Mapping[dt.date, Sequence[Verdict]]
Plans = dict[Dataset, tuple[DayPlan, ...]]
_OUTCOMES = {
    Action.BUILD: "built",
    Action.REBUILD: "rebuilt",
    Action.EXTEND: "extended",
    Action.SKIP: "skipped",
    Action.KEEP: "kept",
    Action.BLOCKED: "blocked",
    Action.WAIT: "waiting",
}


def plan_answer(
    service: str,
    plans: Plans,
    sources: Sequence[tuple[str, Path | str]],
    notes: Sequence[str],
    verdicts: Verdicts,
) -> PlanAnswer:
    """What plan says of its days."""
    days = []
    for index, first in enumerate(next(iter(plans.values()), ())):
        datasets = {
            name: PlannedDataset(action=planned[index].action.value, reasons=planned[index].reasons)
            for name, planned in plans.items()
        }
        checks = _judged(verdicts.get(first.day, ()))
        days.append(
            PlannedDay(day=first.day, files_read=first.files, datasets=datasets, cut_windows=first.cut, checks=checks)
        )
    paths = {view: str(path) for view, path in sources}
    return PlanAnswer(service=service, days=tuple(days), sources=paths, notes=tuple(notes))


def explain_answer(project: Project, dag: Dag, sql: str | None) -> ExplainAnswer:
    """Columns and operators of a service."""
    contract = {column.name: column for column in project.service.columns}
    kinds = column_kinds(project.service, dag)
    columns = tuple(
        ExplainedColumn(
            name=made.name,
            kind=kinds[made.name],
            dtype=made.dtype.name,
            nullable=contract[made.name].nullable,
            description=contract[made.name].description,
        )
        for made in dag.output.columns
    )
    operators = dag.to_model().model_dump(mode="json", exclude_none=True, by_alias=True)["operators"]
    checks = tuple(DeclaredCheck(check=one.text, severity=one.severity) for one in checks_of(project, dag))
    return ExplainAnswer(service=dag.service, columns=columns, operators=tuple(operators), checks=checks, sql=sql)


def built_days(layout: Layout, plans: Plans, verdicts: Verdicts) -> tuple[BuiltDay, ...]:
    """What became of each day of a run that is done."""
    days = []
    chosen = next(iter(plans.values()), ())
    published = {name: look_at_days(layout, name, [day.day for day in chosen]) for name in plans}
    for index, first in enumerate(chosen):
        datasets = {}
        for name, planned in plans.items():
            there = published[name].get(first.day)
            datasets[name] = _built(planned[index], there.manifest if there else None)
        days.append(BuiltDay(day=first.day, datasets=datasets, checks=_judged(verdicts.get(first.day, ()))))
    return tuple(days)


def train_answer(layout: Layout, days: tuple[BuiltDay, ...], service: str, dataset: Dataset) -> TrainAnswer:
    """The days of a run that is done, and where they are."""
    return TrainAnswer(service=service, dataset=dataset, location=str(layout.dataset_dir(dataset)), days=days)


def _judged(verdicts: Sequence[Verdict]) -> tuple[JudgedCheck, ...]:
    return tuple(JudgedCheck(**asdict(verdict)) for verdict in verdicts)


def _built(plan: DayPlan, manifest: Manifest | None) -> BuiltDataset:
    told = manifest is not None or plan.action is Action.WAIT
    seconds = round(sum(manifest.seconds.values()), 3) if manifest is not None and plan.builds else None
    rows = manifest.rows if manifest is not None else None
    # A day that is in no place of its own may be extended, too: from that of a lower version.
    done = Action.EXTEND if plan.builds and plan.extension is not None else plan.action
    return BuiltDataset.model_validate(
        {"outcome": _OUTCOMES[done] if told else "not built", "rows": rows, "seconds": seconds}
    )

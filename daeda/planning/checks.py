"""What checks have found of the days of a plan, and which of these are to be judged anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from daeda.catalog.project import Project
from daeda.checks.judge import told
from daeda.checks.published import Judging, unjudged
from daeda.compiler.checks import checks_of
from daeda.compiler.immature import null_columns
from daeda.dataset.layout import DATASETS, Dataset, layout_of
from daeda.dataset.manifest import Verdict
from daeda.errors import counted, shortened
from daeda.operators.dag import Dag
from daeda.settings.checks import Check
from daeda.settings.runtime import DuckDbConfig
from daeda.sql.locked import Setting, connect


@dataclass(frozen=True)
class KnownVerdicts:
    """The verdicts of published days that their manifests have, and sentences about them."""

    by_day: dict[dt.date, tuple[Verdict, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def judging_of(project: Project, dag: Dag) -> Judging:
    """The checks of the service over its published days."""
    config = _settings(project.runtime.compute.duckdb_config, project)
    return Judging(
        layout_of(project),
        checks_of(project, dag),
        tuple(project.service.grain),
        lambda allowed: connect(allowed, config),
        lambda labels: null_columns(dag, labels),
    )


def known_verdicts(project: Project, dag: Dag, datasets: Sequence[Dataset], days: Sequence[dt.date]) -> KnownVerdicts:
    """What the manifests of the days tell; nothing is judged or written."""
    judging = judging_of(project, dag)
    if not judging.checks:
        return KnownVerdicts()
    manifests = judging.manifests(datasets, days)
    by_day: dict[dt.date, tuple[Verdict, ...]] = {}
    anew: list[dt.date] = []
    for day in days:
        there = [manifests[dataset][day] for dataset in DATASETS if dataset in datasets and day in manifests[dataset]]
        if not there:
            continue
        declared = {check.text: check for check in judging.checks}
        by_day[day] = tuple(
            replace(one, severity=declared[one.check].severity)
            for manifest in there
            for one in manifest.checks
            if one.check in declared
        )
        skeleton = manifests["skeleton"].get(day)
        if any(unjudged(judging.checks, manifest, skeleton) for manifest in there):
            anew.append(day)
    notes = [f"{day}: {told(one)}" for day, found in by_day.items() for one in found if one.outcome == "failed"]
    if anew:
        notes.append(f"checks: {counted(len(anew), 'published day')} to be judged anew: {shortened(anew, 4)}")
    return KnownVerdicts(by_day, tuple(notes))


def told_checks(checks: Sequence[Check]) -> tuple[str, ...]:
    """How many checks there are, and what becomes of a day that breaks them."""
    if not checks:
        return ()
    alone = sum(check.severity == "fail" and not check.compares_days for check in checks)
    over = sum(check.compares_days for check in checks)
    parts = [f"{alone} can keep a day from being published"] if alone else []
    parts += [f"{over} compare days, behind the run" if over > 1 else "1 compares days, behind the run"] if over else []
    return (f"{counted(len(checks), 'check')} of each day{': ' if parts else ''}{', '.join(parts)}",)


def _settings(config: DuckDbConfig, project: Project) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    if config.memory_limit is not None:
        settings["memory_limit"] = f"{config.memory_limit}B"
    if config.temp_directory:
        settings["temp_directory"] = str(project.root / config.temp_directory)
    return settings

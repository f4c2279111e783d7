"""The plan of a command: what `train` is about to do, and what `plan` shows of it."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.open_project import open_project
from daeda.catalog.project import Project
from daeda.cli.stores import StoresOfRun
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Dataset
from daeda.dataset.stores import Stores
from daeda.errors import UsageError
from daeda.operators.dag import Dag
from daeda.planning.days import DayPlan, chosen_days, plan_enriched, plan_skeleton
from daeda.planning.emptiness import block_empty_range
from daeda.planning.exports import exported
from daeda.planning.preflight import block_refused
from daeda.planning.sources import Sources, find_sources


@dataclass(frozen=True)
class TrainPlan:
    """What `train` is about to do. `stores` are the stores that enriched days were compared with, if any was."""

    project: Project
    dag: Dag
    sources: Sources
    skeleton: tuple[DayPlan, ...]
    enriched: tuple[DayPlan, ...]
    stores: Stores | None = None

    @property
    def plans(self) -> dict[Dataset, tuple[DayPlan, ...]]:
        """The datasets of the run; the enriched one only where the run makes it."""
        return {"skeleton": self.skeleton, **({"enriched": self.enriched} if self.enriched else {})}

    @property
    def paths(self) -> list[tuple[str, Path | str]]:
        """Each view of the run and where its files are."""
        return list({scan.view: self.sources.files[scan.name].path for scan in self.sources.scans}.items())


def make_plan(arguments: argparse.Namespace, exports: contextlib.ExitStack, *, checked: bool = False) -> TrainPlan:
    """Read, compile and plan; no day is written. Views of databases are exported, and `exports` removes them.

    `checked` blocks the days that the check before the first day would refuse; a run makes this check itself.
    """
    project = open_project(arguments, arguments.service)
    dag = compile_runnable(project)
    if arguments.enrich_only and not dag.enrichments:
        raise UsageError(f"the service '{dag.service}' has no enrichment: train it without --enrich-only")
    days = chosen_days(project, arguments.target_date)
    skeleton_dag = dag.skeleton()
    sources = find_sources(project, skeleton_dag, exports.enter_context(exported(project, skeleton_dag)))
    verify = arguments.verify
    skeleton = plan_skeleton(project, skeleton_dag, sources, days, arguments.on_stale, verify=verify)
    if checked and not arguments.enrich_only:
        skeleton = block_refused(project, skeleton_dag, sources, skeleton)
        skeleton = block_empty_range(project, sources, skeleton)
    wanted = bool(dag.enrichments) and not arguments.skeleton_only
    stores = StoresOfRun(arguments)
    enriched = plan_enriched(project, dag, skeleton, arguments.on_stale, stores.find, verify=verify) if wanted else ()
    return TrainPlan(project, dag, sources, skeleton, enriched, stores.pinned)

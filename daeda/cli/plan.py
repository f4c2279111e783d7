"""`daeda pipeline plan`: which days would be built, skipped or rebuilt, and why; `train` begins with the same plan."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.project import Project
from daeda.cli.summary import print_plan, splits_told
from daeda.compiler.checks import checks_of
from daeda.compiler.compile import compile_runnable
from daeda.compiler.unused import warnings_of
from daeda.dataset.layout import Dataset
from daeda.dataset.manifest import Verdict
from daeda.dataset.stores import Stores, stores_from_text
from daeda.errors import SubprocessFailed, UsageError
from daeda.flags.parser import forwarded, words_of
from daeda.flags.table import OUTPUT, PROJECT, STORES
from daeda.operators.dag import Dag
from daeda.planning.days import DayPlan, chosen_days, plan_skeleton
from daeda.planning.emptiness import block_empty_range, wrong_units
from daeda.planning.enriched_days import plan_enriched
from daeda.planning.explain import availability
from daeda.planning.exports import exported
from daeda.planning.immature import told_immature
from daeda.planning.maturity import Maturity
from daeda.planning.one_file import stale_by_one_file
from daeda.planning.preflight import block_refused
from daeda.planning.sources import Sources, find_sources
from daeda.process.console import HarmlessConsole
from daeda.process.extras import require
from daeda.process.messages import answer, warn
from daeda.process.subprocesses import interruptible, run_subprocess


class StoresOfRun:
    """The stores of one run: looked at once, where they are needed first, and the same to the end of the run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._words = [*forwarded(arguments, PROJECT, OUTPUT), *words_of(STORES, True)]
        self.pinned: Stores | None = None

    def find(self) -> Stores:
        """The stores by name; SubprocessFailed where one is not as declared, which has been printed."""
        if self.pinned is None:
            require("stores")
            output: list[str] = []
            with interruptible() as state:
                code = run_subprocess("enrich", self._words, state, output=output)
            if code:
                raise SubprocessFailed(code)
            self.pinned = stores_from_text("".join(output))
        return self.pinned


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


def make_plan(
    project: Project, arguments: argparse.Namespace, exports: contextlib.ExitStack, *, checked: bool = False
) -> TrainPlan:
    """Compile and plan; no day is written. Views of databases are exported, and `exports` removes them.

    `checked` blocks the days that the check before the first day would refuse; a run makes this check itself.
    """
    dag = compile_runnable(project)
    if arguments.enrich_only and not dag.enrichments:
        raise UsageError(f"the service '{dag.service}' has no enrichment: train it without --enrich-only")
    days = chosen_days(project, arguments.target_date)
    skeleton_dag = dag.skeleton()
    sources = find_sources(project, skeleton_dag, exports.enter_context(exported(project, skeleton_dag)))
    verify = arguments.verify
    extend = not arguments.no_extend
    skeleton = plan_skeleton(project, skeleton_dag, sources, days, arguments.on_stale, verify=verify, extend=extend)
    if checked and not arguments.enrich_only:
        skeleton = block_refused(project, skeleton_dag, sources, skeleton)
        skeleton = block_empty_range(project, sources, skeleton)
    wanted = bool(dag.enrichments) and not arguments.skeleton_only
    stores = StoresOfRun(arguments)
    asked = (project, dag, skeleton, arguments.on_stale, stores.find)
    enriched = plan_enriched(*asked, verify=verify, extend=extend) if wanted else ()
    return TrainPlan(project, dag, sources, skeleton, enriched, stores.pinned)


def plan(project: Project, arguments: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    with contextlib.ExitStack() as exports:
        planned = make_plan(project, arguments, exports, checked=True)
        warn(*warnings_of(project, planned.dag), *wrong_units(project, planned.sources))
        labels = Maturity(planned.dag, planned.sources.files, project.runtime.data_until).told()
        immature = told_immature({day.day: day.immature for day in planned.skeleton if day.immature is not None})
        verdicts, told = _known_verdicts(planned)
        splits = splits_told(project.service, project.runtime.days)
        grown = stale_by_one_file(project, planned.sources, planned.skeleton)
        notes = (*availability(planned.dag), *labels, *immature, *splits, *told, *grown)
        if arguments.json:
            # The models of all answers take a while to be made.
            from daeda.cli.answers import plan_answer

            answer(plan_answer(planned.dag.service, planned.plans, planned.paths, notes, verdicts).text())
        else:
            print_plan(HarmlessConsole(), planned.plans, planned.paths, notes)
    return 0


def _known_verdicts(plan: TrainPlan) -> tuple[Mapping[dt.date, tuple[Verdict, ...]], tuple[str, ...]]:
    """The verdicts of published days, and sentences about them; without checks nothing of theirs is loaded."""
    if not checks_of(plan.project, plan.dag):
        return {}, ()
    from daeda.planning.checks import known_verdicts

    known = known_verdicts(plan.project, plan.dag, tuple(plan.plans), [day.day for day in plan.skeleton])
    return known.by_day, known.notes

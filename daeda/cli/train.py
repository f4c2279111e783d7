"""`daeda pipeline train`: check everything, then run the skeleton and the enrichment, each in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.project import Project
from daeda.cli.flags import as_flags, open_project, setting_words
from daeda.cli.stores import StoresOfRun
from daeda.cli.summary import print_run
from daeda.compiler.compile import compile_runnable
from daeda.compiler.unused import warnings_of
from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.manifest import DayName
from daeda.dataset.publish.staging import check_writable, repair
from daeda.dataset.stamps import remember_stamps
from daeda.dataset.stores import Stores, stores_from_text, stores_to_text
from daeda.errors import InputError, UsageError, shortened
from daeda.operators.dag import Dag
from daeda.planning.days import (
    Action,
    DayPlan,
    Sources,
    chosen_days,
    find_sources,
    plan_enriched,
    plan_skeleton,
    refuse_blocked,
    refuse_stale,
)
from daeda.planning.emptiness import block_empty_range, refuse_empty_range, wrong_units
from daeda.planning.exports import exported
from daeda.planning.fulfilled import require_enriched, require_skeleton
from daeda.planning.preflight import block_refused, check_sources
from daeda.planning.remarks import remarks
from daeda.process.extras import require
from daeda.process.messages import answer_place, say, warn
from daeda.process.subprocesses import Interruptions, interruptible, run_subprocess
from daeda.settings.flags import ENRICHMENT_FLAGS, SKELETON_FLAGS

_SHARED = {
    "runtime_config_path": "--runtime-config-path",
    "aggregation_config_path": "--aggregation-config-path",
    "feature_views_dir": "--feature-views-dir",
    "feature_services_dir": "--feature-services-dir",
    "output_root": "--output-root",
    "target_date": "--target-date",
    "on_stale": "--on-stale",
    "on_locked": "--on-locked",
    "profile": "--profile",
}


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


def train(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if arguments.skeleton_only and arguments.enrich_only:
        raise UsageError(
            "--skeleton-only and --enrich-only exclude each other: give one of them, or neither for the whole run"
        )
    if arguments.enrich_only and beam_flags:
        raise UsageError("flags of Beam belong to the skeleton, and --enrich-only does not run it: remove them")
    if arguments.enrich_only and arguments.worker_timeout is not None:
        raise UsageError("--worker-timeout belongs to the skeleton, and --enrich-only does not run it: remove it")
    with contextlib.ExitStack() as held:
        return _train(make_plan(arguments, held), arguments, beam_flags)


def _train(plan: TrainPlan, arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    layout = Layout(plan.project.service_dir, plan.project.scratch_dir)
    _check_before_first_day(plan, arguments)
    # Behind what is refused: a warning in front of an error hides it.
    warn(*warnings_of(plan.project, plan.dag), *wrong_units(plan.project, plan.sources))
    _tell_of_damage(plan)
    _remember_copies(plan, layout)
    with interruptible() as state:
        code = _run(plan, arguments, beam_flags, state)
    if code == 0:
        print_run(layout, plan.plans)
        made: Dataset = "enriched" if plan.enriched else "skeleton"
        warn(*remarks(plan.project, plan.dag, plan.sources, made, plan.skeleton))
        answer_place(layout.dataset_dir(made))
    return code


def make_plan(arguments: argparse.Namespace, held: contextlib.ExitStack, *, checked: bool = False) -> TrainPlan:
    """Read, compile and plan; no day is written. Views of databases are exported, and `held` lets go of them.

    `checked` blocks the days that the check before the first day would refuse; a run makes this check itself.
    """
    project = open_project(arguments, arguments.service)
    dag = compile_runnable(project)
    if arguments.enrich_only and not dag.enrichments:
        raise UsageError(f"the service '{dag.service}' has no enrichment: train it without --enrich-only")
    days = chosen_days(project, arguments.target_date)
    skeleton_dag = dag.skeleton()
    sources = find_sources(project, skeleton_dag, held.enter_context(exported(project, skeleton_dag)))
    verify = getattr(arguments, "verify", False)
    skeleton = plan_skeleton(project, skeleton_dag, sources, days, arguments.on_stale, verify=verify)
    if checked and not arguments.enrich_only:
        skeleton = block_refused(project, skeleton_dag, sources, skeleton)
        skeleton = block_empty_range(project, sources, skeleton)
    wanted = bool(dag.enrichments) and not arguments.skeleton_only
    stores = StoresOfRun(arguments)
    enriched = plan_enriched(project, dag, skeleton, arguments.on_stale, stores.find, verify=verify) if wanted else ()
    return TrainPlan(project, dag, sources, skeleton, enriched, stores.pinned)


def _check_before_first_day(plan: TrainPlan, arguments: argparse.Namespace) -> None:
    """Everything that can be known before the first day; raises InputError, or DayError for --on-stale fail."""
    if not arguments.enrich_only and any(one.builds for one in plan.skeleton):
        require("skeleton")
        if "polars" in plan.dag.rolling_engines:
            require("polars")
    if any(one.builds for one in plan.enriched):
        require("enrichment")
    layout = Layout(plan.project.service_dir, plan.project.scratch_dir)
    check_writable(layout)
    if arguments.enrich_only:
        _require_skeleton(plan)
    else:
        refuse_empty_range(plan.project, plan.sources, plan.skeleton)
        refuse_blocked(plan.skeleton)
        check_sources(plan.project, plan.dag.skeleton(), plan.sources, [one.day for one in plan.skeleton if one.builds])
    if arguments.on_stale == "fail":
        refuse_stale([one for days in plan.plans.values() for one in days])


def _tell_of_damage(plan: TrainPlan) -> None:
    """Say which published days are not as they were published, and what becomes of them."""
    for dataset, days in plan.plans.items():
        for one in days:
            if one.damage:
                what = "kept as it is" if one.action is Action.KEEP else "built anew"
                say(f"warning: {dataset} {one.day}: {shortened(one.damage, 4)}: the day is {what}")


def _remember_copies(plan: TrainPlan, layout: Layout) -> None:
    """Days that were copied or touched and have the published bytes are not digested again by the next run."""
    for dataset, days in plan.plans.items():
        for one in days:
            if one.stamps and not one.builds:
                remember_stamps(layout, DayName(plan.project.service.name, dataset, one.day), one.stamps)


def _require_skeleton(plan: TrainPlan) -> None:
    """--enrich-only works on skeleton days that are there and fresh."""
    lacking = [one for one in plan.skeleton if one.action not in (Action.SKIP, Action.KEEP)]
    if lacking:
        what = ", ".join(f"{count} {kind}" for kind, count in (
            ("missing", sum(one.action is not Action.REBUILD for one in lacking)),
            ("stale", sum(one.action is Action.REBUILD for one in lacking)),
        ) if count)  # fmt: skip
        raise InputError(
            f"--enrich-only needs the skeleton of every day, and {len(lacking)} of {len(plan.skeleton)} are not ready "
            f"({what}): {shortened([one.day for one in lacking])}: build them with "
            f"`daeda pipeline train {plan.dag.service} --skeleton-only`"
        )


def _run(plan: TrainPlan, arguments: argparse.Namespace, beam_flags: Sequence[str], state: Interruptions) -> int:
    shared = as_flags(arguments, _SHARED)
    enrichment = [*shared, *setting_words(arguments, ENRICHMENT_FLAGS)]
    to_enrich = any(one.builds for one in plan.enriched)
    if to_enrich:
        # In a process of its own, so that neither the driver nor the skeleton ever imports lance.
        said: list[str] = []
        pinned = ["--pinned-stores", stores_to_text(plan.stores)] if plan.stores is not None else []
        check = ["--check", "all" if arguments.enrich_only else "stores"]
        code = run_subprocess("enrich", [*enrichment, *pinned, *check], state, output=said)
        if code:
            return code
        # What was checked is what is read: the number that a tag stood for, and the content behind it.
        stores = stores_from_text("".join(said))
        enrichment += ["--pinned-stores", stores_to_text(stores)]
    layout = Layout(plan.project.service_dir, plan.project.scratch_dir)
    repair(layout)
    # Flags of the runner are checked where they are understood, also when no day is to be built.
    runner = [*as_flags(arguments, {"worker_timeout": "--worker-timeout"}), *beam_flags]
    if not arguments.enrich_only and (runner or any(one.builds for one in plan.skeleton)):
        words = [*shared, *setting_words(arguments, SKELETON_FLAGS), *runner]
        code = _half("beam_pipeline", words, state, layout)
        if code:
            return code
        require_skeleton(plan.project, plan.dag.skeleton(), plan.skeleton)
    if to_enrich:
        code = _half("enrich", enrichment, state, layout)
        if code:
            return code
        require_enriched(plan.project, plan.dag, plan.enriched, stores)
    return 0


def _half(module: str, words: Sequence[str], state: Interruptions, layout: Layout) -> int:
    """Run a half, and clear what it left in staging where it could not do so itself."""
    code = run_subprocess(module, words, state)
    if code:
        repair(layout)
    return code


def sources_shown(plan: TrainPlan) -> list[tuple[str, Path | str]]:
    """Each view of the run and where its files are."""
    shown = {scan.view: plan.sources.files[scan.name].path for scan in plan.sources.scans}
    return list(shown.items())

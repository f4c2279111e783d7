"""`daeda pipeline train`: check everything, then run the skeleton and the enrichment, each in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import time
from collections.abc import Mapping, Sequence

from daeda.catalog.project import open_project
from daeda.checks.judge import told
from daeda.cli.answers import built_days, train_answer
from daeda.cli.consent import require_consent
from daeda.cli.lineage import expect_lineage, lineage_destination, tell_lineage
from daeda.cli.plan import TrainPlan, make_plan
from daeda.cli.summary import print_run
from daeda.compiler.unused import warnings_of
from daeda.dataset.layout import Dataset, Layout, layout_of
from daeda.dataset.manifest import DayName, Verdict
from daeda.dataset.publish.staging import check_writable, repair
from daeda.dataset.published import look_at_days
from daeda.dataset.stamps import remember_stamps
from daeda.dataset.stores import stores_from_text, stores_to_text
from daeda.durations import seconds_since
from daeda.errors import DayError, InputError, UsageError, counted, shortened
from daeda.flags.days import refuse_two_ranges
from daeda.flags.parser import forwarded, words_of
from daeda.flags.table import BUILD, CHECK, ENRICHMENT, OUTPUT, PINNED_STORES, PORTABLE, PROJECT, SKELETON
from daeda.lineage.untold import Untold
from daeda.planning.checks import judging_of
from daeda.planning.days import Action, refuse_blocked, refuse_stale, refuse_waiting, told_waiting
from daeda.planning.emptiness import refuse_empty_range, wrong_units
from daeda.planning.fulfilled import require_enriched, require_skeleton
from daeda.planning.preflight import check_sources
from daeda.planning.remarks import remarks
from daeda.process.extras import require
from daeda.process.messages import answer, answer_location, say, warn
from daeda.process.start_up import rarely_collected
from daeda.process.subprocesses import Interruptions, interruptible, run_subprocess
from daeda.statistics.kept import statistics_of


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
    refuse_two_ranges(arguments)
    with contextlib.ExitStack() as exports:
        with rarely_collected():
            plan = make_plan(open_project(arguments, arguments.service), arguments, exports)
        return _train(plan, arguments, beam_flags)


def _train(plan: TrainPlan, arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    layout = layout_of(plan.project)
    lineage = lineage_destination(plan.project, arguments)
    _check_before_first_day(plan, arguments)
    require_consent(plan.plans, arguments, layout)
    # After the refusals: a warning above an error hides it.
    warn(*warnings_of(plan.project, plan.dag), *wrong_units(plan.project, plan.sources))
    if not any(day.builds for days in plan.plans.values() for day in days) and (waiting := told_waiting(plan.skeleton)):
        # Where days are built, the half that leaves them out says so.
        say(waiting)
    _tell_of_damage(plan)
    _remember_copies(plan, layout)
    untold = None if lineage is None else Untold(layout, lineage)
    if untold is not None:
        expect_lineage(untold, plan)
    with interruptible() as state:
        code = _run(plan, arguments, beam_flags, state)
    try:
        failed = _finish(plan, arguments, layout) if code == 0 else 0
    finally:
        # The days are published, whatever is found of them behind the run.
        if lineage is not None and untold is not None:
            tell_lineage(lineage, untold, plan, layout, done=code == 0)
    return code or failed


def _finish(plan: TrainPlan, arguments: argparse.Namespace, layout: Layout) -> int:
    """Look at the days of a run that is done, and answer; returns the exit code, 1 where a check fails."""
    dataset: Dataset = "enriched" if plan.enriched else "skeleton"
    if arguments.statistics:
        _make_statistics(plan, layout, dataset)
    planned = [day.day for day in plan.skeleton]
    verdicts = judging_of(plan.project, plan.dag).judge(tuple(plan.plans), planned)
    days = built_days(layout, plan.plans, verdicts)
    print_run(layout.title, days)
    warn(*remarks(plan.project, plan.dag, plan.sources, dataset, plan.skeleton))
    if arguments.json:
        answer(train_answer(layout, days, plan.dag.service, dataset).text())
    else:
        answer_location(layout.dataset_dir(dataset))
    return _tell_verdicts(verdicts)


def _make_statistics(plan: TrainPlan, layout: Layout, dataset: Dataset) -> None:
    """Make the statistics of the published days that have none of their parts yet."""
    started = time.perf_counter()
    published = look_at_days(layout, dataset, [day.day for day in plan.skeleton])
    for there in published.values():
        if there.manifest is not None and not there.damage:
            statistics_of(layout, there.manifest)
    taken = seconds_since(started)
    say(f"statistics: {counted(len(published), 'day')}, {taken:.2f} s", days=len(published), seconds=round(taken, 3))


def _tell_verdicts(verdicts: Mapping[dt.date, Sequence[Verdict]]) -> int:
    """Tell what failed; returns the exit code, 1 where something must hold that does not."""
    code = 0
    for day, found in verdicts.items():
        for verdict in (one for one in found if one.outcome == "failed"):
            sentence = f"{day}: {told(verdict)}"
            if verdict.severity == "fail":
                say(sentence, "error", day=day, error=DayError.__name__)
                code = 1
            else:
                warn(sentence, day=day)
    return code


def _check_before_first_day(plan: TrainPlan, arguments: argparse.Namespace) -> None:
    """Everything that can be known before the first day; raises InputError, or DayError for --on-stale fail."""
    if not arguments.enrich_only and any(day.builds for day in plan.skeleton):
        require("skeleton")
        if "polars" in plan.dag.rolling_engines:
            require("polars")
    if any(day.builds for day in plan.enriched):
        require("enrichment")
    layout = layout_of(plan.project)
    check_writable(layout)
    refuse_waiting(plan.skeleton, arguments.target_date)
    if arguments.enrich_only:
        _require_skeleton(plan)
    else:
        refuse_empty_range(plan.project, plan.sources, plan.skeleton)
        refuse_blocked(plan.skeleton)
        check_sources(plan.project, plan.dag.skeleton(), plan.sources, [day.day for day in plan.skeleton if day.builds])
    if arguments.on_stale == "fail":
        refuse_stale([day for days in plan.plans.values() for day in days])


def _tell_of_damage(plan: TrainPlan) -> None:
    """Say which published days are not as they were published, and what becomes of them."""
    for dataset, days in plan.plans.items():
        for day in days:
            if day.damage:
                what = "kept as it is" if day.action is Action.KEEP else "built anew"
                warn(f"{dataset} {day.day}: {shortened(day.damage, 4)}: the day is {what}", day=day.day, half=dataset)


def _remember_copies(plan: TrainPlan, layout: Layout) -> None:
    """Days that were copied or touched and have the published bytes are not digested again by the next run."""
    for dataset, days in plan.plans.items():
        for day in days:
            if day.stamps and not day.builds:
                remember_stamps(layout, DayName(plan.project.service.name, dataset, day.day), day.stamps)


def _require_skeleton(plan: TrainPlan) -> None:
    """--enrich-only works on skeleton days that are there and fresh."""
    lacking = [day for day in plan.skeleton if day.action not in (Action.SKIP, Action.KEEP, Action.WAIT)]
    if lacking:
        stale = sum(day.replaces for day in lacking)
        counts = {"missing": len(lacking) - stale, "stale": stale}
        what = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        raise InputError(
            f"--enrich-only needs the skeleton of every day, and {len(lacking)} of {len(plan.skeleton)} are not ready "
            f"({what}): {shortened([day.day for day in lacking])}: build them with "
            f"`daeda pipeline train {plan.dag.service} --skeleton-only`"
        )


def _run(plan: TrainPlan, arguments: argparse.Namespace, beam_flags: Sequence[str], state: Interruptions) -> int:
    shared = forwarded(arguments, PROJECT, OUTPUT, BUILD)
    enrichment = [*shared, *forwarded(arguments, ENRICHMENT)]
    to_enrich = any(day.builds for day in plan.enriched)
    stores = plan.stores
    # A day that keeps its vectors needs no store.
    if to_enrich and (stores is None or any(day.reads_stores for day in plan.enriched)):
        # In a process of its own, so that neither the driver nor the skeleton ever imports lance.
        output: list[str] = []
        pinned = words_of(PINNED_STORES, stores_to_text(plan.stores)) if plan.stores is not None else []
        check = words_of(CHECK, "all" if arguments.enrich_only else "stores")
        code = run_subprocess("enrich", [*enrichment, *pinned, *check], state, output=output)
        if code:
            return code
        # What was checked is what is read: the number that a tag stood for, and the content of that version.
        stores = stores_from_text("".join(output))
    if stores is not None:
        enrichment += words_of(PINNED_STORES, stores_to_text(stores))
    layout = layout_of(plan.project)
    repair(layout)
    # Flags of the runner are checked by the skeleton, also when no day is to be built.
    runner = [*forwarded(arguments, PORTABLE), *beam_flags]
    if not arguments.enrich_only and (runner or any(day.builds for day in plan.skeleton)):
        words = [*shared, *forwarded(arguments, SKELETON), *runner]
        code = _run_and_repair("beam_pipeline", words, state, layout)
        if code:
            return code
        require_skeleton(plan.project, plan.dag.skeleton(), plan.skeleton)
    if to_enrich:
        code = _run_and_repair("enrich", enrichment, state, layout)
        if code:
            return code
        assert stores is not None
        require_enriched(plan.project, plan.dag, plan.enriched, stores)
    return 0


def _run_and_repair(module: str, words: Sequence[str], state: Interruptions, layout: Layout) -> int:
    """Run a subprocess, and remove what it left in staging where it could not do so itself."""
    code = run_subprocess(module, words, state)
    if code:
        repair(layout)
    return code

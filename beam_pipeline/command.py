"""`python -m beam_pipeline`: the skeleton alone. Our flags are parsed strictly; what Beam knows goes to Beam."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from beam_pipeline.runners.in_process import import_beam, runs_here
from beam_pipeline.runners.logging import quiet_logging
from daeda.errors import UsageError
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import BUILD, LOG, OUTPUT, PORTABLE, PROJECT, SKELETON, WORKER_TIMEOUT
from daeda.process.extras import require
from daeda.process.messages import run_command, warn
from daeda.process.parent_watch import is_driven, watch_parent
from daeda.process.start_up import rarely_collected
from daeda.process.supervision import supervised

if TYPE_CHECKING:
    from beam_pipeline.runners.choice import BeamRunner
    from daeda.catalog.project import Project
    from daeda.dataset.layout import Layout
    from daeda.operators.dag import Dag
    from daeda.planning.days import DayPlan
    from daeda.planning.extension import Extension
    from daeda.planning.sources import Sources
    from daeda.sources.files import Export

# Flags of Beam whose values daeda chooses, and how.
_CHOSEN_HERE = {
    "--direct_num_workers": "is decided by --day-workers",
    "--direct_running_mode": "is decided by --day-workers",
    "--job_name": "is decided by the run, which finds its job again by a name of its own: leave it out",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the skeleton days that need it; returns the exit code."""
    if arguments is None:
        return supervised("beam_pipeline", lambda: _run(sys.argv[1:], alone=True))
    return _run(arguments, alone=False)


def _run(words: Sequence[str], *, alone: bool) -> int:
    """`alone` says that the process does nothing else."""
    watch_parent()
    quiet_logging()
    return run_command(partial(_command, alone=alone), words)


def build_parser() -> StrictParser:
    """Our flags; those of Beam are looked up in Beam."""
    parser = StrictParser(
        prog="python -m beam_pipeline",
        description="Build the skeleton: the source-side operators of a service. Any flag of Apache Beam may follow.",
    )
    add_flags(parser, PROJECT, OUTPUT, BUILD, SKELETON, PORTABLE, LOG)
    return parser


def _command(words: Sequence[str], *, alone: bool) -> int:
    parser = build_parser()
    arguments, rest = parser.parse_known_args(words)
    require("skeleton")
    with ExitStack() as start:
        start.enter_context(rarely_collected())
        runner = _chosen_runner(parser, arguments, rest, alone=alone)

        from daeda.catalog.left_out import without_pandas
        from daeda.catalog.project import open_project
        from daeda.compiler.compile import compile_runnable
        from daeda.planning.exports import exported

        project = open_project(arguments)
        if alone and runner.in_process:
            without_pandas(project)
        dag = compile_runnable(project)
        skeleton = dag.skeleton()
        if "polars" in skeleton.rolling_engines:
            require("polars")
        with exported(project, skeleton) as exports:
            return _build(project, dag, exports, runner, arguments, start)


def _chosen_runner(
    parser: StrictParser, arguments: argparse.Namespace, rest: Sequence[str], *, alone: bool
) -> BeamRunner:
    if alone and runs_here(rest):
        import_beam()
    beam_flags = _beam_flags(parser, rest)
    from beam_pipeline.runners.choice import choose_runner

    runner = choose_runner(beam_flags)
    if runner.in_process and arguments.worker_timeout is not None:
        raise UsageError(
            f"--worker-timeout belongs to portable runners, and the days of {runner.name} are built by this process: "
            "remove it, or choose another --runner"
        )
    return runner


def _build(
    project: Project,
    dag: Dag,
    exports: Mapping[str, Export],
    runner: BeamRunner,
    arguments: argparse.Namespace,
    start: ExitStack,
) -> int:
    """Plan, check, and build; `start` holds what ends when the first day begins."""
    from beam_pipeline.runners.choice import check_addresses
    from daeda.compiler.unused import warnings_of
    from daeda.dataset.layout import layout_of
    from daeda.planning.due_days import DueDays
    from daeda.planning.emptiness import wrong_units
    from daeda.planning.fulfilled import require_skeleton
    from daeda.planning.preflight import check_sources
    from daeda.planning.remarks import remarks
    from daeda.planning.sources import find_sources

    skeleton = dag.skeleton()
    sources = find_sources(project, skeleton, exports)
    layout = layout_of(project)
    _check_writable(project, layout, runner)

    due = DueDays(layout, "skeleton", lambda: _plans(project, skeleton, sources, arguments))
    checked = check_sources(project, skeleton, sources, due.days)
    # The driver prints the warnings of the whole run itself.
    standalone = not is_driven()
    if standalone:
        warn(*warnings_of(project, dag), *wrong_units(project, sources))

    def build(to_build: tuple[dt.date, ...]) -> None:
        from beam_pipeline.pipeline import SkeletonRun, build_skeleton

        start.close()
        check_addresses(runner)
        timeout = WORKER_TIMEOUT if arguments.worker_timeout is None else arguments.worker_timeout

        def extensions() -> dict[dt.date, Extension]:
            return {plan.day: plan.extension for plan in due.plans if plan.extension is not None}

        asked = (arguments.on_locked, due.renew, arguments.profile, extensions)
        build_skeleton(SkeletonRun(project, skeleton, sources, checked, to_build, runner, timeout, *asked))
        require_skeleton(project, skeleton, due.plans)

    due.build(build, profile=arguments.profile)
    if standalone:
        warn(*remarks(project, dag, sources, "skeleton", due.plans))
    due.answer()
    return 0


def _plans(project: Project, skeleton: Dag, sources: Sources, arguments: argparse.Namespace) -> tuple[DayPlan, ...]:
    """The days as they are to be built by now; raises for those that cannot be."""
    from daeda.planning.days import chosen_days, plan_skeleton, refuse_blocked, refuse_stale, refuse_waiting
    from daeda.planning.emptiness import refuse_empty_range

    days = chosen_days(project, arguments.target_date)
    plans = plan_skeleton(project, skeleton, sources, days, arguments.on_stale, extend=not arguments.no_extend)
    refuse_waiting(plans, arguments.target_date)
    refuse_empty_range(project, sources, plans)
    refuse_blocked(plans)
    if arguments.on_stale == "fail":
        refuse_stale(plans)
    return plans


def _check_writable(project: Project, layout: Layout, runner: BeamRunner) -> None:
    from daeda.dataset.publish.staging import check_spill, check_writable

    check_writable(layout)
    spill = project.runtime.compute.duckdb_config.temp_directory
    # Workers on other hosts spill to their own disks.
    if spill is not None and runner.in_process:
        check_spill(project.root / spill)


def _beam_flags(parser: StrictParser, rest: Sequence[str]) -> tuple[str, ...]:
    """What is left for Beam and its job service; raises UsageError for what nobody knows."""
    words = [word for word in rest if word != "--"]
    if not words:
        return ()
    from beam_pipeline.runners.choice import all_and_unknown_flags

    for word in words:
        flag = word.partition("=")[0]
        if flag in _CHOSEN_HERE:
            parser.error(f"{flag} {_CHOSEN_HERE[flag]}")
    known, unknown = all_and_unknown_flags(words)
    if unknown:
        parser.refuse(unknown[0], known)
    return tuple(words)

"""`python -m beam_pipeline`: the skeleton alone. Our flags are parsed strictly; what Beam knows goes to Beam."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from beam_pipeline.runners.logging import quiet_logging
from daeda.errors import UsageError
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import BUILD, LOG, OUTPUT, PORTABLE, PROJECT, SKELETON, WORKER_TIMEOUT
from daeda.process.extras import require
from daeda.process.messages import run_command, warn
from daeda.process.parent_watch import is_driven, watch_parent
from daeda.process.supervision import supervised

if TYPE_CHECKING:
    from beam_pipeline.runners.choice import BeamRunner
    from daeda.catalog.project import Project
    from daeda.dataset.layout import Layout
    from daeda.operators.dag import Dag
    from daeda.planning.days import DayPlan
    from daeda.planning.extension import Extension
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
        return supervised("beam_pipeline", lambda: _run(sys.argv[1:]))
    return _run(arguments)


def _run(words: Sequence[str]) -> int:
    watch_parent()
    quiet_logging()
    return run_command(_command, words)


def build_parser() -> StrictParser:
    """Our flags; those of Beam are looked up in Beam."""
    parser = StrictParser(
        prog="python -m beam_pipeline",
        description="Build the skeleton: the source-side operators of a service. Any flag of Apache Beam may follow.",
    )
    add_flags(parser, PROJECT, OUTPUT, BUILD, SKELETON, PORTABLE, LOG)
    return parser


def _command(words: Sequence[str]) -> int:
    parser = build_parser()
    arguments, rest = parser.parse_known_args(words)
    require("skeleton")
    beam_flags = _beam_flags(parser, rest)
    from beam_pipeline.runners.choice import choose_runner

    runner = choose_runner(beam_flags)
    if runner.in_process and arguments.worker_timeout is not None:
        raise UsageError(
            f"--worker-timeout belongs to portable runners, and the days of {runner.name} are built by this process: "
            "remove it, or choose another --runner"
        )

    from daeda.catalog.project import open_project
    from daeda.compiler.compile import compile_runnable
    from daeda.planning.exports import exported

    project = open_project(arguments)
    dag = compile_runnable(project)
    skeleton = dag.skeleton()
    if "polars" in skeleton.rolling_engines:
        require("polars")
    with exported(project, skeleton) as exports:
        return _build(project, dag, exports, runner, arguments)


def _build(
    project: Project, dag: Dag, exports: Mapping[str, Export], runner: BeamRunner, arguments: argparse.Namespace
) -> int:
    from beam_pipeline.runners.choice import check_addresses
    from daeda.compiler.unused import warnings_of
    from daeda.dataset.layout import layout_of
    from daeda.planning.days import chosen_days, plan_skeleton, refuse_blocked, refuse_stale, refuse_waiting
    from daeda.planning.due_days import DueDays
    from daeda.planning.emptiness import refuse_empty_range, wrong_units
    from daeda.planning.fulfilled import require_skeleton
    from daeda.planning.preflight import check_sources
    from daeda.planning.remarks import remarks
    from daeda.planning.sources import find_sources

    skeleton = dag.skeleton()
    days = chosen_days(project, arguments.target_date)
    sources = find_sources(project, skeleton, exports)
    layout = layout_of(project)
    _check_writable(project, layout, runner)

    def make_plans() -> tuple[DayPlan, ...]:
        extend = not arguments.no_extend
        plans = plan_skeleton(project, skeleton, sources, days, arguments.on_stale, extend=extend)
        refuse_waiting(plans, arguments.target_date)
        refuse_empty_range(project, sources, plans)
        refuse_blocked(plans)
        if arguments.on_stale == "fail":
            refuse_stale(plans)
        return plans

    due = DueDays(layout, "skeleton", make_plans)
    checked = check_sources(project, skeleton, sources, due.days)
    # The driver prints the warnings of the whole run itself.
    standalone = not is_driven()
    if standalone:
        warn(*warnings_of(project, dag), *wrong_units(project, sources))

    def build(to_build: tuple[dt.date, ...]) -> None:
        from beam_pipeline.pipeline import SkeletonRun, build_skeleton

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

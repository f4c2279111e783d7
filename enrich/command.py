"""`python -m enrich`: the enrichment alone, over skeleton days that are published."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from daeda.errors import DayError, InputError, UsageError, UserError, shortened
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import BUILD, ENRICHMENT, LOG, OUTPUT, PROJECT, STORE_CHECKS
from daeda.process.extras import require
from daeda.process.messages import answer, run_command, say, warn
from daeda.process.parent_watch import is_driven
from daeda.process.start_up import rarely_collected
from daeda.process.supervised import is_supervised
from enrich.ray.supervisor import supervised

if TYPE_CHECKING:
    from daeda.catalog.project import Project
    from daeda.dataset.stores import FindStores, Stores
    from daeda.operators.dag import Dag
    from daeda.planning.days import DayPlan
    from daeda.planning.due_days import DueDays
    from daeda.planning.extension import Extension
    from daeda.sources.files import Export


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the enriched days that need it; returns the exit code."""
    if arguments is None:
        return supervised(lambda: run_command(_command, sys.argv[1:]))
    return run_command(_command, arguments)


def _command(words: Sequence[str]) -> int:
    arguments = build_parser().parse_strictly(words)

    with rarely_collected():
        from daeda.catalog.left_out import without_pandas
        from daeda.catalog.project import open_project
        from daeda.compiler.compile import compile_runnable
        from daeda.compiler.unused import warnings_of
        from daeda.dataset.layout import layout_of
        from daeda.dataset.stores import stores_from_text, stores_to_text
        from daeda.planning.days import chosen_days
        from daeda.planning.due_days import DueDays
        from daeda.planning.exports import exported
        from daeda.planning.fulfilled import require_enriched

        project = open_project(arguments)
    if (arguments.check or arguments.stores) and is_supervised():
        # Ray, which is not started for these, may want it.
        without_pandas(project)
    dag = compile_runnable(project)
    if not dag.enrichments:
        raise UsageError(
            f"service '{dag.service}' has no enrichment: none of its columns is of kind embedding, and its skeleton is "
            "the whole data set"
        )
    if arguments.check == "mistakes":
        answer(json.dumps(_mistakes(project, dag)))
        return 0
    require("stores" if arguments.stores else "enrichment")
    days = chosen_days(project, arguments.target_date)
    pinned = stores_from_text(arguments.pinned_stores) if arguments.pinned_stores else None
    if arguments.check or arguments.stores:
        # A skeleton that is about to be built anew need not be whole.
        looked = () if arguments.check == "stores" else days
        stores = _check(project, dag, looked, pinned) if arguments.check else _identify(project, dag, pinned)
        answer(stores_to_text(stores))
        return 0

    with exported(project, dag.skeleton()) as exports:

        @cache
        def find_stores() -> Stores:
            return _identify(project, dag, pinned)

        def make_plans() -> tuple[DayPlan, ...]:
            return _enriched_days(project, dag, exports, days, arguments, find_stores)

        due = DueDays(layout_of(project), "enriched", make_plans)
        # The driver prints the warnings of the whole run itself.
        if not is_driven():
            warn(*warnings_of(project, dag))

        def build(to_build: tuple[dt.date, ...]) -> None:
            _build(project, dag, to_build, arguments, due, find_stores())
            require_enriched(project, dag, due.plans, find_stores())

        due.build(build, profile=arguments.profile)
    due.answer()
    return 0


def build_parser() -> StrictParser:
    """The flags of the command."""
    parser = StrictParser(
        prog="python -m enrich",
        description="Build the enrichment: fill the embedding columns of skeleton days that are published.",
    )
    add_flags(parser, PROJECT, OUTPUT, BUILD, ENRICHMENT, STORE_CHECKS, LOG)
    return parser


def _identify(project: Project, dag: Dag, pinned: Stores | None) -> Stores:
    from enrich.preflight import identify_stores

    return identify_stores(project, dag, pinned)


def _check(project: Project, dag: Dag, days: Sequence[dt.date], pinned: Stores | None) -> Stores:
    from enrich.preflight import check_enrichment

    identities = check_enrichment(project, dag, days, pinned)
    stores = sorted({operator.store.name for operator in dag.enrichments})
    say(f"enrichment: {shortened(stores)} can be read{', and the skeleton days that are there' if days else ''}")
    return identities


def _mistakes(project: Project, dag: Dag) -> list[str]:
    """What keeps the stores from being read, a sentence for each."""
    try:
        require("enrichment")
        from enrich.preflight import check_enrichment

        check_enrichment(project, dag, ())
    except UserError as error:
        return list(error.sentences)
    return []


def _build(
    project: Project,
    dag: Dag,
    days: tuple[dt.date, ...],
    arguments: argparse.Namespace,
    due: DueDays,
    stores: Stores,
) -> None:
    from enrich.preflight import check_enrichment

    def extensions() -> dict[dt.date, Extension]:
        return {plan.day: plan.extension for plan in due.plans if plan.extension is not None}

    keeping = {day for day, extension in extensions().items() if not extension.vectors}
    if set(days) - keeping:
        check_enrichment(project, dag, days, stores)
    _clean_environment(project)
    from enrich.job import EnrichRun, build_enriched

    asked = (arguments.on_locked, due.renew, arguments.profile)
    build_enriched(EnrichRun(project, dag, days, *asked, stores, extensions))


def _clean_environment(project: Project) -> None:
    """Take from the environment what Ray would obey, before Ray is imported."""
    from enrich.ray.environment import clean

    sentence = clean(os.environ, project.runtime.ray.address)
    if sentence is not None:
        say(sentence)


def _enriched_days(
    project: Project,
    dag: Dag,
    exports: Mapping[str, Export],
    days: tuple[dt.date, ...],
    arguments: argparse.Namespace,
    find_stores: FindStores,
) -> tuple[DayPlan, ...]:
    """The plan of the enriched days; InputError where a skeleton day is not ready, DayError with `--on-stale fail`."""
    from daeda.dataset.layout import layout_of
    from daeda.dataset.publish.staging import check_writable
    from daeda.planning.days import plan_skeleton, refuse_waiting
    from daeda.planning.enriched_days import plan_enriched
    from daeda.planning.sources import find_sources

    source_side = dag.skeleton()
    on_stale = arguments.on_stale
    sources = find_sources(project, source_side, exports)
    skeleton = plan_skeleton(project, source_side, sources, days, on_stale, extend=not arguments.no_extend)
    refuse_waiting(skeleton, arguments.target_date)
    _require_skeleton(project, skeleton)
    check_writable(layout_of(project))
    plans = plan_enriched(project, dag, skeleton, on_stale, find_stores, extend=not arguments.no_extend)
    stale = [plan for plan in plans if plan.replaces]
    if stale and on_stale == "fail":
        raise DayError(
            f"{len(stale)} enriched days are stale: {shortened([plan.day for plan in stale])}; the first because "
            f"{shortened(stale[0].reasons)}; build them anew with --on-stale rebuild"
        )
    return plans


def _require_skeleton(project: Project, plans: Iterable[DayPlan]) -> None:
    unready = [plan for plan in plans if plan.builds or plan.action.value == "blocked"]
    if unready:
        reasons = unready[0].reasons or ("it is not there",)
        raise InputError(
            f"{len(unready)} skeleton days are missing or stale: {shortened([plan.day for plan in unready])}; "
            f"the first because {shortened(reasons)}; "
            f"run `daeda pipeline train {project.service.name} --skeleton-only` first"
        )

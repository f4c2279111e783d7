"""Days of a tiny project, built, extended and built anew in this process, without Beam."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from beam_pipeline.day.execution import run_operator
from beam_pipeline.day.extend import Chain, extending_chains
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import ThreadDaySlots
from beam_pipeline.workers.extending import given_up
from beam_pipeline.workers.immature import immature_labels
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, register_run
from daeda.compiler.checks import checks_of
from daeda.compiler.column_roles import column_kinds
from daeda.compiler.compile import compile_runnable
from daeda.compiler.identity import recipes_of
from daeda.dataset.layout import layout_of
from daeda.dataset.publish.staging import open_staging
from daeda.planning.configuration import function_codes
from daeda.planning.days import DayPlan, plan_skeleton
from daeda.planning.sources import find_sources
from tests.projects import TinyProject

# Of a manifest, what tells when and by what a day was made, and not what it is.
_OF_THE_RUN = ("seconds", "software", "stamps")


def build(
    project: TinyProject,
    output: str,
    *,
    extend: bool = True,
    meanwhile: Callable[[], None] = lambda: None,
    operators: list[str] | None = None,
) -> tuple[DayPlan, ...]:
    """Write the YAML and build the days below `output`; returns the plan that they were built by.

    `meanwhile` is called between the plan and the first day; the names of the operators that ran go to `operators`.
    """
    project.runtime["output_root"] = output
    loaded = project.write().load()
    dag = compile_runnable(loaded).skeleton()
    sources = find_sources(loaded, dag)
    plans = plan_skeleton(loaded, dag, sources, loaded.runtime.days, "rebuild", extend=extend)
    meanwhile()
    days = tuple(plan.day for plan in plans if plan.builds)
    extensions = {plan.day: plan.extension for plan in plans if plan.extension is not None}
    codes = function_codes(loaded, dag)
    with open_staging(layout_of(loaded)) as staging:
        context = RunContext(
            service="ranking", data_root=loaded.data_root, service_dir=str(loaded.service_dir),
            run_dir=str(staging.directory), limits=DayLimits(1 << 30, 2, ""), day_workers=1,
            rows_per_part=loaded.runtime.rows_per_part, label_columns=tuple(loaded.service.grain),
            project_root=str(loaded.root), functions=codes, recipes=recipes_of(dag, codes),
            version=loaded.service.version, checks=checks_of(loaded, dag),
            column_kinds=column_kinds(loaded.service, dag),
            immature=immature_labels(sources.immature, dag, recipes_of(dag, codes)),
        )  # fmt: skip
        ran = [] if operators is None else operators
        for chain in extending_chains(dag, context, extensions, sources.immature):
            _run(chain, ran)
        left = given_up(context.run_dir, extensions)
        rest = tuple(day for day in days if day in left or day not in extensions)
        _run(Chain(rest, dag.operators, replace(context, days=rest)), ran)  # type: ignore[arg-type]
    return plans


def _run(chain: Chain, ran: list[str]) -> None:
    register_run(chain.context, ThreadDaySlots(1))
    try:
        for day in chain.days:
            handle = begin(chain.context, DayHandle(day))
            session = session_of(handle)
            for operator in chain.operators:
                for of_day in chain.context.operators_of(day, operator):
                    if handle.given_up:
                        break
                    with timed(session, of_day.name):
                        handle = run_operator(session, of_day, handle)
                    ran.append(of_day.name)
            if not handle.given_up:
                session.close()
    finally:
        forget_run(chain.context)


def published(project: TinyProject, output: str) -> dict[str, Any]:
    """The bytes of the parts of all days, and their manifests but for times and software."""
    found: dict[str, Any] = {}
    for path in sorted((project.root / output / "ranking/skeleton").rglob("*")):
        name = str(path.relative_to(project.root / output))
        if path.name == "_manifest.json":
            found[name] = {key: value for key, value in json.loads(path.read_text()).items() if key not in _OF_THE_RUN}
            for file in found[name]["inputs"]:
                # A file that was written again with the same content leaves the days that read it as they are.
                del file["mtime_ns"], file["ctime_ns"]
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def manifest(project: TinyProject, output: str, day: dt.date) -> Path:
    """Where the manifest of a day is."""
    return project.root / output / "ranking/skeleton" / f"dt={day}" / "_manifest.json"

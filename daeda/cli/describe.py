"""The commands that describe and build nothing: plan, explain, compile."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from daeda.catalog.project import Project
from daeda.cli.flags import open_project
from daeda.cli.summary import print_plan
from daeda.cli.train import make_plan, sources_shown
from daeda.compiler.compile import compile_project, project_dag
from daeda.compiler.pipeline_file import PIPELINES, edited_path, pipeline_text, write_generated
from daeda.compiler.unused import warnings_of
from daeda.errors import ConfigError
from daeda.planning.days import chosen_days
from daeda.planning.emptiness import wrong_units
from daeda.planning.explain import explain_text
from daeda.planning.explain_sql import explain_sql
from daeda.planning.mermaid import mermaid
from daeda.process.console import HarmlessConsole
from daeda.process.messages import answer, say, warn


def plan(arguments: argparse.Namespace) -> int:
    """Which days would be built, skipped or rebuilt, and why."""
    with contextlib.ExitStack() as held:
        found = make_plan(arguments, held, checked=True)
        warn(*warnings_of(found.project, found.dag), *wrong_units(found.project, found.sources))
        print_plan(HarmlessConsole(), found.plans, sources_shown(found))
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """The DAG as text, as SQL, or as a flowchart."""
    project = open_project(arguments, arguments.service)
    dag = project_dag(project)
    if edited_path(project).exists():
        say(f"from {_shown(edited_path(project))}, which takes the place of the compiled pipeline")
    if arguments.sql:
        day = chosen_days(project, arguments.target_date)[0]
        answer(explain_sql(dag.skeleton(), day, project.runtime.rows_per_part))
    elif arguments.format == "mermaid":
        answer(mermaid(dag))
    else:
        answer(explain_text(dag))
    return 0


def compile_service(arguments: argparse.Namespace) -> int:
    """Write the compiled pipeline, unless told otherwise, and echo it."""
    project = open_project(arguments, arguments.service)
    dag = compile_project(project)
    edited = edited_path(project)
    if not arguments.no_write:
        say(f"written to {_shown(write_generated(dag, arguments.output_dir or project.root / PIPELINES))}")
    if edited.exists():
        say(f"{_shown(edited)} takes its place: delete or rename it to train what was compiled")
        _warn_of_edited(project)
    answer(pipeline_text(dag.to_model()).removesuffix("\n"))
    return 0


def _warn_of_edited(project: Project) -> None:
    """What is compiled does not depend on the hand-edited file, so its mistakes are told and refuse nothing here."""
    try:
        project_dag(project)
    except ConfigError as error:
        warn(*error.sentences)


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

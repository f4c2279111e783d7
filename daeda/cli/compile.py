"""`daeda pipeline compile`: the operators of a service as a YAML file, which can be edited by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from daeda.catalog.project import Project, open_project
from daeda.compiler.compile import compile_project, project_dag
from daeda.compiler.edited import PIPELINES, edited_path
from daeda.compiler.pipeline_file import pipeline_text, write_generated
from daeda.errors import ConfigurationError
from daeda.process.messages import answer, say, warn


def compile_service(arguments: argparse.Namespace) -> int:
    """Write the compiled pipeline, unless told otherwise, and echo it; returns the exit code."""
    project = open_project(arguments, arguments.service)
    dag = compile_project(project)
    edited = edited_path(project)
    if not arguments.no_write:
        say(f"written to {shown_path(write_generated(dag, arguments.output_dir or project.root / PIPELINES))}")
    if edited.exists():
        say(f"{shown_path(edited)} takes its place: delete or rename it to train what was compiled")
        _warn_of_edited(project)
    answer(pipeline_text(dag.to_model()).removesuffix("\n"))
    return 0


def shown_path(path: Path) -> Path:
    """The path as it is printed: relative to the working directory, if it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _warn_of_edited(project: Project) -> None:
    """The compiled pipeline does not depend on the hand-edited file, so mistakes in that are warnings here."""
    try:
        project_dag(project)
    except ConfigurationError as error:
        warn(*error.sentences)

"""`daeda audit leakage`: the audit in a process of its own, as the skeleton and the enrichment are."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from daeda.catalog.project import Project, open_project
from daeda.dataset.layout import layout_of
from daeda.dataset.publish.staging import open_local_staging
from daeda.errors import UserError, first_line
from daeda.flags.parser import forwarded, words_of
from daeda.flags.table import ANSWER, AUDIT, CONFIGURATION, OUTPUT, PROJECT
from daeda.planning.configuration import configuration_text
from daeda.process.messages import say
from daeda.process.subprocesses import interruptible, run_subprocess
from daeda.settings.runtime import AUDIT_WORK_VARIABLE
from daeda.sources.models.source import DatabaseSource
from daeda.storage.location import ObjectPath, is_object


def audit_leakage(arguments: argparse.Namespace) -> int:
    """Run the audit; returns its exit code, 1 where something leaks."""
    project = open_project(arguments, arguments.service)
    words = [arguments.service, *forwarded(arguments, PROJECT, OUTPUT, AUDIT, ANSWER)]
    with _configuration(project) as configuration, interruptible() as state, _directory_for_copies(project):
        return run_subprocess("daeda_audit", [*words, *configuration], state, result_on_stdout=True)


@contextlib.contextmanager
def _configuration(project: Project) -> Iterator[list[str]]:
    """The flag that tells the audit, which cannot compile, what days would be built from now."""
    try:
        text = configuration_text(project)
    except UserError as error:
        say(f"note: whether days were built from this configuration is not known: {first_line(error)}")
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="daeda-audit-") as directory:
        path = Path(directory) / "configuration.json"
        path.write_text(text, encoding="utf-8")
        yield words_of(CONFIGURATION, path)


@contextlib.contextmanager
def _directory_for_copies(project: Project) -> Iterator[None]:
    """A staging directory for what the audit copies of other storage; the next run removes what a killed one left."""
    sources = [view.source for view in project.views.values()]
    if not isinstance(project.service_dir, ObjectPath) and not any(
        isinstance(source, DatabaseSource) or is_object(project.data_path(source.path)) for source in sources
    ):
        yield
        return
    with open_local_staging(layout_of(project)) as staging:
        os.environ[AUDIT_WORK_VARIABLE] = str(staging.work)
        try:
            yield
        finally:
            del os.environ[AUDIT_WORK_VARIABLE]

"""`daeda check`: everything that can be known without building, all mistakes at once, and hints at leaks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from daeda.answers.findings import CheckAnswer, FoundHint, SeenTimes
from daeda.catalog.left_out import without_pandas
from daeda.catalog.project import Project, open_project
from daeda.compiler.checks import checks_of
from daeda.compiler.compile import compile_runnable
from daeda.compiler.unused import unused_fields
from daeda.errors import SubprocessFailed, UserError, counted
from daeda.flags.parser import forwarded, words_of
from daeda.flags.table import CHECK, OUTPUT, PROJECT
from daeda.operators.dag import Dag
from daeda.planning.checks import told_checks
from daeda.planning.configuration import function_codes
from daeda.planning.exports import exported
from daeda.planning.grain_hint import grain_hints
from daeda.planning.leak_hints import Hint, ViewTimes, leak_hints
from daeda.planning.mistakes import Looked, look_at_input, look_at_views
from daeda.planning.one_file import one_file_views
from daeda.process.extras import require
from daeda.process.messages import answer, say, warn
from daeda.process.subprocesses import interruptible, run_subprocess
from daeda.process.supervised import is_supervised


def check(arguments: argparse.Namespace) -> int:
    """Look at the project of a service; returns the exit code, 2 where a day could not be built."""
    try:
        project = open_project(arguments, arguments.service)
    except UserError as error:
        if not arguments.json:
            raise
        _tell(arguments, arguments.service or "", Looked(error.sentences, ()), [], [])
        return error.exit_code
    if is_supervised():
        without_pandas(project)
    looked, hints, times = _look(project, arguments)
    _tell(arguments, project.service.name, looked, hints, times)
    return UserError.exit_code if looked.mistakes else 0


def _look(project: Project, arguments: argparse.Namespace) -> tuple[Looked, list[Hint], list[ViewTimes]]:
    try:
        dag = compile_runnable(project)
    except UserError as error:
        # A field that its files do not have comes first: what the service says of it follows from that.
        return Looked((*look_at_views(project), *error.sentences), project.warnings), [], []
    mistakes: list[str] = []
    for find in (lambda: function_codes(project, dag), lambda: _find_extras(dag)):
        try:
            find()
        except UserError as error:
            mistakes += error.sentences
    hints: list[Hint] = []
    times: list[ViewTimes] = []
    try:
        with exported(project, dag.skeleton()) as exports:
            looked = look_at_input(project, dag, exports)
            if looked.sources is not None:
                hints, times = leak_hints(project, dag, looked.sources)
                hints += grain_hints(project, looked.sources)
    except UserError as error:
        looked = Looked(error.sentences, project.warnings)
    if dag.enrichments and not mistakes:
        mistakes += _mistakes_of_stores(arguments)
    told = told_checks(checks_of(project, dag))
    in_one = one_file_views(project, looked.sources) if looked.sources is not None else ()
    notes = (*looked.notes, *told, *in_one, *unused_fields(project, dag))
    return replace(looked, mistakes=(*mistakes, *looked.mistakes), notes=notes), hints, times


def _find_extras(dag: Dag) -> None:
    if "polars" in dag.rolling_engines:
        require("polars")
    if dag.enrichments:
        require("stores")


def _mistakes_of_stores(arguments: argparse.Namespace) -> list[str]:
    """What is wrong with the embedding stores, by the process that may open them.

    Raises SubprocessFailed where it ends without an answer; it has said why.
    """
    words = [*forwarded(arguments, PROJECT, OUTPUT), *words_of(CHECK, "mistakes")]
    output: list[str] = []
    with interruptible() as state:
        code = run_subprocess("enrich", words, state, output=output)
    if code:
        raise SubprocessFailed(code)
    found: list[str] = json.loads("".join(output))
    return found


def _tell(
    arguments: argparse.Namespace, service: str, looked: Looked, hints: Sequence[Hint], times: Sequence[ViewTimes]
) -> None:
    if arguments.json:
        document = CheckAnswer(
            service=service,
            mistakes=looked.mistakes,
            warnings=looked.warnings,
            notes=looked.notes,
            hints=tuple(FoundHint(**asdict(hint)) for hint in hints),
            views=tuple(
                SeenTimes(view=one.view, first=one.first, newest=one.newest, partitions=one.partitions) for one in times
            ),
        )
        answer(document.text())
        return
    for sentence in looked.mistakes:
        say(sentence, "error")
    warn(*looked.warnings)
    for note in looked.notes:
        say(note)
    for hint in hints:
        say(str(hint), "hint")
    for one in times:
        partitions = f", {counted(one.partitions, 'partition')}" if one.partitions else ""
        say(f"{one.view}: from {one.first} to {one.newest} UTC{partitions}")
    if not looked.mistakes:
        told = f", {counted(len(hints), 'hint')}" if hints else ""
        told += f", {counted(len(looked.warnings), 'warning')}" if looked.warnings else ""
        if told and not sys.stdout.isatty():
            # They are not on the stream of this line.
            told += " (see stderr)"
        answer(f"{service}: nothing is wrong{told}")

"""What `daeda preview` answers: rows as they are made, or what is behind one of them; the heavy imports are here."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from beam_pipeline.in_memory.features import FeatureRows, open_features
from daeda.catalog.project import Project
from daeda.compiler.compile import compile_runnable
from daeda.errors import UsageError, counted, did_you_mean, shortened
from daeda.flags.table import PREVIEW_ROWS
from daeda.operators.dag import Dag
from daeda.process.console import HarmlessConsole
from daeda.process.extras import require
from daeda.process.messages import answer, answer_location, say
from daeda.storage.objects import before_the_first_day
from daeda_preview.documents import as_json, write_output
from daeda_preview.own_table import read_rows
from daeda_preview.terminal import print_rows


def preview(project: Project, arguments: argparse.Namespace) -> int:
    """Make the rows that the flags ask for, and show them; returns the exit code."""
    dag = compile_runnable(project)
    if "polars" in dag.rolling_engines:
        require("polars")
    # Whatever is refused is a mistake of the input, or of the configuration: no day of a run fails here.
    with before_the_first_day():
        return _preview(project, dag, arguments)


def _preview(project: Project, dag: Dag, arguments: argparse.Namespace) -> int:
    columns = [name.strip() for name in arguments.columns.split(",")] if arguments.columns else None
    for name in columns or ():
        if name not in dag.output.names:
            raise UsageError(f"--columns: no column '{name}': {did_you_mean(name, dag.output.names)}")
    if arguments.explain is not None:
        return _explain(project, dag, arguments, columns)
    with open_features(project, dag) as features:
        if arguments.spine is None:
            day = _day_of(project, arguments.day)
            made = features.of_day(day, first_rows=arguments.rows or PREVIEW_ROWS, columns=columns)
            whose = f"{day}, the first {counted(made.table.num_rows, 'row')}"
        else:
            given = read_rows(arguments.spine, dag.spine)
            given = given.slice(0, arguments.rows) if arguments.rows else given
            made = features.of_rows(given, columns=columns)
            whose = f"{counted(made.table.num_rows, 'row')} of {arguments.spine}"
    table = _with_vectors(project, made)
    if columns is not None:
        table = table.select(columns)
    _tell_what_is_missing(made)
    if arguments.json:
        answer(as_json(project.service.name, table, made.left_out))
    elif arguments.output is not None:
        write_output(arguments.output, table, lambda: as_json(project.service.name, table, made.left_out))
        answer_location(arguments.output.absolute())
    else:
        print_rows(HarmlessConsole(), table, f"{project.service.name}: {whose}")
    return 0


def _explain(project: Project, dag: Dag, arguments: argparse.Namespace, columns: Sequence[str] | None) -> int:
    """The row as it is made, beside what the audit finds behind it."""
    # The audit and what it reads is loaded for this alone.
    from daeda_preview.explained import RowExplanation, check_row, refuse_difference
    from daeda_preview.reasons_terminal import print_reasons

    number = arguments.explain
    with open_features(project, dag) as features:
        explanation = RowExplanation(project, features.exports, number, columns)
        if arguments.spine is None:
            day = _day_of(project, arguments.day)
            made = features.of_day(day, first_rows=number + 1, columns=columns)
            check_row(number, made.table.num_rows, str(day))
            row = _with_vectors(project, replace(made, table=made.table.slice(number, 1)))
            explained = explanation.of_day(made, row, day)
        else:
            given = read_rows(arguments.spine, dag.spine)
            check_row(number, given.num_rows, str(arguments.spine))
            given = given.slice(number, 1)
            made = features.of_rows(given, columns=columns)
            explained = explanation.of_file(made, _with_vectors(project, made), given, arguments.spine)
    _tell_what_is_missing(made)
    if arguments.json:
        answer(explained.text())
    else:
        print_reasons(HarmlessConsole(), explained)
    refuse_difference(project, explained)
    return 0


def _day_of(project: Project, text: str | None) -> dt.date:
    """The day that is named, which may lie outside of the range; else the first of the range."""
    if text is None:
        return project.runtime.days[0]
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--day '{text}' is not a day: write YYYY-MM-DD") from error


def _with_vectors(project: Project, made: FeatureRows) -> pa.Table:
    if not made.dag.enrichments:
        return made.table
    require("stores")
    from enrich.in_memory import fill_vectors

    return fill_vectors(project, made.dag, made.table)


def _tell_what_is_missing(made: FeatureRows) -> None:
    by_reason: dict[str, list[str]] = {}
    for name, reason in made.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        say(f"left out, since {reason}: {shortened(names, 8)}")
    for note in made.notes:
        say(f"note: {note}")

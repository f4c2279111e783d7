"""`python -m daeda_preview`: what `daeda preview` runs in a process of its own, which may import what it needs."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from beam_pipeline.in_memory.features import FeatureRows, open_features
from daeda.catalog.project import Project, open_project
from daeda.compiler.compile import compile_runnable
from daeda.errors import UsageError, counted, did_you_mean, shortened
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import PREVIEW, PREVIEW_ROWS, PROJECT
from daeda.operators.dag import Dag
from daeda.process.console import HarmlessConsole
from daeda.process.extras import require
from daeda.process.messages import answer, answer_location, run_command, say
from daeda.process.parent_watch import watch_parent
from daeda.storage.objects import before_the_first_day
from daeda_preview.documents import as_json, check_output, write_output
from daeda_preview.own_table import read_rows
from daeda_preview.terminal import print_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Show features of a service; returns the exit code."""
    watch_parent()
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(
        prog="python -m daeda_preview", description="Features of a few rows, in memory; nothing is published."
    )
    parser.add_argument("service", nargs="?")
    add_flags(parser, PROJECT, PREVIEW)
    arguments = parser.parse_strictly(words)
    check_flags(arguments)
    project = open_project(arguments, arguments.service)
    dag = compile_runnable(project)
    if "polars" in dag.rolling_engines:
        require("polars")
    # Whatever is refused is a mistake of the input, or of the configuration: no day of a run fails here.
    with before_the_first_day():
        return _preview(project, dag, arguments)


def check_flags(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags that exclude each other."""
    if arguments.spine is not None and arguments.day is not None:
        raise UsageError("--day chooses rows of the service, and --spine gives rows of your own: give one of them")
    if arguments.json and arguments.output is not None:
        raise UsageError("--json prints the rows, and --output writes them to a file: give one of them")
    if arguments.explain is not None and arguments.output is not None:
        raise UsageError("--explain tells of one row, and --output writes rows to a file: give one of them")
    if arguments.explain is not None and arguments.rows is not None:
        raise UsageError("--explain names one row by its number, and --rows says how many are shown: give one of them")
    if arguments.output is not None:
        check_output(arguments.output)


def _preview(project: Project, dag: Dag, arguments: argparse.Namespace) -> int:
    columns = [name.strip() for name in arguments.columns.split(",")] if arguments.columns else None
    if arguments.explain is not None:
        return _explain(project, dag, arguments, columns)
    with open_features(project, dag) as features:
        if arguments.spine is None:
            day = _day_of(project, arguments.day)
            made = features.of_day(day, first_rows=arguments.rows or PREVIEW_ROWS)
            whose = f"{day}, the first {counted(made.table.num_rows, 'row')}"
        else:
            given = read_rows(arguments.spine, dag.spine)
            given = given.slice(0, arguments.rows) if arguments.rows else given
            made = features.of_rows(given, columns=columns)
            whose = f"{counted(made.table.num_rows, 'row')} of {arguments.spine}"
    table = _with_vectors(project, made)
    if columns is not None:
        table = table.select(_known(columns, table))
    _tell_left_out(made)
    if arguments.json:
        answer(as_json(project.service.name, table, made.left_out))
    elif arguments.output is not None:
        write_output(table, arguments.output)
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
            made = features.of_day(day, first_rows=number + 1)
            check_row(number, made.table.num_rows, str(day))
            row = _with_vectors(project, replace(made, table=made.table.slice(number, 1)))
            explained = explanation.of_day(made, row, day)
        else:
            given = read_rows(arguments.spine, dag.spine)
            check_row(number, given.num_rows, str(arguments.spine))
            given = given.slice(number, 1)
            made = features.of_rows(given, columns=columns)
            explained = explanation.of_file(made, _with_vectors(project, made), given, arguments.spine)
    _tell_left_out(made)
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


def _known(columns: Sequence[str], table: pa.Table) -> list[str]:
    for name in columns:
        if name not in table.column_names:
            raise UsageError(f"--columns: no column '{name}': {did_you_mean(name, table.column_names)}")
    return list(columns)


def _tell_left_out(made: FeatureRows) -> None:
    by_reason: dict[str, list[str]] = {}
    for name, reason in made.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        say(f"left out, since {reason}: {shortened(names, 8)}")

"""`daeda diff`: in what two sets of published days differ, and what explains it."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

from daeda.answers.difference import AloneRow, AloneRows, ChangedSchema, DiffAnswer, DifferentColumn, DifferentValue
from daeda.catalog.project import Project, open_project
from daeda.cli.diff_page import page
from daeda.cli.diff_text import text
from daeda.compiler.compile import project_dag
from daeda.dataset.layout import layout_of
from daeda.dataset.selection import parse_selector
from daeda.dataset.tagged_days import require_tagged
from daeda.diff.explained import UNKNOWN, Makers, makers_of
from daeda.diff.run import ColumnDifference, Difference, Options, RowsAlone, compare_sides
from daeda.diff.sides import Side, dataset_to_compare, is_directory, side_of_directory, side_of_layout
from daeda.diff.values import Tolerance
from daeda.errors import InputError, UsageError, UserError, first_line, refusal
from daeda.flags.days import days_of_words
from daeda.process.console import wrapped
from daeda.process.messages import answer, say

# What is compared longer than this is told day by day.
_FEW_DAYS = 3


def diff(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code: 0 where nothing differs, 1 where something does."""
    if arguments.html is not None:
        _check_target(arguments.html)
    days = _days(arguments)
    projects: dict[str | None, Project] = {}
    here, there = (_side(arguments, word, projects) for word in (arguments.here, arguments.there))
    dataset = dataset_to_compare(here, there, arguments.dataset)
    tolerance = Tolerance(arguments.tolerance, arguments.relative_tolerance)
    options = Options(_grain(arguments, projects), tolerance, grain_asked=arguments.grain is not None)
    found = compare_sides(here, there, dataset, days, options, _makers(projects), _tell)
    document = document_of(found)
    if arguments.html is not None:
        try:
            arguments.html.write_text(page(document), encoding="utf-8")
        except OSError as error:
            raise InputError(f"--html {refusal(error)}") from error
    answer(document.text() if arguments.json else wrapped(text(document)))
    return 0 if document.equal else 1


def _tell(day: dt.date, done: int, days: int) -> None:
    if days > _FEW_DAYS and sys.stderr.isatty():
        say(f"compared {day} ({done}/{days})")


def _check_target(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--html {path} cannot be written: name a file in a directory that is there")


def _days(arguments: argparse.Namespace) -> list[dt.date] | None:
    if arguments.day is not None and arguments.days:
        raise UsageError("--day is one day of --days: give one or the other")
    words = [arguments.day] if arguments.day is not None else arguments.days
    return days_of_words(words, "--days" if arguments.day is None else "--day") if words else None


def _side(arguments: argparse.Namespace, word: str, projects: dict[str | None, Project]) -> Side:
    if is_directory(word):
        return side_of_directory(word)
    selector = parse_selector(word)
    if selector.service not in projects:
        # What one service noted of its files must not be taken for the flags of the other.
        given = argparse.Namespace(**vars(arguments))
        projects[selector.service] = open_project(given, selector.service)
    layout, tag = selector.open(layout_of(projects[selector.service]))
    if tag is not None:
        require_tagged(layout, tag)
    return side_of_layout(layout)


def _grain(arguments: argparse.Namespace, projects: dict[str | None, Project]) -> tuple[str, ...]:
    """The columns that name a row: those of --grain, otherwise the grain and the time of the service."""
    if arguments.grain is not None:
        names = tuple(name.strip() for name in arguments.grain.split(",") if name.strip())
        if not names:
            raise UsageError("--grain names no column: write NAME or NAME,NAME")
        return names
    for project in projects.values():
        service = project.service
        times = [column.name for column in service.columns if column.kind == "timestamp"]
        return (*service.grain, *times)
    return ()


def _makers(projects: dict[str | None, Project]) -> Makers:
    """What columns depend on; a project that cannot be compiled now explains less, and hinders nothing."""
    for project in projects.values():
        try:
            return makers_of(project_dag(project))
        except UserError as error:
            say(f"note: what columns depend on is not known: {first_line(error)}")
    return UNKNOWN


def document_of(found: Difference) -> DiffAnswer:
    """What was found, as --json answers it."""
    return DiffAnswer(
        here=found.here,
        there=found.there,
        dataset=found.dataset,
        equal=found.is_empty,
        days=tuple(found.days),
        same_bytes=tuple(found.same_bytes),
        days_only_here=tuple(found.days_only_here),
        days_only_there=tuple(found.days_only_there),
        key=found.key,
        rows_here=found.rows_here,
        rows_there=found.rows_there,
        paired=found.paired,
        changed=found.changed,
        only_here=_alone(found.only_here),
        only_there=_alone(found.only_there),
        rows_why=found.rows_why,
        schema_changes=tuple(
            ChangedSchema.model_validate(
                {"column": one.column, "what": one.what, "here": one.here, "there": one.there, "days": tuple(days)}
            )
            for one, days in found.schema.items()
        ),
        columns=tuple(_column(name, column) for name, column in found.columns.items()),
        made_otherwise=tuple(_column(name, column) for name, column in found.remade.items()),
        notes=tuple(found.notes),
    )


def _alone(rows: RowsAlone) -> AloneRows:
    examples = tuple(AloneRow(day=day, key=key) for day, key in rows.examples)
    return AloneRows(rows=rows.count, days=tuple(rows.days), examples=examples)


def _column(name: str, column: ColumnDifference) -> DifferentColumn:
    tally = column.tally
    return DifferentColumn(
        column=name,
        rows=tally.differ,
        null_here=tally.null_here,
        null_there=tally.null_there,
        numbers=tally.numbers,
        greatest=tally.greatest if tally.numbers else None,
        mean=tally.mean,
        days=tuple(column.days),
        why=column.why,
        examples=tuple(
            DifferentValue(day=day, key=dict(example.key), here=example.here, there=example.there)
            for day, example in zip(column.example_days, tally.examples, strict=True)
        ),
    )

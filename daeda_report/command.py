"""`python -m daeda_report`: what `daeda report` runs in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from daeda.answers.findings import ReportAnswer, ReportFinding
from daeda.catalog.project import Project, open_project
from daeda.compiler.compile import project_dag
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import ANSWER, OUTPUT, PROJECT, REPORT, REPORT_INPUTS
from daeda.process.messages import answer, answer_location, run_command, say
from daeda.process.parent_watch import watch_parent
from daeda.storage.objects import before_the_first_day
from daeda_report.chosen import chosen_days, reference_days
from daeda_report.document import Document, document_of
from daeda_report.file import html_file, write_file
from daeda_report.page import page
from daeda_report.planned import read_planned


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a service; returns the exit code."""
    watch_parent()
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(prog="python -m daeda_report", description="One HTML file about a training set.")
    parser.add_argument("service", nargs="?")
    add_flags(parser, PROJECT, OUTPUT, REPORT, REPORT_INPUTS, ANSWER)
    arguments = parser.parse_strictly(words)
    project = open_project(arguments, arguments.service)
    file = html_file("--output", arguments.output or Path(f"{project.service.name}-report.html"))
    days = chosen_days(project, arguments.days)
    reference = reference_days(project, arguments.reference)
    with before_the_first_day():
        document = document_of(project, project_dag(project), days, reference, read_planned(arguments.planned))
    write_file("--output", file, page(document))
    say(document.told)
    if arguments.json:
        answer(_answer(project, document, file).text())
    else:
        answer_location(file)
    return 0


def _answer(project: Project, document: Document, file: Path) -> ReportAnswer:
    findings = tuple(
        ReportFinding(kind=one.kind, column=one.column, first_day=one.first_day, days=one.days, told=one.told)
        for one in document.findings
    )
    return ReportAnswer(
        service=project.service.name,
        file=str(file),
        days=document.days,
        published=document.published,
        findings=findings,
    )

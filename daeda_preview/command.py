"""`python -m daeda_preview`: what `daeda preview` runs in a process of its own, which may import what it needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from daeda.catalog.left_out import without_pandas
from daeda.catalog.project import open_project
from daeda.errors import UsageError
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import PREVIEW, PROJECT
from daeda.process.messages import run_command
from daeda.process.parent_watch import watch_parent
from daeda.process.start_up import rarely_collected
from daeda_preview.files import check_output


def main(arguments: Sequence[str] | None = None, *, alone: bool = False) -> int:
    """Show features of a service; returns the exit code. `alone` says that the process does nothing else."""
    watch_parent()
    return run_command(partial(_command, alone=alone), sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str], *, alone: bool) -> int:
    parser = StrictParser(
        prog="python -m daeda_preview", description="Features of a few rows, in memory; nothing is published."
    )
    parser.add_argument("service", nargs="?")
    add_flags(parser, PROJECT, PREVIEW)
    arguments = parser.parse_strictly(words)
    check_flags(arguments)
    with rarely_collected():
        project = open_project(arguments, arguments.service)
        if alone:
            without_pandas(project)
        from daeda_preview.answering import preview

    return preview(project, arguments)


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

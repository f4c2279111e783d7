"""`python -m daeda.planning.export_views`: views of databases as Parquet, for the audit, which has no way into one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from daeda.catalog.project import Project, open_project
from daeda.errors import UsageError
from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import PROJECT
from daeda.planning.exports import export_views, wanted_of
from daeda.process.messages import run_command
from daeda.sources.exports.request import Wanted
from daeda.sources.models.source import DatabaseSource


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the named views, each as it is now or, of a DuckLake, as `view@snapshot`; returns the exit code."""
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(
        prog="python -m daeda.planning.export_views", description="Export views of databases to Parquet."
    )
    parser.add_argument("service")
    add_flags(parser, PROJECT)
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="an empty directory")
    parser.add_argument("--view", nargs="+", required=True, metavar="VIEW[@SNAPSHOT]")
    arguments = parser.parse_strictly(words)
    project = open_project(arguments, arguments.service)
    export_views(project, [_wanted(project, word) for word in arguments.view], arguments.into)
    return 0


def _wanted(project: Project, word: str) -> Wanted:
    name, _, snapshot = word.partition("@")
    view = project.views.get(name)
    source = view.source if view is not None else None
    if snapshot.isdigit() and isinstance(source, DatabaseSource):
        source = source.at(int(snapshot))
    elif snapshot:
        source = None
    if view is None or not isinstance(source, DatabaseSource):
        raise UsageError(
            f"--view '{word}' is not a view in a database: name one, with the number of a snapshot or none"
        )
    return wanted_of(view, source)


if __name__ == "__main__":
    sys.exit(main())

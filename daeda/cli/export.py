"""`python -m daeda.cli.export`: views of databases as Parquet, for the audit, which has no way into one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from daeda.catalog.project import Project
from daeda.cli.flags import StrictParser, add_project_flags, open_project
from daeda.errors import UsageError
from daeda.planning.exports import export_views
from daeda.process.messages import run_command
from daeda.sources.database_export import Wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the named views, each as it is now or, of a DuckLake, as `view@snapshot`; returns the exit code."""
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(prog="python -m daeda.cli.export", description="Export views of databases to Parquet.")
    parser.add_argument("service")
    add_project_flags(parser)
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="an empty directory")
    parser.add_argument("--view", nargs="+", required=True, metavar="VIEW[@SNAPSHOT]")
    arguments = parser.parse_strictly(words)
    project = open_project(arguments, arguments.service)
    export_views(project, [_wanted(project, word) for word in arguments.view], arguments.into)
    return 0


def _wanted(project: Project, word: str) -> Wanted:
    name, _, snapshot = word.partition("@")
    view = project.views.get(name)
    if view is None or not view.source.in_database or (snapshot and not snapshot.isdigit()):
        raise UsageError(
            f"--view '{word}' is not a view in a database: name one, with the number of a snapshot or none"
        )
    return Wanted(view, int(snapshot) if snapshot else None)


if __name__ == "__main__":
    sys.exit(main())

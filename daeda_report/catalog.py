"""`python -m daeda_report.catalog`: the HTML file of `daeda catalog --html`, out of what the driver hands over."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from daeda.flags.parser import StrictParser, add_flags
from daeda.flags.table import CATALOG_INPUTS
from daeda.process.messages import answer_location, run_command
from daeda.process.parent_watch import watch_parent
from daeda.process.supervision import supervised
from daeda.storage.regular import read_regular
from daeda_report.file import html_file, write_file
from daeda_report.page import catalog_page

# A project has at most some thousand views and services.
_MOST_BYTES = 1 << 28


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the catalog; returns the exit code."""
    watch_parent()
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def _command(words: Sequence[str]) -> int:
    parser = StrictParser(prog="python -m daeda_report.catalog", description="One HTML file about a project.")
    add_flags(parser, CATALOG_INPUTS)
    arguments = parser.parse_strictly(words)
    file = html_file("--html", arguments.html)
    content = json.loads(read_regular(arguments.content, _MOST_BYTES))
    write_file("--html", file, catalog_page(content["title"], content))
    answer_location(file)
    return 0


if __name__ == "__main__":
    raise SystemExit(supervised("daeda_report.catalog", main))

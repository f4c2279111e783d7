"""`daeda preview`: features of a few rows, in a process of its own; neither Beam nor Ray, and nothing is published."""

from __future__ import annotations

import argparse

from daeda.flags.parser import forwarded
from daeda.flags.table import PREVIEW, PROJECT
from daeda.process.subprocesses import interruptible, run_subprocess


def preview(arguments: argparse.Namespace) -> int:
    """Show the rows; returns the exit code."""
    service = [] if arguments.service is None else [arguments.service]
    words = [*service, *forwarded(arguments, PROJECT, PREVIEW)]
    with interruptible() as state:
        return run_subprocess("daeda_preview", words, state, result_on_stdout=True)

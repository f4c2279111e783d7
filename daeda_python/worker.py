"""The process that computes features: it reads a request, and writes what `making` makes of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from daeda.catalog.left_out import without_pandas
from daeda.catalog.project import open_project
from daeda.process.messages import run_command
from daeda.process.start_up import rarely_collected
from daeda_python.request import Exchange


def main(words: Sequence[str]) -> int:
    """Answer the request in the directory that is named; returns the exit code."""
    return run_command(_command, words)


def _command(words: Sequence[str]) -> int:
    exchange = Exchange(Path(words[0]))
    request = exchange.asked()
    arguments = argparse.Namespace(
        runtime_config_path=request.runtime,
        aggregation_config_path=None,
        feature_views_dir=None,
        feature_services_dir=None,
    )
    with rarely_collected():
        project = open_project(arguments, request.service)
        without_pandas(project)
        from daeda_python.making import make

    exchange.answer(make(project, request, exchange))
    return 0

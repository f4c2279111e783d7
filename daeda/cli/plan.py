"""`daeda pipeline plan`: which days would be built, skipped or rebuilt, and why."""

from __future__ import annotations

import argparse
import contextlib

from daeda.cli.planned import make_plan
from daeda.cli.summary import print_plan
from daeda.compiler.unused import warnings_of
from daeda.planning.emptiness import wrong_units
from daeda.process.console import HarmlessConsole
from daeda.process.messages import warn


def plan(arguments: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    with contextlib.ExitStack() as exports:
        planned = make_plan(arguments, exports, checked=True)
        warn(*warnings_of(planned.project, planned.dag), *wrong_units(planned.project, planned.sources))
        print_plan(HarmlessConsole(), planned.plans, planned.paths)
    return 0

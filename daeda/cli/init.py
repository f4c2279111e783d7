"""`daeda init`: a first project out of files, with one of its days built."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from daeda.errors import UsageError
from daeda.init_project.answers import Answering, Flagged, Proposed, Terminal, answers_of
from daeda.init_project.create import RUNTIME, Created, create_project
from daeda.installed import install_command
from daeda.process.messages import answer_location, prompted, say
from daeda.process.subprocesses import interruptible, run_subprocess


def init(arguments: argparse.Namespace) -> int:
    """Make the project; returns the exit code."""
    root = Path(arguments.directory)
    sources = getattr(arguments, "from") or ()
    created = create_project(root, sources, _answering(arguments), say, arguments.max_rejected)
    say(f"wrote {len(created.files)} files below {root}: each proposal stands in them, with others behind #")
    code = 0 if arguments.no_build else _try(created)
    if code == 0:
        _tell_next(created)
        if created.told_of_rejected:
            say(created.told_of_rejected, "error")
            code = 1
        answer_location(root)
    return code


def _answering(arguments: argparse.Namespace) -> Answering:
    """Who answers: the file first, then a person at a terminal; without one what is proposed stands."""
    asked = not arguments.yes and sys.stdin.isatty() and sys.stderr.isatty()
    rest: Answering = Terminal(say, _read) if asked else Proposed()
    answering = answers_of(arguments.answers, rest)
    return Flagged(arguments.predict, answering) if arguments.predict is not None else answering


def _read(prompt: str) -> str:
    typed = prompted(prompt)
    if typed is None:
        raise UsageError("nobody answers any more, and nothing was written: run again, or give --yes or --answers FILE")
    return typed


def _try(created: Created) -> int:
    """Build the last day of the range; where Beam is not installed, make some of its rows in memory."""
    day = str(created.days.last)
    project = ["--runtime-config-path", str(created.root / RUNTIME)]
    with interruptible() as state:
        if find_spec("apache_beam") is not None:
            say(f"building {day}, to try it")
            words = ["pipeline", "train", *project, "--target-date", day]
            return run_subprocess("daeda", words, state)
        say(f"making rows of {day} in memory, to try it; to build days: {install_command('beam')}")
        return run_subprocess("daeda_preview", [*project, "--day", day], state, output=[])


def _tell_next(created: Created) -> None:
    away = created.root.absolute() != Path.cwd()
    say("")
    say("next:")
    for words, why in (
        (f"cd {shlex.quote(str(created.root))}", "") if away else ("", ""),
        ("daeda check", "what is wrong, and hints at leaks"),
        ("daeda preview", "a few rows; --explain 0 says why a value is what it is"),
        ("daeda train", f"all days, {created.days.first} to {created.days.last}"),
    ):
        if words:
            say(f"  {words:<16}{why}".rstrip())
    say("and in Python, of the days that are built:")
    say(f'  daeda.dataset("output", "{created.proposal.service}").polars().collect()')

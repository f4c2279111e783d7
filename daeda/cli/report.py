"""`daeda report`: the plan of the days is made here, and the file by a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from pathlib import Path

from daeda.catalog.project import open_project
from daeda.cli.answers import plan_answer
from daeda.cli.plan import make_plan
from daeda.errors import DayError, InputError, StorageError, SubprocessFailed, first_line
from daeda.flags.parser import forwarded, words_of
from daeda.flags.table import ANSWER, OUTPUT, PLANNED, PROJECT, REPORT
from daeda.planning.checks import known_verdicts
from daeda.planning.explain import availability
from daeda.planning.maturity import Maturity
from daeda.process.messages import say, warn
from daeda.process.subprocesses import interruptible, run_subprocess


def report(arguments: argparse.Namespace) -> int:
    """Write the report; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="daeda-report-") as directory:
        planned = Path(directory) / "planned.json"
        planned.write_text(json.dumps(_planned(arguments)), encoding="utf-8")
        service = [] if arguments.service is None else [arguments.service]
        words = [*service, *forwarded(arguments, PROJECT, OUTPUT, REPORT, ANSWER), *words_of(PLANNED, planned)]
        with interruptible() as state:
            code = run_subprocess("daeda_report", words, state, result_on_stdout=True)
    if code == 0 and arguments.open:
        _show(_file_of(arguments))
    return code


def _planned(arguments: argparse.Namespace) -> dict[str, object]:
    """What train would do with the days, or why that is not known: a source that is away takes no report away."""
    try:
        with contextlib.ExitStack() as exports:
            plan = make_plan(open_project(arguments, arguments.service), arguments, exports)
            labels = Maturity(plan.dag, plan.sources.files, plan.project.runtime.data_until).told()
            notes = (*availability(plan.dag), *labels)
            days = [day.day for day in plan.skeleton]
            verdicts = known_verdicts(plan.project, plan.dag, tuple(plan.plans), days).by_day
            answer = plan_answer(plan.dag.service, plan.plans, plan.paths, notes, verdicts)
            return {"plan": answer.model_dump(mode="json")}
    except (InputError, DayError, StorageError) as error:
        problem = first_line(error)
    except SubprocessFailed:
        # The enrichment has said what is wrong with its stores.
        problem = "the embedding stores cannot be read"
    warn(f"which days are stale or missing is not known: {problem}")
    return {"problem": problem}


def _file_of(arguments: argparse.Namespace) -> Path:
    given: Path | None = arguments.output
    return (given or Path(f"{arguments.service}-report.html")).absolute()


def _show(path: Path) -> None:
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        say(f"no browser can be started here: open {path}")

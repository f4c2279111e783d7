"""`daeda doctor`: whether this host, what is installed and what a project reaches are fit for a run."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from daeda.catalog.find import runtime_files
from daeda.doctor.finding import Finding, Probe, run_probes
from daeda.doctor.machine import machine_probes
from daeda.doctor.software import software_probes
from daeda.errors import UsageError, UserError, counted
from daeda.flags.parser import forwarded
from daeda.flags.table import OUTPUT, PROJECT
from daeda.process.console import HarmlessConsole
from daeda.process.messages import answer

if TYPE_CHECKING:
    from daeda.doctor.project import Service

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}
_WRONG = 1


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything; returns the exit code, 1 where something is wrong."""
    seconds: float = arguments.seconds
    services: list[Service] = []
    project = run_probes([Probe("project", lambda: _open(arguments, services), seconds)])
    needed, reached = _of_project(services, seconds)
    here = [*machine_probes(enriches="ray" in needed), *software_probes(needed)]
    own = run_probes([Probe(one.what, one.look, seconds) for one in here])
    findings = [*own, *project, *run_probes(reached)]
    if arguments.json:
        _answer_json(findings, services)
    else:
        _print(findings)
    return _WRONG if any(finding.state == "wrong" for finding in findings) else 0


def _open(arguments: argparse.Namespace, services: list[Service]) -> Iterator[Finding]:
    """Read and compile every service of the project that the working directory is in, into `services`."""
    from daeda.catalog.project import open_project
    from daeda.compiler.compile import compile_runnable
    from daeda.doctor.project import Service

    given = arguments.runtime_config_path
    try:
        files = runtime_files() if given is None else [given]
    except UsageError:
        yield Finding("ok", "project", "none here: its data, output and stores are looked at in a project")
        return
    for path in files:
        own = argparse.Namespace(**{**vars(arguments), "runtime_config_path": path})
        try:
            project = open_project(own)
            dag = compile_runnable(project)
        except UserError as error:
            for sentence in error.sentences:
                yield Finding("wrong", f"project {path}", sentence, "`daeda check` tells all mistakes at once")
            continue
        services.append(Service(project, dag, forwarded(own, PROJECT, OUTPUT)))
        yield Finding(
            "ok",
            f"service {dag.service}",
            f"{counted(len(dag.operators), 'operator')}, {project.documents['runtime'].shown}",
        )


def _of_project(services: Sequence[Service], seconds: float) -> tuple[set[str], list[Probe]]:
    """The extras that the services need, and the probes of what they reach."""
    if not services:
        return set(), []
    from daeda.doctor.project import needed_extras, project_probes

    return needed_extras(services), project_probes(services, seconds)


def _answer_json(findings: Sequence[Finding], services: Sequence[Service]) -> None:
    from daeda.answers.findings import DoctorAnswer, DoctorFinding

    found = tuple(DoctorFinding(state=one.state, what=one.what, seen=one.seen, advice=one.advice) for one in findings)
    answer(DoctorAnswer(services=tuple(one.dag.service for one in services), findings=found).text())


def _print(findings: Sequence[Finding]) -> None:
    """A row per finding, what to do below what was seen, and how many are not as they should be."""
    console = HarmlessConsole()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("state", no_wrap=True)
    table.add_column("what", overflow="fold", max_width=max(16, console.width // 4))
    table.add_column("seen", overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.state, style=_COLOURS[finding.state]), finding.what, finding.seen)
        if finding.advice:
            table.add_row("", "", f"-> {finding.advice}")
    console.print(table)
    told = {"wrong": "wrong", "warning": "to be looked at"}
    counts = Counter(told.get(finding.state, "") for finding in findings)
    worse = [f"{counts[word]} {word}" for word in told.values() if counts[word]]
    answer(f"{counted(len(findings), 'thing')} looked at: {', '.join(worse) or 'nothing is wrong'}")

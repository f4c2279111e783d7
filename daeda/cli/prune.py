"""`daeda prune`: what is published and needed by nobody, listed and removed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby

from daeda.answers.published import PruneAnswer, UnneededThing
from daeda.catalog.project import open_project
from daeda.cli.consent import Declined
from daeda.cli.tags_told import days_told, size_told
from daeda.dataset.layout import Layout, layout_of
from daeda.dataset.pruning import Left, Unneeded, unneeded
from daeda.dataset.publish.removal import remove
from daeda.errors import UsageError, counted
from daeda.process.messages import answer, ask, say


def prune(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.dry_run and arguments.yes:
        raise UsageError("--dry-run removes nothing, and --yes answers whether to: give one of them")
    project = open_project(arguments, arguments.service)
    layout = layout_of(project)
    found, left = unneeded(layout, frozenset(project.runtime.days))
    if not arguments.json:
        for line in _lines(found):
            answer(line)
        for one in left:
            say(f"left: {one.location}: {one.clause}")
    size = size_told(sum(one.size for one in found))
    if not found:
        say(f"{layout.title}: nothing to remove")
    elif arguments.dry_run:
        say(f"{counted(len(found), 'thing')} to remove, {size}; nothing was removed")
    else:
        _require_yes(arguments, found, size)
        remove(found)
        say(f"{counted(len(found), 'thing')} removed, {size}")
    if arguments.json:
        answer(_document(layout, found, left, removed=bool(found) and not arguments.dry_run).text())
    return 0


def _require_yes(arguments: argparse.Namespace, found: Sequence[Unneeded], size: str) -> None:
    if arguments.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{counted(len(found), 'thing')} to remove, {size}, and nobody to ask: look with --dry-run, remove with "
            "--yes; nothing was removed"
        )
    if not ask(f"remove {counted(len(found), 'thing')}, {size}, for good?"):
        raise Declined("nothing was removed")


def _lines(found: Sequence[Unneeded]) -> list[str]:
    """A line for the days of each version and dataset, and one for each of the rest."""
    lines = []
    days = [one for one in found if one.day is not None]
    for (layout, dataset, why), together in groupby(days, key=lambda one: (one.layout, one.dataset, one.why)):
        group = list(together)
        told = days_told([one.day for one in group if one.day is not None])
        size = size_told(sum(one.size for one in group))
        where = layout.version_dir if dataset is None else layout.dataset_dir(dataset)
        lines.append(f"{where}: {counted(len(group), 'day')}, {told}, {size}: {why}")
    lines += [f"{one.location}: {size_told(one.size)}: {one.why}" for one in found if one.day is None]
    return lines


def _document(layout: Layout, found: Sequence[Unneeded], left: Sequence[Left], *, removed: bool) -> PruneAnswer:
    things = tuple(
        UnneededThing(
            kind=one.kind,
            version=one.layout.version,
            dataset=one.dataset,
            day=one.day,
            location=str(one.location),
            size=one.size,
            why=one.why,
        )
        for one in found
    )
    clauses = {str(one.location): one.clause for one in left}
    return PruneAnswer(service=layout.service, things=things, removed=removed, left=clauses)

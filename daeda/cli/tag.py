"""`daeda tag`: published days under a name that keeps them as they are."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from daeda.answers.published import TagAnswer
from daeda.catalog.project import Project, open_project
from daeda.cli.consent import Declined
from daeda.cli.tags_told import days_told, described_tag, size_told
from daeda.dataset.layout import Layout, layout_of
from daeda.dataset.publish.tag_removal import delete_tag
from daeda.dataset.publish.tagging import make_tag
from daeda.dataset.tags import Tag, check_tag_name, tag_names, tags_there
from daeda.errors import InputError, UsageError, counted, did_you_mean
from daeda.flags.days import days_of_words
from daeda.process.console import HarmlessConsole
from daeda.process.messages import answer, answer_location, ask, say
from daeda.storage.location import ObjectPath


def tag(arguments: argparse.Namespace) -> int:
    """Make, remove or list tags; returns the exit code."""
    _check_flags(arguments)
    project = open_project(arguments, arguments.service)
    layout = layout_of(project)
    if arguments.name is None:
        return _list(arguments, layout)
    check_tag_name(arguments.name)
    if arguments.delete:
        return _delete(arguments, layout)
    days = _days(project, arguments)
    made, copies = make_tag(layout, arguments.name, days)
    say(_made(made, copies, layout))
    target = layout.of_tag(made.name)
    if arguments.json:
        answer(TagAnswer(service=layout.service, tags=(described_tag(layout, made),)).text())
    else:
        answer_location(target.version_dir)
    return 0


def _check_flags(arguments: argparse.Namespace) -> None:
    chosen = [f"--{name}" for name in ("days", "start", "end") if getattr(arguments, name) is not None]
    if arguments.days and len(chosen) > 1:
        raise UsageError("--days names the days, and --start and --end their range: give one or the other")
    if arguments.name is None and (chosen or arguments.delete):
        raise UsageError(f"{(*chosen, '--delete')[0]} belongs to a tag: name it behind the service")
    if arguments.delete and chosen:
        raise UsageError(f"--delete removes a whole tag, and a tag never changes: leave out {chosen[0]}")
    if arguments.yes and not arguments.delete:
        raise UsageError("--yes answers the question of --delete: give both, or neither")


def _days(project: Project, arguments: argparse.Namespace) -> Sequence[dt.date]:
    return days_of_words(arguments.days) if arguments.days else project.runtime.days


def _made(made: Tag, copies: int, layout: Layout) -> str:
    days, first, last = made.days, made.days[0], made.days[-1]
    told = f"tag {layout.service}@{made.name}: {counted(len(days), 'day')}, {first} to {last}, {size_told(made.size)}"
    if isinstance(layout.service_dir, ObjectPath):
        return f"{told}, copied by the server"
    if copies:
        return f"{told}; {counted(copies, 'part')} copied, for the file system links none"
    return f"{told}, linked: its files are the published ones, and read-only now"


def _delete(arguments: argparse.Namespace, layout: Layout) -> int:
    names = tag_names(layout)
    if arguments.name not in names:
        raise InputError(f"{layout.service} has no tag '{arguments.name}': {did_you_mean(arguments.name, names)}")
    if not arguments.yes and sys.stdin.isatty() and sys.stderr.isatty():
        say(f"{layout.service}@{arguments.name}: what no longer lies among the published days goes for good")
        if not ask("remove the tag?"):
            raise Declined(f"nothing was done: the tag '{arguments.name}' stays")
    delete_tag(layout, arguments.name)
    say(f"tag {layout.service}@{arguments.name} removed")
    if arguments.json:
        answer(TagAnswer(service=layout.service, tags=()).text())
    return 0


def _list(arguments: argparse.Namespace, layout: Layout) -> int:
    tags = [described_tag(layout, there) for there in tags_there(layout)]
    unfinished = sorted(set(tag_names(layout)) - {there.name for there in tags})
    for name in unfinished:
        say(f"{layout.service}@{name} is not whole: make it again, or remove it with --delete", "warning")
    if arguments.json:
        answer(TagAnswer(service=layout.service, tags=tuple(tags)).text())
        return 0
    if not tags:
        say(f"{layout.service} has no tags")
        return 0
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("tag", "version", "days", "rows", "size", "made"):
        table.add_column(title, overflow="fold")
    for one in tags:
        made = one.made.strftime("%Y-%m-%d %H:%M")
        table.add_row(one.name, str(one.version), days_told(one.days), f"{one.rows:,}", size_told(one.size), made)
    HarmlessConsole().print(table)
    return 0

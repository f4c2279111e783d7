"""`daeda erase`: which published days hold somebody's rows, or lists with the id, and the same days without it."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import sys
from collections.abc import Iterable, Mapping, Sequence

from daeda.answers.published import EraseAnswer, HeldDay
from daeda.catalog.project import Project, open_project
from daeda.cli.train import train
from daeda.compiler.compile import compile_runnable
from daeda.dataset.holding import Holding, Wanted, holdings
from daeda.dataset.layout import DATASETS, Layout, layout_of
from daeda.dataset.tags import read_tag, tag_names
from daeda.dataset.versions import versions_there
from daeda.errors import DayError, InputError, counted, shortened
from daeda.flags.parser import forwarded
from daeda.flags.table import OUTPUT, PROJECT
from daeda.planning.erasure import fields_behind, still_there, wanted_of
from daeda.planning.exports import exported
from daeda.planning.maturity import Maturity, Waiting
from daeda.planning.sources import find_sources
from daeda.process.messages import answer, say
from daeda.statistics.kept import forget_outdated, forget_statistics

# In one message.
_MOST_NAMED = 6


def erase(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    project = open_project(arguments, arguments.service)
    wanted = wanted_of(project, arguments.key)
    layout = layout_of(project)
    layouts = [layout.of_version(version) for version in versions_there(layout)]
    layouts += [_of_tag(layout, name) for name in tag_names(layout)]
    found = [held for there in layouts for held in holdings(there, wanted)]
    if not arguments.json:
        for held in found:
            answer(str(held))
    ours = [held for held in found if held.layout == layout and held.published]
    others = [held for held in found if held not in ours]
    kept, waits = _in_sources(project, wanted, ours)
    late = [held for held in ours if held.day in waits]
    ours = [held for held in ours if held.day not in waits]
    if arguments.json:
        answer(_document(project.service.name, wanted, found, ours, kept).text())
    if not found:
        if not arguments.dry_run:
            _forget_outdated(layouts)
        say(f"no day of {project.service.name} holds {wanted}")
        return 0
    if arguments.dry_run:
        told = [f"delete first: {clause}" for clause in kept]
        told += [f"{_not_ours(layout, held)}: {held.directory}" for held in others]
        told += [f"waits, and is not built again before: {waits[held.day]}: {held.directory}" for held in late]
        told.append(
            f"{counted(len(found), 'published day')} with {wanted}, by version and dataset; nothing was changed"
        )
        for line in told:
            say(line)
        return 0
    if kept:
        raise InputError(
            f"{counted(len({held.day for held in ours}), 'day')} would hold {wanted} again, for the sources have it: "
            f"{shortened(kept, _MOST_NAMED)}{_all_named(kept)}: delete it there first, then erase again; "
            "nothing was changed"
        )
    try:
        if ours:
            _build_without(arguments, project, layout, wanted, ours)
    finally:
        _forget_outdated(layouts)
    if others or late:
        raise DayError(*_left(layout, wanted, others), *_waiting(wanted, late, waits))
    return 0


def _of_tag(layout: Layout, name: str) -> Layout:
    """The layout of a tag, of the version that was tagged where that is known."""
    with contextlib.suppress(InputError):  # a file that is none of a tag tells no version, and its days are looked into
        tag = read_tag(layout.of_tag(name))
        if tag is not None:
            return layout.of_version(tag.version).of_tag(name)
    return layout.of_tag(name)


def _left(layout: Layout, wanted: Wanted, others: Sequence[Holding]) -> list[str]:
    """What still holds the value, and what is to be done with it: a sentence for the versions, and one for each tag."""
    places = [str(held.directory) for held in others if held.layout.tag is None]
    told = []
    if places:
        told.append(
            f"days of another version, or without a manifest, still hold {wanted}: {shortened(places, _MOST_NAMED)}"
            f"{_all_named(places)}: remove them, or erase those of a version with its contract, from your history"
        )
    for tag in dict.fromkeys(held.layout.tag for held in others if held.layout.tag is not None):
        days = sorted({held.day for held in others if held.layout.tag == tag})
        told.append(
            f"the tag '{tag}' still holds {wanted}, on {shortened(days, _MOST_NAMED)}: remove it with `daeda tag "
            f"{layout.service} {tag} --delete`, and tag the days that are published now"
        )
    return told


def _waiting(wanted: Wanted, late: Sequence[Holding], waits: Mapping[dt.date, Waiting]) -> list[str]:
    """What is to be done with days that were published before they had a label for which they wait now."""
    if not late:
        return []
    last = waits[max(held.day for held in late)]
    places = [str(held.directory) for held in late]
    return [
        f"days that wait for their labels still hold {wanted}, and are not built before: {last}: "
        f"{shortened(places, _MOST_NAMED)}{_all_named(places)}: erase again then, or remove them now: they are built "
        "when they no longer wait"
    ]


def _build_without(
    arguments: argparse.Namespace, project: Project, layout: Layout, wanted: Wanted, ours: Sequence[Holding]
) -> None:
    """Build the days again; raises DayError where one still holds the value."""
    try:
        code = _rebuild(arguments, project, ours)
    finally:
        # Also where a day fails: of those that are built again nothing is kept that names the value.
        for day in {held.day for held in ours}:
            for dataset in DATASETS:
                forget_statistics(layout, dataset, day)
    left = list(holdings(layout, wanted, {held.day for held in ours}))
    if left and code:
        days = sorted({held.day for held in left})
        raise DayError(f"not built again: {shortened(days, _MOST_NAMED)}: run again, after the error above")
    if left:
        raise DayError(f"still there after the days were built again: {shortened(left, 4)}: remove them by hand")
    say(f"{counted(len({held.day for held in ours}), 'day')} built again without {wanted}")


def _forget_outdated(layouts: Sequence[Layout]) -> None:
    """Statistics of days as they were before somebody built them again may still name the value."""
    count = sum(forget_outdated(layout) for layout in layouts)
    if count:
        say(f"removed kept statistics of days that are not published so any more: {counted(count, 'file')}")


def _not_ours(layout: Layout, held: Holding) -> str:
    """What is to be done with days that the command does not build again."""
    if held.layout.tag is not None:
        service, name = held.layout.service, held.layout.tag
        return f"of the tag '{name}', remove it with `daeda tag {service} {name} --delete`"
    if held.layout == layout:
        return "without a manifest, remove by hand"
    return f"of version {held.layout.version}, remove by hand, or erase with its contract from your history"


def _all_named(places: Sequence[str]) -> str:
    """Where the rest of a list is that a message cuts."""
    return " (--dry-run names all)" if len(places) > _MOST_NAMED else ""


def _document(
    service: str, wanted: Wanted, found: Sequence[Holding], ours: Sequence[Holding], kept: Sequence[str]
) -> EraseAnswer:
    days = tuple(
        HeldDay(
            version=held.layout.version,
            tag=held.layout.tag,
            dataset=held.dataset,
            day=held.day,
            directory=str(held.directory),
            rows=held.rows,
            lists=held.lists,
            built_again=held in ours,
        )
        for held in found
    )
    return EraseAnswer(service=service, key=str(wanted), days=days, sources=tuple(kept))


def _in_sources(
    project: Project, wanted: Wanted, ours: Sequence[Holding]
) -> tuple[Sequence[str], Mapping[dt.date, Waiting]]:
    """What the days to be built again would read of the value, and those that cannot be built, for a label waits."""
    if not ours:
        return (), {}
    dag = compile_runnable(project).skeleton()
    lists = fields_behind(project, {column for held in ours for column in held.lists})
    with exported(project, dag) as exports:
        sources = find_sources(project, dag, exports)
        maturity = Maturity(dag, sources.files, project.runtime.data_until)
        days = sorted({held.day for held in ours})
        waits = {day: labels[-1] for day in days if (labels := maturity.waiting(day))}
        # What a waiting day reads is not there yet.
        built = [day for day in days if day not in waits]
        return tuple(still_there(sources, dag, wanted, built, lists)), waits


def _rebuild(arguments: argparse.Namespace, project: Project, ours: Sequence[Holding]) -> int:
    """Build the days again, whole; a day of which no enriched one is published stays so. Returns the exit code.

    It is 1 too where a check fails that compares days, which are published all the same.
    """
    from daeda.cli.main import build_parser

    failed = 0
    enriched = {held.day for held in ours if held.dataset == "enriched"}
    for first, last in _ranges({held.day for held in ours}):
        words = ["pipeline", "train", project.service.name, *forwarded(arguments, PROJECT, OUTPUT)]
        words += ["--start", first.isoformat(), "--end", last.isoformat(), "--no-extend", "--on-stale", "rebuild"]
        if not any(first <= day <= last for day in enriched):
            words.append("--skeleton-only")
        # What train answers is the directory, and on stdout stands what holds the value.
        with contextlib.redirect_stdout(sys.stderr):
            code = train(build_parser().parse_strictly(words), ())
        if code > 1:
            return code
        failed |= code
    return failed


def _ranges(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Days that follow each other, as their first and last: what lies between is none of the command's business."""
    ranges: list[tuple[dt.date, dt.date]] = []
    for day in sorted(days):
        if ranges and ranges[-1][1].toordinal() + 1 == day.toordinal():
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges

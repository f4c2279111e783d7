"""Checks before the first day: files, columns, types, timestamps, keys. Whatever they find is exit code 2."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from daeda.catalog.project import Project
from daeda.errors import InputError, first_line, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Join, Scan
from daeda.planning.checked import Checked, CheckedFile
from daeda.planning.days import Action, DayPlan
from daeda.planning.file_check import FileCheck, check_file
from daeda.planning.sources import Sources
from daeda.sources.columns import mixed_times
from daeda.sources.partitions import missing_days, missing_sentence
from daeda.sql import scan as scan_sql
from daeda.sql import statements
from daeda.sql.locked import AllowedPaths, connect
from daeda.sql.unreadable import unreadable_file
from daeda.storage.objects import before_the_first_day
from daeda.storage.small_reads import read_each
from daeda.storage.state import FileState


@dataclass(frozen=True)
class Refusal:
    """A mistake in what days would read, and the days that it keeps from being built."""

    sentence: str
    days: frozenset[dt.date]


@before_the_first_day()
def check_sources(project: Project, dag: Dag, sources: Sources, days: Iterable[dt.date]) -> Checked:
    """Check what the days would read, and return it; raises InputError with a line per view and kind of mistake."""
    checked: dict[str, CheckedFile] = {}
    refusals = _find_refusals(project, dag, sources, tuple(days), checked)
    if refusals:
        raise InputError(*dict.fromkeys(refusal.sentence for refusal in refusals))
    return Checked(sources.files, checked)


@before_the_first_day()
def block_refused(project: Project, dag: Dag, sources: Sources, plans: Sequence[DayPlan]) -> tuple[DayPlan, ...]:
    """The plans of the skeleton, those days blocked that `check_sources` would refuse."""
    refusals = _find_refusals(project, dag, sources, tuple(plan.day for plan in plans if plan.builds), {})
    reasons = {plan.day: tuple(refusal.sentence for refusal in refusals if plan.day in refusal.days) for plan in plans}
    return tuple(
        replace(plan, action=Action.BLOCKED, reasons=reasons[plan.day]) if plan.builds and reasons[plan.day] else plan
        for plan in plans
    )


def _find_refusals(
    project: Project, dag: Dag, sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]
) -> list[Refusal]:
    """What would be refused; files that were looked at go to `checked`."""
    refusals: list[Refusal] = []
    for scan in sources.scans:
        refusals += _check_first_day(project, scan, sources, days)
        missing = {
            day: missing_days(of_day, sources.files[scan.name], day)
            for day in days
            for of_day in sources.scans_of(day)
            if of_day.name == scan.name
        }
        lacking = [partition for partitions in missing.values() for partition in partitions]
        if lacking:
            sentence = missing_sentence(scan, sources.files[scan.name], lacking)
            refusals.append(Refusal(sentence, frozenset(day for day, held in missing.items() if held)))
    # What follows reads files, which makes no sense of days whose files are not there.
    refusals = refusals or check_footers(sources, days, checked)
    return refusals or (check_static_keys(dag, sources, days) if days else [])


def _check_first_day(project: Project, scan: Scan, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    declared = project.views[scan.view].source.first_day
    first = sources.files[scan.name].first_day
    if declared is None or first is None or first <= declared:
        return []
    sentence = (
        f"view '{scan.view}': source.first_day is {declared}, and the first partition is {first}: "
        "bring the earlier partitions back, or change first_day"
    )
    return [Refusal(sentence, frozenset(days))]


def check_footers(sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]) -> list[Refusal]:
    """Mistakes in the files that the days read; files that could be looked at go to `checked`."""
    scans = {scan.name: scan for scan in sources.scans}
    partition = {
        path: day for files in sources.files.values() for day, paths in files.partitions.items() for path in paths
    }
    readers: dict[tuple[str, str], list[dt.date]] = {}
    for day in days:
        for name, paths in sources.needed(day).items():
            for path in paths:
                readers.setdefault((name, path), []).append(day)
    # Several Scans may read one file: it is opened once.
    of_path: dict[str, list[str]] = {}
    for name, path in readers:
        of_path.setdefault(path, []).append(name)

    def look(path: str) -> FileCheck:
        names = of_path[path]
        version = sources.files[names[0]].versions.get(path)
        return check_file([scans[name] for name in names], path, partition.get(path), version, sources.unread)

    looked = dict(zip(of_path, read_each(look, tuple(of_path)), strict=True))
    for path, check in looked.items():
        if check.state is not None:
            right = (name for name, problems in zip(of_path[path], check.problems, strict=True) if not problems)
            checked[path] = CheckedFile(check.state, tuple(right))
    # One sentence per view and kind: a wrong type is wrong in every partition.
    refusals: dict[tuple[str, str], Refusal] = {}
    for name, path in readers:
        for kind, sentence in looked[path].problems[of_path[path].index(name)]:
            refusal = refusals.get((scans[name].view, kind), Refusal(sentence, frozenset()))
            refusals[scans[name].view, kind] = replace(refusal, days=refusal.days.union(readers[name, path]))
    together = () if refusals else _mistakes_together(scans, readers, of_path, looked)
    seen = [
        (scans[name].view, mistakes)
        for path, check in looked.items()
        if check.unread
        for name, mistakes in zip(of_path[path], check.unread, strict=True)
    ]
    return [*refusals.values(), *together, *_unread_mistakes(seen, frozenset(days))]


def _mistakes_together(
    scans: Mapping[str, Scan],
    readers: Mapping[tuple[str, str], Sequence[dt.date]],
    of_path: Mapping[str, Sequence[str]],
    looked: Mapping[str, FileCheck],
) -> list[Refusal]:
    """What is right in each file, and wrong in the files of a Scan taken together."""
    refusals: dict[str, Refusal] = {}
    for name, scan in scans.items():
        checks = {path: check for path, check in looked.items() if name in of_path[path] and check.state is not None}
        days = frozenset(day for path in checks for day in readers[name, path])
        mixed = mixed_times(scan, {path: check.int96[of_path[path].index(name)] for path, check in checks.items()})
        for sentence in (mixed[1] if mixed else "", _one_file_twice(scan, checks)):
            if sentence:
                refusals.setdefault(sentence, Refusal(sentence, days))
    return list(refusals.values())


def _one_file_twice(scan: Scan, checks: Mapping[str, FileCheck]) -> str:
    """The sentence about two names of one local file, whose rows would be there twice; empty where there are none."""
    first: dict[tuple[int, FileState], str] = {}
    for path, check in checks.items():
        if check.state is None or not check.state.inode or not check.rows:
            continue
        other = first.setdefault((check.state.inode, check.state), path)
        if other != path:
            return (
                f"view '{scan.view}': {other} and {path} are one file, and its rows would be there twice: remove the "
                "link, or rename it (a name that begins with _ or . is known to be no data)"
            )
    return ""


def _unread_mistakes(seen: Sequence[tuple[str, list[tuple[str, str]]]], days: frozenset[dt.date]) -> list[Refusal]:
    """Fields that nothing reads, and that no file has as they are declared; a field may be newer than some files."""
    looked = Counter(view for view, _ in seen)
    mistaken = Counter((view, kind) for view, problems in seen for kind, _ in problems)
    first = {(view, kind): sentence for view, problems in reversed(seen) for kind, sentence in problems}
    return [Refusal(first[key], days) for key, number in mistaken.items() if number == looked[key[0]]]


def check_static_keys(dag: Dag, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    """Right sides of Joins have one row per key."""
    refusals = []
    scans = {scan.output: scan for scan in sources.scans}
    for operator in dag.operators:
        if not isinstance(operator, Join) or operator.latest or operator.inputs[1] not in scans:
            continue
        scan = scans[operator.inputs[1]]
        relation = scan_sql.scan(scan, dag.relations[scan.output], sources.needed(days[0])[scan.name], days[0])
        allowed = AllowedPaths.of(sources.places(scan))
        try:
            with connect(allowed) as connection:
                row = connection.execute(statements.duplicate_keys(operator.keys, relation)).fetchone()
        except duckdb.Error as error:
            unreadable = unreadable_file([(scan, sources.needed(days[0])[scan.name])], allowed)
            what = unreadable or f"{sources.files[scan.name].path} cannot be read ({first_line(error)})"
            refusals.append(Refusal(f"view '{scan.view}': {what}", frozenset(days)))
            continue
        if row is not None:
            shown = shortened([f"{key} = {value!r}" for key, value in zip(operator.keys, row, strict=False)])
            sentence = (
                f"view '{scan.view}': {sources.files[scan.name].path} has {row[-1]} rows with {shown}: "
                "a view without timestamps has one row per key: remove the others, or declare source.timestamp_field"
            )
            refusals.append(Refusal(sentence, frozenset(days)))
    return refusals

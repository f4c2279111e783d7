"""The second probe: the last day once more, from an input that goes on after a cut: no row before it may change."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from daeda.catalog.project import Project
from daeda.dataset.layout import Layout
from daeda.errors import DayError, counted
from daeda.flags.parser import forwarded
from daeda.flags.table import PROJECT
from daeda.settings.runtime import EXPORTS_VARIABLE
from daeda_audit.declared import (
    Declared,
    FromFuture,
    FromHistory,
    FromSpine,
    FromView,
    hand_edited,
    labels_ahead,
    read_columns,
)
from daeda_audit.inputs.external import run_product
from daeda_audit.inputs.later_rows import LaterInput, copy_with_later_rows
from daeda_audit.instants import END_OF_THE_CALENDAR, PER_DAY, Instant, day_of
from daeda_audit.probes.row_matching import identity_of, match_rows
from daeda_audit.probes.run import AuditRun
from daeda_audit.published.days import PublishedDay, published_days
from daeda_audit.raw.view import RawView
from daeda_audit.report import ROWS, Findings, Mismatch
from daeda_audit.rules.history import entity_keys
from daeda_audit.rules.spine import filters_of_the_day, spine_rows
from daeda_audit.values import nanoseconds, order_key, shown

SEES_THE_FUTURE = "sees the future"
_IS_LABEL = "label: later rows may change it"
_LABELS = ("before", "after")


@dataclass(frozen=True)
class LaterRowsProbe:
    """What the probe did: the day, the cut, how many of its rows were compared, and what was added."""

    cut: Instant
    rows: int
    later_input: LaterInput


def probe_later_rows(run: AuditRun, published: PublishedDay, findings: Findings) -> LaterRowsProbe | None:
    """Rebuild a skeleton day with later rows and compare; None when the day has no rows to compare."""
    project, progress = run.project, run.progress
    raws = run.external.views([published])
    rows = spine_rows(project, raws, published.day)
    if not rows or published.manifest.rows == 0:
        return None
    spine = raws[project.service.spine.view]
    instants = [spine.instant(row) or 0 for row in rows]
    cut = instants[len(instants) // 2]
    before = sum(instant <= cut for instant in instants)
    directory = run.external.directory / "append"
    directory.mkdir()
    progress.append("rows are added", 0.0)
    later_input = copy_with_later_rows(project, raws, published, cut, directory, run.arguments.seed)
    progress.append("the day is rebuilt", 0.2)
    rebuilt = _rebuild(project, published, run.arguments, directory, later_input)
    progress.append("the days are compared", 0.95)
    later = sum(instant <= cut for instant in _published_instants(spine, rebuilt)) or before
    _compare(project, run.declared, (published, before), (rebuilt, later), findings)
    return LaterRowsProbe(Instant(cut), before, later_input)


def _rebuild(
    project: Project, published: PublishedDay, arguments: argparse.Namespace, directory: Path, later_input: LaterInput
) -> PublishedDay:
    """The skeleton of the day from the copy, built by the driver in a process of its own."""
    words = ["daeda", "pipeline", "train", project.service.name, "--skeleton-only"]
    words += forwarded(arguments, PROJECT)
    words += ["--output-root", str(directory / "output"), "--day-workers", "1"]
    day = published.day.isoformat()
    settings = {"DAEDA_DATA_ROOT": str(later_input.data_root), "DAEDA_FEED_START": day, "DAEDA_FEED_END": day}
    if (known := _known_until(project, published.day)) is not None:
        settings["DAEDA_DATA_UNTIL"] = known
    settings[EXPORTS_VARIABLE] = str(later_input.exports)
    error = run_product(words, settings)
    if error is not None:
        raise DayError(f"the append probe could not rebuild {day} with later rows added: {error or 'no message'}")
    layout = Layout(directory / "output" / project.service.name, version=project.service.version)
    return published_days(layout, [published.day], directory)[published.day][0]


def _known_until(project: Project, day: dt.date) -> str | None:
    """The instant at which the labels of a day are mature; None where no calendar has it.

    The day was published, so the labels that it would have waited for were mature; others may be NULL. It is no later
    than needed, so that no partition is due that the day did without; what a hand-edited pipeline needs is in no spec.
    """
    if hand_edited(project) is not None:
        return str(dt.date.max)
    waited = [
        sum((span.nanoseconds or 0) for span in (spec.gap, output.window, spec.matures_after) if span is not None)
        for spec in project.aggregations.label_specs
        if spec.immature is not None
        for output in spec.outputs
    ]
    instant = day_of(day).midnight.nanoseconds + PER_DAY + max(waited, default=0)
    # What is said has microseconds.
    known = Instant(-(-instant // 1_000) * 1_000)
    return str(known) if known.nanoseconds < END_OF_THE_CALENDAR else None


def why_impossible(run: AuditRun, published: PublishedDay) -> str | None:
    """Why no day can be rebuilt with later rows; None where it can."""
    waits = any(spec.immature is not None for spec in run.project.aggregations.label_specs)
    if not waits or _known_until(run.project, published.day) is not None:
        return None
    return (
        f"not possible on {published.day}, whose labels mature after the year 9999, before which there is no room for "
        "later rows"
    )


def _published_instants(spine: RawView, day: PublishedDay) -> list[int]:
    """The times of the rows of a day; empty where the contract does not have the timestamp."""
    time = spine.view.source.timestamp_field or ""
    if time not in day.schema.names:
        return []
    return [nanoseconds(value, spine.view.unit_of(time)) or 0 for value in day.column(time)]


def _compare(
    project: Project,
    declared: Sequence[Declared],
    published: tuple[PublishedDay, int],
    rebuilt: tuple[PublishedDay, int],
    findings: Findings,
) -> None:
    """The rows at or before the cut, which come first, since their order begins with time; so many of each day."""
    both = (published, rebuilt)
    names = [column.name for column in declared if isinstance(column.maker, FromSpine)]
    names = [name for name in names if all(name in day.schema.names for day, _ in both)]
    first, second = (list(zip(*_head(day, names, rows).values(), strict=True)) for day, rows in both)
    matching = match_rows(first, second)
    judged_late = bool(filters_of_the_day(project))

    def example(position: int, was: str, now: str, values: tuple[Any, ...]) -> Mismatch:
        return Mismatch("skeleton", published[0].day, position, identity_of(names, values), was, now, labels=_LABELS)

    line = findings.of(ROWS, SEES_THE_FUTURE if judged_late else "")
    for position, at in enumerate(matching.published):
        now = "not there" if at is None else f"row {at}"
        kept = at == position or (at is not None and judged_late)
        line.count(kept, partial(example, position, f"row {position}", now, first[position]))
    for at in matching.added:
        line.count(False, partial(example, at, "not there", f"row {at}", second[at]))
    pairs = [(position, at) for position, at in enumerate(matching.published) if at is not None]
    labels, marks = labels_ahead(project, declared), marked(project, declared)
    for column in declared:
        if all(column.name in day.schema.names for day, _ in both):
            note = _IS_LABEL if column.name in labels else SEES_THE_FUTURE if column.name in marks else ""
            line = findings.of(column.name, note)
            was, now_is = (_head(day, [column.name], rows)[column.name] for day, rows in both)
            for position, at in pairs:
                same = order_key(was[position]) == order_key(now_is[at])
                line.count(same, partial(_changed, example, position, was[position], now_is[at], first[position]))


def _changed(example: Callable[..., Mismatch], position: int, was: Any, now: Any, values: tuple[Any, ...]) -> Mismatch:
    return example(position, shown(was), shown(now), values)


def _head(day: PublishedDay, names: Sequence[str], number: int) -> dict[str, list[Any]]:
    """The first rows of columns."""
    rows = min(number, sum(pq.read_metadata(path).num_rows for path in day.paths))
    return day.take(names, range(rows))


def marked(project: Project, declared: Sequence[Declared]) -> set[str]:
    """Columns that see the future by their declaration, and what is computed from them; labels that expressions read.

    What else reads a label is not meant to see the future, and is not marked.
    """
    by_name: Mapping[str, Declared] = {column.name: column for column in declared}
    marks = {column.name for column in declared if column.contract.latest}
    return _spread(by_name, marks) | labels_ahead(project, declared)


def _spread(by_name: Mapping[str, Declared], marks: set[str]) -> set[str]:
    while True:
        more = {name for name, column in by_name.items() if name not in marks and _reads(column) & marks}
        if not more:
            return marks
        marks |= more


def _reads(column: Declared) -> set[str]:
    """Columns that decide the value of a column: those of its expression, and the keys of its look-up or history."""
    match column.maker:
        case FromView(view=view):
            return set(view.keys)
        case FromHistory(spec=spec) | FromFuture(spec=spec):
            return set(entity_keys(spec))
        case _:
            return set(read_columns(column.maker))


def failing(findings: Findings) -> list[str]:
    """Columns that changed and are not marked."""
    marks = (SEES_THE_FUTURE, _IS_LABEL)
    return [line.column for line in findings.lines.values() if line.mismatches and line.note not in marks]


def summary(probe: LaterRowsProbe | None, published: PublishedDay) -> str:
    """One line about the probe."""
    if probe is None:
        return f"append probe: {published.day} has no rows, so there is nothing to compare"
    added = ", ".join(f"{name} {number:,}" for name, number in probe.later_input.added.items())
    outside = probe.later_input.outside
    left = f"; {', '.join(outside)} not, because its files are outside of data_root" if outside else ""
    return (
        f"append probe: {published.day} rebuilt with rows added after {probe.cut} ({added}{left}): "
        f"{counted(probe.rows, 'row')} up to then compared"
    )

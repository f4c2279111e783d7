"""The end of an enriched day: receipts checked against the skeleton, the manifest, publication."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from daeda.dataset.fingerprint import enriched_fingerprint, enriched_identities
from daeda.dataset.layout import Layout, part_name, part_number
from daeda.dataset.manifest import (
    ENRICHED_FORMAT_VERSION,
    ColumnStatistics,
    DayName,
    Manifest,
    Part,
    Verdict,
    read_manifest,
)
from daeda.dataset.publish.publish import check_parts, publish_day
from daeda.dataset.publish.staging import RunStaging
from daeda.dataset.published import fetch_day
from daeda.dataset.stamps import forget_stamps
from daeda.dataset.stores import Stores
from daeda.durations import seconds_since
from daeda.errors import DayError, shortened
from daeda.installed import version_of
from daeda.operators.dag import Dag
from daeda.settings.checks import Check
from daeda.storage.location import Location, ObjectPath
from daeda.storage.state import FileState, state_of
from enrich.part.task import PartTask, Receipt

# Of the parts of a skeleton, None for one that is not there.
States = Mapping[Path, FileState | None]

_SOFTWARE = ("daeda", "ray", "pylance", "pyarrow")


@dataclass(frozen=True)
class DayWork:
    """A day to enrich: the manifest of its skeleton, the directory for its parts, and the parts.

    `local_dir` is where the skeleton's parts are read: the published directory, or a copy where that is not local. Of a
    day that is extended `extended` is the manifest of the enriched day, which lies in `extended_from`, and the tasks
    say what is kept of it. What is `written_here` was written and digested by this process. `checks`
    are those of the service, `labels` the columns that tell rows apart in what they say.
    """

    day: dt.date
    skeleton: Manifest
    skeleton_dir: Location
    local_dir: Path
    ready: Path
    tasks: tuple[PartTask, ...]
    extended: Manifest | None = None
    extended_from: Layout | None = None
    written_here: bool = False
    checks: tuple[Check, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def skeleton_parts(self) -> list[Path]:
        """The files that the day reads, by number."""
        return [self.local_dir / part.name for part in self.skeleton.parts]

    @property
    def copied_parts(self) -> list[Path]:
        """The published files whose pages are copied."""
        return [Path(task.published) for task in self.tasks if task.published]


def states_of(paths: Iterable[Path]) -> States:
    """The states of files as they are now."""
    return {path: _state(path) for path in paths}


def verify_skeleton(work: DayWork, layout: Layout) -> States:
    """Hold the skeleton's parts against their manifest; those of object storage are copied first.

    Returns the states that the parts had before they were digested. What is damaged here looked whole by its stamp: the
    next plan looks at its digests, and builds the day anew.
    """
    try:
        match work.skeleton_dir:
            case Path():
                states = states_of(work.skeleton_parts)
                check_parts(work.skeleton_dir, work.skeleton, verify_digests=True)
            case ObjectPath():
                # Digested on the way.
                fetch_day(work.skeleton_dir, work.skeleton, work.local_dir)
                states = states_of(work.skeleton_parts)
    except DayError as error:
        forget_stamps(layout, DayName(work.skeleton.service, "skeleton", work.day))
        raise DayError(
            f"its skeleton is damaged: {error}: run `daeda pipeline train {work.skeleton.service}`, which builds the "
            "skeleton of the day anew and enriches it"
        ) from error
    return states


def publish_enriched(
    staging: RunStaging,
    dag: Dag,
    work: DayWork,
    receipts: Sequence[Receipt],
    seconds: dict[str, float],
    stores: Stores,
    verified: States,
) -> Location:
    """Check and publish the day; returns its directory. DayError when a check fails.

    What other processes have written is digested again before the day moves into place. The parts of the skeleton, and
    those that were copied from, were digested in the states `verified`, before anybody else read them.
    """
    started = time.perf_counter()
    _check_receipts(work, receipts)
    _check_not_null(dag, receipts)
    before = work.skeleton.identities
    manifest = Manifest(
        service=work.skeleton.service,
        dataset="enriched",
        day=work.day.isoformat(),
        rows=work.skeleton.rows,
        parts=tuple(Part(part_name(done.number), done.rows, done.bytes, done.sha256) for done in receipts),
        columns=_column_statistics(work, receipts),
        fingerprint=enriched_fingerprint(dag, work.skeleton.parts, stores),
        software={name: _version(name) for name in _SOFTWARE},
        format_version=ENRICHED_FORMAT_VERSION,
        without_key=work.skeleton.without_key,
        sample=work.skeleton.sample,
        identities=None if before is None else enriched_identities(dag, before, stores),
    )
    check_parts(work.ready, manifest, verify_digests=not work.written_here)
    verdicts = _judged(work, manifest)
    _check_skeleton(work, verified)
    phases = {**seconds, "publish": seconds_since(started)}
    manifest = replace(manifest, seconds={name: round(value, 4) for name, value in phases.items()}, checks=verdicts)
    return publish_day(staging, "enriched", work.day, work.ready, manifest)


def _judged(work: DayWork, manifest: Manifest) -> tuple[Verdict, ...]:
    """What the checks find of the columns that were filled in; raises DayError where one fails that must hold."""
    if not work.checks:
        return ()
    from daeda.checks.judge import DayFacts, due, judge, refuse_failed, written_by_enrichment
    from daeda.checks.rows import Rows
    from daeda.sql.locked import AllowedPaths, connect

    parts = [(str(work.ready / part.name), part.rows) for part in manifest.parts]
    types = {column.name: column.dtype for column in manifest.columns}
    contents = Rows(parts, types, work.labels, lambda: connect(AllowedPaths.of(path for path, _ in parts)))
    facts = DayFacts(manifest.rows, {column.name: column for column in manifest.columns}, contents)
    verdicts = judge(due(work.checks, written_by_enrichment(work.skeleton.columns), enriched=True), facts)
    refuse_failed(verdicts)
    return verdicts


def _check_skeleton(work: DayWork, verified: States) -> None:
    """What was read is what was digested, on whatever host it was read."""
    now = read_manifest(work.skeleton_dir, DayName(work.skeleton.service, "skeleton", work.day))
    if now is None or now.parts != work.skeleton.parts:
        raise DayError(f"{work.skeleton_dir} was replaced or removed while it was enriched: run again")
    read = states_of([*work.skeleton_parts, *work.copied_parts])
    changed = [path for path, state in read.items() if state is None or state != verified[path]]
    if changed:
        raise DayError(f"{shortened(changed, 3)} changed while it was enriched: run again")


def _state(path: Path) -> FileState | None:
    try:
        return state_of(path)
    except OSError:
        return None


def _check_receipts(work: DayWork, receipts: Sequence[Receipt]) -> None:
    """Every part of the skeleton has come back once, with its rows, in its place."""
    wanted = [(part_number(part.name), part.rows) for part in work.skeleton.parts]
    received = [(receipt.number, receipt.rows) for receipt in receipts]
    if received != wanted:
        raise DayError(f"parts and rows {received} came back from Ray, and the skeleton has {wanted}: run again")


def _check_not_null(dag: Dag, receipts: Sequence[Receipt]) -> None:
    for name in dag.sink.not_null:
        missing = [
            (receipt.number, nulls)
            for receipt in receipts
            for nulls in receipt.nulls
            if nulls.column == name and nulls.count
        ]
        if missing:
            number, first = missing[0]
            count = sum(nulls.count for _, nulls in missing)
            raise DayError(
                f"column '{name}' must not be NULL, and {count} rows have none, the first of them row {first.first} of "
                f"{part_name(number)}: add the missing vectors to the store, or say nullable: true"
            )


def _column_statistics(work: DayWork, receipts: Sequence[Receipt]) -> tuple[ColumnStatistics, ...]:
    """Columns that pass through keep their statistics; embedding columns get their NULLs counted, or those kept."""
    counted: dict[str, int] = {}
    for nulls in (nulls for receipt in receipts for nulls in receipt.nulls):
        counted[nulls.column] = counted.get(nulls.column, 0) + nulls.count
    if work.extended is not None:
        there = {column.name: column.nulls for column in work.extended.columns}
        counted |= {name: there[before] for name, before in work.tasks[0].kept.items()}
    return tuple(
        replace(column, nulls=counted[column.name], placeholder=False) if column.name in counted else column
        for column in work.skeleton.columns
    )


def _version(package: str) -> str:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return "not installed"

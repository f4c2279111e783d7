"""Sink of one day: parts in row order, checked against what they should hold, published whole."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sqlglot import exp

from beam_pipeline.day.column_statistics import column_statistics
from beam_pipeline.day.kept_columns import first_null, with_kept
from beam_pipeline.day.part_writer import PartWriter, of_whole_vectors, rows_of_parts
from beam_pipeline.session.record import KeptColumns
from beam_pipeline.session.session import DaySession
from beam_pipeline.workers.registry import software
from daeda.checks.judge import DayFacts, due, judge, refuse_failed, written_by_skeleton
from daeda.checks.rows import Rows
from daeda.dataset.fingerprint import skeleton_fingerprint
from daeda.dataset.layout import part_name
from daeda.dataset.manifest import ColumnStatistics, Manifest, Part, Verdict, format_version
from daeda.dataset.publish.publish import prepare_day, publish_day
from daeda.durations import seconds_since
from daeda.errors import DayError, counted
from daeda.operators.relation import Relation
from daeda.operators.relational import Sink
from daeda.sql.handle import Materialised, column
from daeda.sql.scan import day_bounds
from daeda.storage.durable import sync_file
from daeda.storage.location import Location
from daeda.storage.regular import file_digest

_SOFTWARE = ("daeda", "duckdb", "apache-beam", "pyarrow")


def write_day(session: DaySession, operator: Sink, given: Materialised) -> tuple[Location, ...]:
    """Write, check and publish the day; returns its parts. Raises DayError when a check fails."""
    started = time.perf_counter()
    relation, kept, kinds = given.relation, session.record.kept, session.context.column_kinds
    computed = replace(given, relation=_without(relation, kept))
    per_part = session.context.rows_per_part
    cuts = rows_of_parts(given.rows, per_part)
    whole = session.resources.arrow_columns.side_by_side(computed, tables_too=not of_whole_vectors(cuts))
    ready = prepare_day(session.context.staging, "skeleton", session.day, session.attempt)
    paths = [ready / part_name(rows.number) for rows in cuts]
    writer = PartWriter(session, relation, whole, kept)
    with ThreadPoolExecutor(1) as beside:
        # On the disk and digested, while the next part is written and what is written is looked at.
        sealing = [
            beside.submit(_sealed, path, len(rows), writer.write(path, rows))
            for path, rows in zip(paths, cuts, strict=True)
        ]
        footers = _checked_footers(relation, paths, [len(rows) for rows in cuts])
        counted_now = column_statistics(session.resources, computed.relation, whole, footers, operator, kinds)
        statistics = counted_now if kept is None else with_kept(relation, kept, counted_now, operator, kinds)
        _check_not_null(session, operator, statistics, computed, paths)
        _check_order(given, paths, bounds_of(session, given.relation), footers)
        parts = [sealed.result() for sealed in sealing]
    session.inputs.check_unchanged()
    immature = session.context.immature_labels(session.day)
    verdicts = _judged(session, statistics, parts, paths)
    recipes = session.context.recipes_of(session.day)
    seconds = {**session.record.seconds, operator.name: seconds_since(started)}
    manifest = Manifest(
        service=session.context.service,
        dataset="skeleton",
        day=session.day.isoformat(),
        rows=given.rows,
        parts=tuple(parts),
        columns=statistics,
        fingerprint=skeleton_fingerprint(
            session.record.digests,
            session.inputs.by_scan(),
            per_part,
            session.record.function_codes,
            immature,
        ),
        inputs=session.inputs.for_manifest(),
        seconds={name: round(value, 4) for name, value in seconds.items()},
        format_version=format_version(per_part),
        software=software((*_SOFTWARE, *sorted(session.record.libraries))),
        without_key=session.record.without_key,
        identities=None if recipes is None else session.inputs.identities(recipes),
        sample=session.context.sample,
        checks=verdicts,
    )
    final = publish_day(session.context.staging, "skeleton", session.day, ready, manifest)
    return tuple(final / part.name for part in parts)


def _sealed(path: Path, rows: int, digest: str | None) -> Part:
    """The part of a file that is on the disk."""
    sync_file(path)
    return Part(path.name, rows, path.stat().st_size, digest or file_digest(path))


def _judged(
    session: DaySession, statistics: tuple[ColumnStatistics, ...], parts: list[Part], paths: list[Path]
) -> tuple[Verdict, ...]:
    """What the checks of the service find in the parts; raises DayError where one fails that must hold."""
    context, written = session.context, written_by_skeleton(statistics)
    verdicts = judge(
        due(context.checks, written, enriched=False),
        DayFacts(
            sum(part.rows for part in parts),
            {column.name: column for column in statistics},
            Rows(
                [(str(path), part.rows) for path, part in zip(paths, parts, strict=True)],
                {column.name: column.dtype for column in statistics},
                context.label_columns,
                lambda: session.resources.connection,
            ),
            immature=context.immature_columns(session.day),
        ),
    )
    refuse_failed(verdicts)
    return verdicts


def _checked_footers(relation: Relation, paths: list[Path], written: list[int]) -> list[pq.FileMetaData]:
    """What was written can be opened, and has the rows and the columns that it should have; returns the footers."""
    footers = []
    for path, wanted in zip(paths, written, strict=True):
        footer = pq.read_metadata(path)
        rows, names = footer.num_rows, tuple(footer.schema.to_arrow_schema().names)
        if (rows, names) != (wanted, relation.names):
            raise DayError(f"{path.name} holds {rows} rows of {names} where {wanted} of {relation.names} were written")
        footers.append(footer)
    return footers


def _check_not_null(
    session: DaySession,
    operator: Sink,
    statistics: tuple[ColumnStatistics, ...],
    given: Materialised,
    paths: Sequence[Path],
) -> None:
    nulls = {each.name: each.nulls for each in statistics}
    for name in operator.not_null:
        if not nulls[name]:
            continue
        if session.record.kept is None:
            row, shown = _first_null(session, given, name)
        else:
            row, shown = first_null(paths, name, session.context.label_columns)
        raise DayError(
            f"column '{name}' must not be NULL, and {nulls[name]} rows have none, the first of them row {row} "
            f"({shown}): give the column a default in the service, or say nullable: true"
        )


def _first_null(session: DaySession, given: Materialised, name: str) -> tuple[int, str]:
    """The first row without a value of a column, and what tells it from others."""
    labels = [label for label in session.context.label_columns if label in given.relation.names]
    query = given.select([*labels, name]).subquery("a")
    first = (
        exp.select("*")
        .from_(query)
        .where(exp.Is(this=column(name), expression=exp.null()))
        .order_by(column("__row"))
        .limit(1)
    )
    row = session.resources.connection.execute(first.sql("duckdb")).fetchone() or (0,)
    return row[0], ", ".join(f"{label} {value}" for label, value in zip(labels, row[1:], strict=False))


def _without(relation: Relation, kept: KeptColumns | None) -> Relation:
    """The columns that are written anew."""
    if kept is None:
        return relation
    return Relation(tuple(each for each in relation.columns if each.name not in kept.columns), relation.order)


@dataclass(frozen=True)
class Bounds:
    """The instants of a day, as they are stored: from `first` on, before `end`."""

    day: dt.date
    first: int
    end: int


def bounds_of(session: DaySession, relation: Relation) -> Bounds | None:
    """Where the times of the rows of a day lie; None where no Scan has chosen the rows by that column."""
    day, instant = session.day, relation.order[0]
    for scan in (scanned.scan for scanned in session.inputs.scanned.values()):
        if scan.reads != "day" or scan.time is None or scan.time.column != instant or instant not in relation.names:
            continue
        dtype = relation.column(instant).dtype
        if dtype != next(column.dtype for column in scan.columns if column.name == instant):
            return None
        if dtype.name == "date":
            days = (day - dt.date(1970, 1, 1)).days
            return Bounds(day, days, days + 1)
        return Bounds(day, *day_bounds(day, scan.time.resolution))
    return None


def _check_order(
    given: Materialised,
    paths: list[Path],
    bounds: Bounds | None = None,
    footers: Sequence[pq.FileMetaData | None] | None = None,
) -> None:
    """The parts, read one after another, are in the order of time, the first column of the order, and of the day."""
    instant = given.relation.order[0] if given.relation.order[0] in given.relation.names else None
    if instant is None:
        return
    last: int | None = None
    for path, footer in zip(paths, footers or [None] * len(paths), strict=True):
        with pq.ParquetFile(path, metadata=footer) as file:
            # A part may be as large as the day; a group of its rows is not.
            for group in range(file.num_row_groups):
                stored = file.read_row_group(group, columns=[instant]).column(0)
                if bounds is not None and stored.null_count:
                    raise DayError(f"{path.name} has {counted(stored.null_count, 'row')} without '{instant}'")
                values = stored.cast("int32" if stored.type == "date32[day]" else "int64").to_numpy()
                if not len(values):
                    continue
                if (last is not None and values[0] < last) or bool((np.diff(values) < 0).any()):
                    raise DayError(f"{path.name} is not in the order of '{instant}'")
                last = int(values[-1])
                if bounds is not None and not (bounds.first <= values[0] and last < bounds.end):
                    raise DayError(f"{path.name} has rows whose '{instant}' lies outside of {bounds.day}")

"""Hints at leaks that no check can prove: each with what was seen in the data, and what to do where it is one.

A sample of the newest and of older files is read: whatever is found there is told with its numbers, and never refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dtypes import TimeUnit
from daeda.errors import DaedaError
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan
from daeda.planning.mistakes import scan_of_view
from daeda.planning.sources import Sources
from daeda.sources.columns import is_int96
from daeda.sources.files import SourceFiles
from daeda.sources.times import shown_time, times_of_groups, times_together
from daeda.storage.location import is_object
from daeda.storage.parquet import open_parquet

# A service names its answer by one of these words, and nobody knows it when the row is scored.
_OUTCOMES = frozenset({
    "outcome", "result", "final", "actual", "churn", "churned", "converted", "conversion", "purchased", "bought",
    "refunded", "cancelled", "canceled", "fraud", "chargeback", "arrived", "arrival", "delivered", "delivery",
    "completed", "returned", "resolved", "closed", "ended", "settled", "paid", "won", "lost",
})  # fmt: skip
# Clocks go up to 14 hours before UTC.
_WIDEST_ZONE = dt.timedelta(hours=14)
_ZONES = frozenset(["tz", "timezone", "utcoffset", "local", "localtime"])
_WORD = re.compile(r"[a-z]+")
# What is read of one file, and how much of a column must differ before it is told.
_MOST_ROWS = 200_000
LEAST_ROWS = 20
_NULLS_APART = 0.3
_LATER_SHARE = 0.5
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Hint:
    """A possible leak: where, what was seen, and the cure."""

    kind: str
    where: str
    evidence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.where}: {self.evidence}: {self.cure}"


@dataclass(frozen=True)
class ViewTimes:
    """From when to when the rows of a view are, in UTC, and how many days of partitions it has."""

    view: str
    first: str
    newest: str
    newest_ns: int
    partitions: int


def leak_hints(project: Project, dag: Dag, sources: Sources) -> tuple[list[Hint], list[ViewTimes]]:
    """The hints of a service, and the times of its views."""
    hints: list[Hint] = list(_outcomes(project, dag))
    times: dict[str, ViewTimes] = {}
    for name in dict.fromkeys(scan.view for scan in sources.scans):
        view = project.views.get(name)
        if view is None or view.source.timestamp_field is None:
            continue
        files = next(sources.files[scan.name] for scan in sources.scans if scan.view == name)
        scan = scan_of_view(view)
        try:
            seen = _view_times(scan, files)
            if seen is not None:
                times[name] = seen
                hints += _local_times(project, view, files, seen)
            hints += _filled_later(project, view, scan, files)
        except (OSError, pa.ArrowException, DaedaError):
            continue  # the checks of its files tell what is wrong with them
    hints += _behind_the_spine(project, dag, times)
    return hints, list(times.values())


def _outcomes(project: Project, dag: Dag) -> Iterator[Hint]:
    """Columns of the spine, and of views without a time, that are named like an outcome."""
    service = project.service
    static = {name for name, view in project.views.items() if view.source.timestamp_field is None}
    for index, column in enumerate(service.columns):
        word = next((word for word in _WORD.findall(column.name.lower()) if word in _OUTCOMES), None)
        if word is None or column.kind not in ("spine", "static") or column.label:
            continue
        where = project.where("service", ("columns", index, "name"))
        origin = "a column of the spine, which the row has at its own time"
        if column.kind == "static":
            views = [scan.view for scan in dag.scans if scan.view in static]
            named = next(
                (view for view in views if column.name in {one.name for one in project.views[view].fields}), ""
            )
            origin = f"looked up in '{named}', which has no time, so every row sees what is known today"
        yield Hint(
            "outcome",
            where,
            f"column '{column.name}' is named like an outcome ('{word}') and is {origin}",
            "if it becomes known after the row, declare it as a label (label: true of kind spine, or label_specs) or "
            "give its view a timestamp_field",
        )


def _view_times(scan: Scan, files: SourceFiles) -> ViewTimes | None:
    paths = files.in_order
    if not paths:
        return None
    chosen = (
        dict.fromkeys((*files.partitions[min(files.partitions)], *files.partitions[max(files.partitions)]))
        if (files.partitioned)
        else dict.fromkeys(paths)
    )
    assert scan.time is not None
    lows, highs = [], []
    for path in chosen:
        with open_parquet(path, files.versions.get(path)) as file:
            if is_int96(file, scan.time_column.source):
                continue
            low, high, _ = times_together(times_of_groups(scan, file))
        lows += [low] if low is not None else []
        highs += [high] if high is not None else []
    if not lows or not highs:
        return None
    unit = scan.time.resolution
    newest = max(highs) * (10**9 // unit.value)
    return ViewTimes(
        scan.view, shown_time(min(lows), unit), shown_time(max(highs), unit), newest, len(files.partitions)
    )


def _local_times(project: Project, view: FeatureView, files: SourceFiles, seen: ViewTimes) -> Iterator[Hint]:
    """Rows from after the moment at which their file was written, and columns that speak of a zone."""
    time = view.source.timestamp_field
    assert time is not None
    where = project.where(f"view:{view.name}", ("source", "timestamp_field"))
    if view.dtype(time).name.endswith("UTC]"):
        return
    cure = "times without a zone are read as UTC: write them in UTC, or as timestamp[us, UTC]"
    paths = files.partitions[max(files.partitions)] if files.partitioned else files.flat
    written = [Path(path).stat().st_mtime_ns for path in paths if not is_object(path)]
    if written and seen.newest_ns > max(written) + 60 * 10**9:
        ahead = dt.timedelta(microseconds=(seen.newest_ns - max(written)) // 1000)
        moment = shown_time(max(written) // 10**9, TimeUnit.SECOND)
        told = f"the newest '{time}' of '{view.name}' is {seen.newest} UTC, {_length(ahead)} after its file was written"
        if ahead <= _WIDEST_ZONE:
            yield Hint("local times", where, f"{told} ({moment} UTC), so it looks like local time", cure)
        else:
            yield Hint(
                "times to come",
                where,
                f"{told} ({moment} UTC): no zone is so far from UTC",
                "correct a wrong date at its source; where rows are planned or foretold, give the view a "
                "`created_field` that says from when on each was known",
            )
    zones = [field.name for field in view.fields if _ZONES & set(_WORD.findall(field.name.lower()))]
    if zones:
        yield Hint(
            "local times",
            where,
            f"'{view.name}' has the column '{zones[0]}', and its '{time}' has no zone (read as UTC it goes from "
            f"{seen.first} to {seen.newest}), so it may be local time",
            cure,
        )


def _length(length: dt.timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"


def _filled_later(project: Project, view: FeatureView, scan: Scan, files: SourceFiles) -> Iterator[Hint]:
    """What of a view becomes known after the time of its rows, by its newest partition and by older ones."""
    newest = rows_to_look_at(scan, files, newest=True)
    if newest is None or newest.num_rows < LEAST_ROWS:
        return
    yield from _known_later(project, view, newest)
    older = rows_to_look_at(scan, files, newest=False)
    if older is None or older.num_rows < LEAST_ROWS:
        return
    for field in view.fields:
        source = view.source_name(field.name)
        if not all(source in table.column_names for table in (newest, older)):
            continue  # a field may be newer than some files
        now, then = (table.column(source).null_count / table.num_rows for table in (newest, older))
        if now - then >= _NULLS_APART:
            days = sorted(files.partitions)
            yield Hint(
                "filled later",
                project.where(f"view:{view.name}", ("fields", view.fields.index(field), "name")),
                f"'{field.name}' of '{view.name}' is NULL in {now:.0%} of {days[-1]} and in {then:.0%} of the "
                "partitions a week and more before, so it is filled after its event, and training sees what serving "
                "does not have yet",
                "declare source.created_field, or source.available with the delay, or leave it out",
            )


def _known_later(project: Project, view: FeatureView, newest: pa.Table) -> Iterator[Hint]:
    """Times beside that of the row which mostly lie after it: the created_field of a spine, and undeclared ones."""
    source = view.source
    assert source.timestamp_field is not None
    is_spine = view.name == project.service.spine.view
    for index, field in enumerate(view.fields):
        if field.name == source.timestamp_field or not field.dtype.is_instant:
            continue
        declared = field.name == source.created_field
        if declared and not is_spine:
            continue
        after = _after(newest, view.source_name(source.timestamp_field), view.source_name(field.name))
        if after is None or after[0] < _LATER_SHARE:
            continue
        share, median = after
        seen = (
            f"'{field.name}' of '{view.name}' is later than '{source.timestamp_field}' in {share:.0%} of the newest "
            f"rows (by {_length(median)} in the median)"
        )
        where = project.where(f"view:{view.name}", ("fields", index, "name"))
        if is_spine:
            yield Hint(
                "filled later", where, f"{seen}, so the spine's own columns may be known only then",
                "use none of its columns as a feature that is filled then, or declare them as labels (label: true)",
            )  # fmt: skip
        elif source.created_field is None:
            yield Hint(
                "filled later", where, f"{seen}, so its rows may be filled then",
                f"where they are, declare source.created_field: {field.name}",
            )  # fmt: skip


def _after(rows: pa.Table, time: str, other: str) -> tuple[float, dt.timedelta] | None:
    """The share of rows whose other time is later, and by how much in the median."""
    if not {time, other} <= set(rows.column_names):
        return None
    both = rows.select([time, other]).drop_null()
    if both.num_rows < LEAST_ROWS or not all(pa.types.is_timestamp(one.type) for one in both.columns):
        return None
    moments = [
        one.cast(pa.timestamp("us", tz=one.type.tz), safe=False).cast("int64").to_numpy() for one in both.columns
    ]
    ahead = np.asarray(moments[1] - moments[0])
    later = ahead[ahead > 0]
    if not len(later):
        return None
    return len(later) / len(ahead), dt.timedelta(microseconds=int(np.median(later)))


def rows_to_look_at(scan: Scan, files: SourceFiles, *, newest: bool) -> pa.Table | None:
    """Rows of the newest partition, or of one a week before; without partitions the first rows of the last file."""
    if not files.partitioned:
        paths = files.flat[-1:] if newest else ()
    else:
        last = max(files.partitions)
        days = [day for day in sorted(files.partitions) if (day == last if newest else last - day >= 7 * _DAY)]
        paths = files.partitions[days[-1]] if days else ()
    columns = [column.source for column in scan.columns]
    tables, rows = [], 0
    for path in paths:
        with open_parquet(path, files.versions.get(path)) as file:
            for batch in file.iter_batches(batch_size=_MOST_ROWS, columns=columns):
                tables.append(pa.Table.from_batches([batch]))
                rows += batch.num_rows
                if rows >= _MOST_ROWS:
                    break
    return pa.concat_tables(tables).slice(0, _MOST_ROWS) if tables else None


def _behind_the_spine(project: Project, dag: Dag, times: dict[str, ViewTimes]) -> Iterator[Hint]:
    """Views whose newest row is more than a day older than the newest of the spine."""
    spine = times.get(project.service.spine.view)
    if spine is None:
        return
    for name, seen in times.items():
        behind = dt.timedelta(microseconds=(spine.newest_ns - seen.newest_ns) // 1000)
        if name == spine.view or behind <= _DAY:
            continue
        ttl = project.views[name].ttl
        ends = f"; its ttl of {ttl} ends meanwhile" if ttl is not None and _over(ttl.nanoseconds, behind) else ""
        yield Hint(
            "behind the spine",
            project.where(f"view:{name}", ("source",)),
            f"the newest row of '{name}' is of {seen.newest} UTC, {_length(behind)} before the newest of the spine "
            f"'{spine.view}' ({spine.newest} UTC){ends}",
            "bring its later rows, or end the range of days before they are missing; where nothing changed since, "
            "nothing is missing",
        )


def _over(nanoseconds: int | None, behind: dt.timedelta) -> bool:
    return nanoseconds is not None and behind > dt.timedelta(microseconds=nanoseconds // 1000)

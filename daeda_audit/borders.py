"""Rows that stand on a border: where a wrong `<` or a window of a wrong length shows, and elsewhere it would not.

A row is on a border of a source when a raw row of its key lies exactly at the row's own time, exactly where a window or
a ttl begins, within a second or a day before that, shortly after the row, when the newest raw rows tie, or when a raw
row before it became known only later.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.durations import Duration
from daeda_audit.declared import Declared, FromHistory, FromView, spine_view
from daeda_audit.history import entity_keys
from daeda_audit.moments import PER_DAY
from daeda_audit.raw import Key, RawView, RawViews, Row, key_of

_HOUR = PER_DAY // 24
_SECOND = _HOUR // 3_600
# Of one key, how many of the newest rows are looked at for late knowledge.
_RECENT = 50


@dataclass(frozen=True)
class Source:
    """Rows of one view by one key, and the spans (nanoseconds) after which they stop to count."""

    view: FeatureView
    keys: tuple[str, ...]
    spans: tuple[int, ...]
    longest: Duration | None


@dataclass(frozen=True)
class Times:
    """Sorted times of the raw rows of each key, each with the time at which it became known."""

    of_key: Mapping[Key, Sequence[tuple[int, int | None]]]
    late: bool


def timed_sources(project: Project, declared: Sequence[Declared]) -> list[Source]:
    """The sources of the contract that look back from the spine row by fields that it has itself."""
    fields = {one.name for one in spine_view(project).fields}
    spans: dict[tuple[str, tuple[str, ...]], list[Duration | None]] = {}
    for one in declared:
        match one.maker:
            case FromView(view=view, latest=False) if view.source.timestamp_field is not None:
                spans.setdefault((view.name, view.keys), []).append(view.ttl)
            case FromHistory(spec=spec, window=window):
                spans.setdefault((spec.history.view, entity_keys(spec)), []).append(window)
    found = []
    for (name, keys), durations in spans.items():
        view = project.views[name]
        if set(keys) <= fields and set(keys) <= {one.name for one in view.fields}:
            lengths = [one.nanoseconds for one in durations if one is not None and one.nanoseconds is not None]
            longest = None if len(lengths) < len(durations) else max(filter(None, durations), key=_length)
            found.append(Source(view, keys, tuple(dict.fromkeys(lengths)), longest))
    return found


def _length(one: Duration) -> int:
    return one.nanoseconds or 0


def load_times(raw: RawView, source: Source, day: dt.date, rows: Sequence[Row]) -> Times:
    """The times of the keys of the spine rows."""
    wanted = {key for row in rows if (key := key_of(row, source.keys)) is not None}
    created = raw.view.source.created_field
    columns = {*source.keys, raw.view.source.timestamp_field or "", *([created] if created else [])}
    found: dict[Key, list[tuple[int, int | None]]] = {}
    for row in raw.rows(columns, raw.files(day, source.longest), {source.keys: wanted}) if wanted else ():
        moment, key = raw.moment(row), key_of(row, source.keys)
        if moment is not None and key is not None:
            found.setdefault(key, []).append((moment, raw.created(row)))
    for of_key in found.values():
        of_key.sort(key=lambda one: one[0])
    return Times(found, created is not None)


def borders_of(source: Source, times: Times, row: Row, now: int) -> Iterator[str]:
    """The borders of a source on which a spine row stands."""
    key = key_of(row, source.keys)
    of_key = times.of_key.get(key, ()) if key is not None else ()
    moments = [moment for moment, _ in of_key]
    first, behind = bisect_left(moments, now), bisect_right(moments, now)
    if behind > first:
        yield "a row at its own time"
    if bisect_right(moments, now + _HOUR) > behind:
        yield "a row within the hour after"
    if first > 1 and moments[first - 1] == moments[first - 2]:
        yield "the newest rows tie"
    for span in source.spans:
        begin = bisect_left(moments, now - span)
        if begin < len(moments) and moments[begin] == now - span:
            yield "a row where its window begins"
        if bisect_left(moments, now - span - _SECOND) < begin:
            yield "a row in the second before its window"
        elif bisect_left(moments, now - span - PER_DAY) < begin:
            yield "a row in the day before its window"
    if times.late and any(known is None or known >= now for _, known in of_key[max(0, first - _RECENT) : first]):
        yield "a row that became known only later"


def sources_with_times(
    project: Project, raws: RawViews, declared: Sequence[Declared], day: dt.date, rows: Sequence[Row]
) -> list[tuple[Source, Times]]:
    """Every timed source with the times of the keys of the rows."""
    return [
        (source, load_times(raws[source.view.name], source, day, rows)) for source in timed_sources(project, declared)
    ]

"""Rows that stand on a boundary: where a wrong `<` or a window of a wrong length shows, and elsewhere it would not.

A row is on a boundary of a source when a raw row of its key lies exactly at the row's own time, exactly where a window
or a ttl begins, within a second or a day before that, shortly after the row, when the newest raw rows tie, or when a
raw row before it became known only later.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.durations import Duration
from daeda_audit.declared import Declared, FromHistory, FromView, spine_view
from daeda_audit.instants import PER_DAY, day_of
from daeda_audit.raw.rows import TimeRange, choose
from daeda_audit.raw.view import Key, RawView
from daeda_audit.rules.history import entity_keys

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
    """Of each key the sorted times of its raw rows, and for each the time at which it became known."""

    of_key: Mapping[Key, tuple[Sequence[int], Sequence[int | None]]]
    late: bool


_NO_ROWS: tuple[Sequence[int], Sequence[int | None]] = ((), ())


def timed_sources(project: Project, declared: Sequence[Declared]) -> list[Source]:
    """The sources of the contract that look back from the spine row by fields that it has itself."""
    fields = {field.name for field in spine_view(project).fields}
    spans: dict[tuple[str, tuple[str, ...]], list[Duration | None]] = {}
    for column in declared:
        match column.maker:
            case FromView(view=view, latest=False) if view.source.timestamp_field is not None:
                spans.setdefault((view.name, view.keys), []).append(view.ttl)
            case FromHistory(spec=spec, window=window):
                spans.setdefault((spec.history.view, entity_keys(spec)), []).append(window)
    sources = []
    for (name, keys), durations in spans.items():
        view = project.views[name]
        if set(keys) <= fields and set(keys) <= {field.name for field in view.fields}:
            lengths = [
                duration.nanoseconds
                for duration in durations
                if duration is not None and duration.nanoseconds is not None
            ]
            longest = None if len(lengths) < len(durations) else max(filter(None, durations), key=_length)
            sources.append(Source(view, keys, tuple(dict.fromkeys(lengths)), longest))
    return sources


def _length(duration: Duration) -> int:
    return duration.nanoseconds or 0


def load_times(raw: RawView, source: Source, day: dt.date, keys: Iterable[Key | None]) -> Times:
    """The times of the rows of some keys, as far back as the spans of the source and a day, and an hour ahead."""
    wanted = {key for key in keys if key is not None}
    begin = day_of(day).number * PER_DAY
    length = None if source.longest is None else source.longest.nanoseconds
    span = TimeRange(None if length is None else begin - length - PER_DAY, begin + PER_DAY + _HOUR)
    late = raw.view.source.created_field is not None
    files = raw.files(day, source.longest) if wanted else ()
    rows = choose(raw, files, span, source.keys, wanted)
    groups = rows.by_key(source.keys, range(rows.number), wanted)
    instants, known = rows.instants, rows.created
    of_key: dict[Key, tuple[Sequence[int], Sequence[int | None]]] = {}
    for key, group in groups.items():
        group.sort(key=instants.__getitem__)
        of_key[key] = [instants[row] for row in group], [known[row] for row in group] if known is not None else ()
    return Times(of_key, late)


def boundaries_of(source: Source, times: Times, key: Key | None, now: int) -> Iterator[str]:
    """The boundaries of a source on which a spine row stands."""
    instants, created = times.of_key.get(key, _NO_ROWS) if key is not None else _NO_ROWS
    first, behind = bisect_left(instants, now), bisect_right(instants, now)
    if behind > first:
        yield "a row at its own time"
    if bisect_right(instants, now + _HOUR) > behind:
        yield "a row within the hour after"
    if first > 1 and instants[first - 1] == instants[first - 2]:
        yield "the newest rows tie"
    for span in source.spans:
        begin = bisect_left(instants, now - span)
        if begin < len(instants) and instants[begin] == now - span:
            yield "a row where its window begins"
        if bisect_left(instants, now - span - _SECOND) < begin:
            yield "a row in the second before its window"
        elif bisect_left(instants, now - span - PER_DAY) < begin:
            yield "a row in the day before its window"
    if times.late and any(known is None or known >= now for known in created[max(0, first - _RECENT) : first]):
        yield "a row that became known only later"

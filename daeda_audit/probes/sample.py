"""Which rows of a day are recomputed: some of each kind that goes wrong most easily, then rows drawn at random.

A row is on a boundary of a source, where a wrong `<` or a window of a wrong length shows, when a raw row of its key
lies exactly at the row's own time, exactly where a window or a ttl begins, within a second or a day before that,
shortly after the row, when the newest raw rows tie, or when a raw row before it became known only later.
"""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.durations import Duration
from daeda.settings.availability import Available
from daeda_audit.declared import Declared, FromHistory, FromView, spine_view
from daeda_audit.instants import PER_DAY, day_of
from daeda_audit.published.days import PublishedDay
from daeda_audit.raw.rows import TimeRange, choose
from daeda_audit.raw.view import Key, RawView, RawViews, Row, key_of
from daeda_audit.rules.available import usable_from
from daeda_audit.rules.history import entity_keys
from daeda_audit.rules.reach import reach
from daeda_audit.values import order_key

# Of a large day, how many rows are looked at for boundaries and long histories.
_MOST_CANDIDATES = 20_000
_LONGEST_HISTORIES = 5
# What is left of a sample is drawn at random, since an error may hide where nobody looked for it.
_SHARE_OF_STRATA = 0.7
_HOUR = PER_DAY // 24
_SECOND = _HOUR // 3_600
# Of one key, how many of the newest rows are looked at for late knowledge.
_RECENT = 50


@dataclass(frozen=True)
class Sample:
    """Row numbers of a day of `rows` rows, ascending, and how many of them each stratum gave."""

    rows: int
    indices: tuple[int, ...]
    strata: dict[str, int]


@dataclass(frozen=True)
class DayToSample:
    """A day to draw from: its spine rows in order."""

    project: Project
    raws: RawViews
    declared: Sequence[Declared]
    day: dt.date
    rows: Sequence[Row]
    published: PublishedDay


def draw(sampled_day: DayToSample, number: int, seed: int) -> Sample:
    """Draw about `number` rows: at least one of every stratum, then in turns, then at random. The seed decides."""
    chance = random.Random(f"{seed} {sampled_day.day}")
    strata = _strata(sampled_day, chance)
    for name, indices in strata.items():
        if name != "the longest histories":
            chance.shuffle(indices)
    chosen: dict[int, str] = {}
    rest = list(range(len(sampled_day.rows)))
    chance.shuffle(rest)
    queues = {name: iter(indices) for name, indices in strata.items()}
    # One row of every stratum, however small the sample; then in turns.
    first = True
    while queues and (first or len(chosen) < number * _SHARE_OF_STRATA):
        for name, queue in list(queues.items()):
            index = next((candidate for candidate in queue if candidate not in chosen), None)
            if index is None:
                del queues[name]
            elif first or len(chosen) < number * _SHARE_OF_STRATA:
                chosen[index] = name
        first = False
    for index in rest:
        if len(chosen) >= number:
            break
        chosen.setdefault(index, "at random")
    # Both ends of the day, always.
    for index in {0, len(sampled_day.rows) - 1} if sampled_day.rows else ():
        chosen.setdefault(index, "first and last")
    counts: dict[str, int] = {}
    for name in chosen.values():
        group = name.partition(":")[0]
        counts[group] = counts.get(group, 0) + 1
    return Sample(len(sampled_day.rows), tuple(sorted(chosen)), counts)


def _strata(sampled_day: DayToSample, chance: random.Random) -> dict[str, list[int]]:
    rows = sampled_day.rows
    candidates = list(range(len(rows)))
    if len(rows) > _MOST_CANDIDATES:
        candidates = sorted(chance.sample(candidates, _MOST_CANDIDATES))
    strata: dict[str, list[int]] = {"ties": _ties(sampled_day), "duplicates": _duplicates(rows)}
    for column in sampled_day.declared:
        if isinstance(column.maker, FromHistory | FromView) and column.name in sampled_day.published.schema.names:
            indices = sampled_day.published.rows_where_nothing_is(column.name)
            strata[f"empty windows: {column.name}"] = [index for index in indices if index < len(rows)]
    strata |= _boundaries_and_histories(sampled_day, candidates)
    return {name: indices for name, indices in strata.items() if indices}


def _ties(sampled_day: DayToSample) -> list[int]:
    """Rows that share their time and the first key of the grain."""
    time = spine_view(sampled_day.project).source.timestamp_field or ""
    first = next((name for name in sampled_day.project.service.grain if name != time), time)
    return _sharing([(order_key(row[time]), order_key(row[first])) for row in sampled_day.rows])


def _duplicates(rows: Sequence[Row]) -> list[int]:
    return _sharing([tuple(order_key(value) for value in row.values()) for row in rows])


def _sharing(keys: Sequence[object]) -> list[int]:
    """Places whose key occurs more than once."""
    counts: dict[object, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return [index for index, key in enumerate(keys) if counts[key] > 1]


def _boundaries_and_histories(sampled_day: DayToSample, candidates: Sequence[int]) -> dict[str, list[int]]:
    rows = [sampled_day.rows[index] for index in candidates]
    spine = sampled_day.raws[spine_view(sampled_day.project).name]
    instants = [spine.instant(row) or 0 for row in rows]
    strata: dict[str, list[int]] = {}
    longest: list[int] = []
    for source in timed_sources(sampled_day.project, sampled_day.declared):
        keys = [key_of(row, source.keys) for row in rows]
        times = load_times(sampled_day.raws[source.view.name], source, sampled_day.day, keys)
        sizes: dict[Key, tuple[int, int]] = {}
        for index, key, instant in zip(candidates, keys, instants, strict=True):
            for boundary in boundaries_of(source, times, key, instant):
                strata.setdefault(f"borders: {source.view.name}, {boundary}", []).append(index)
            if key is not None:
                sizes.setdefault(key, (len(times.of_key.get(key, ((),))[0]), index))
        ranked = sorted(sizes.values(), key=lambda size_and_row: (-size_and_row[0], size_and_row[1]))
        longest += [index for _, index in ranked[:_LONGEST_HISTORIES]]
    return {**strata, "the longest histories": list(dict.fromkeys(longest))}


@dataclass(frozen=True)
class Look:
    """From where to where a row looks back, in nanoseconds: over `length`, to its time rounded down and moved back."""

    length: int | None
    grid: int = 1
    moved: int = 0
    available: Available | None = None

    def end(self, now: int) -> int:
        """The first instant that a row at `now` does not look at."""
        return now // self.grid * self.grid - self.moved


@dataclass(frozen=True)
class Source:
    """Rows of one view by one key, and how it is looked back on."""

    view: FeatureView
    keys: tuple[str, ...]
    looks: tuple[Look, ...]
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
    looks: dict[tuple[str, tuple[str, ...]], dict[Look, Duration | None]] = {}
    for column in declared:
        match column.maker:
            case FromView(view=view, sight=sight, latest=False) if view.source.timestamp_field is not None:
                length = None if sight.ttl is None else sight.ttl.nanoseconds
                look = Look(length, available=sight.available)
                looks.setdefault((view.name, view.keys), {})[look] = sight.ttl
            case FromHistory(spec=spec, window=window):
                grid, moved = (None if one is None else one.nanoseconds for one in (spec.aligned_to, spec.offset))
                available = spec.available_in(project.views[spec.history.view].source.available)
                look = Look(window.nanoseconds, grid or 1, moved or 0, available)
                looks.setdefault((spec.history.view, entity_keys(spec)), {})[look] = reach(spec, window)
    sources = []
    for (name, keys), reaches in looks.items():
        view = project.views[name]
        if set(keys) <= fields and set(keys) <= {field.name for field in view.fields}:
            ends = [duration for duration in reaches.values() if duration is not None and duration.nanoseconds]
            longest = None if len(ends) < len(reaches) else max(ends, key=_length)
            sources.append(Source(view, keys, tuple(reaches), longest))
    return sources


def _length(duration: Duration) -> int:
    return duration.nanoseconds or 0


def load_times(raw: RawView, source: Source, day: dt.date, keys: Iterable[Key | None]) -> Times:
    """The times of the rows of some keys, as far back as the looks of the source and a day, and an hour ahead."""
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
    for look in source.looks:
        yield from _borders_of(look, instants, now)
        if look.available is not None:
            recent = slice(max(0, first - _RECENT), first)
            known = created[recent] if times.late else instants[recent]
            usable = [usable_from(look.available, then) for then in known if then is not None]
            if any(then >= now for then in usable):
                yield "a row that was available only later"
            if now in usable:
                yield "a row that was available at its own time"
    if times.late and any(known is None or known >= now for known in created[max(0, first - _RECENT) : first]):
        yield "a row that became known only later"


def _borders_of(look: Look, instants: Sequence[int], now: int) -> Iterator[str]:
    """The boundaries of one window or ttl among the sorted times of a key."""
    end = look.end(now)
    if end != now and bisect_left(instants, end) < bisect_left(instants, now):
        yield "a row behind its window"
    if look.length is None:
        return
    since = end - look.length
    begin = bisect_left(instants, since)
    if begin < len(instants) and instants[begin] == since:
        yield "a row where its window begins"
    if bisect_left(instants, since - _SECOND) < begin:
        yield "a row in the second before its window"
    elif bisect_left(instants, since - PER_DAY) < begin:
        yield "a row in the day before its window"

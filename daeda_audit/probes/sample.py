"""Which rows of a day are recomputed: some of each kind that goes wrong most easily, then rows drawn at random."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda_audit.declared import Declared, FromHistory, FromView, spine_view
from daeda_audit.probes.boundaries import boundaries_of, load_times, timed_sources
from daeda_audit.published.days import PublishedDay
from daeda_audit.raw.view import Key, RawViews, Row, key_of
from daeda_audit.values import order_key

# Of a large day, how many rows are looked at for boundaries and long histories.
_MOST_CANDIDATES = 20_000
_LONGEST_HISTORIES = 5
# What is left of a sample is drawn at random, since an error may hide where nobody looked for it.
_SHARE_OF_STRATA = 0.7


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

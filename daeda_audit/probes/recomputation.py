"""The first probe: the published rows of a day against their recomputation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.dtypes import describe_arrow
from daeda_audit.declared import Declared, FromFunction, FromSpine, FromStore, spine_view
from daeda_audit.defaults import typed
from daeda_audit.probes.row_matching import RowMatching, identity_of, match_rows
from daeda_audit.probes.sample import DayToSample, Sample, draw
from daeda_audit.published.days import PublishedDay
from daeda_audit.published.stores import stores_read
from daeda_audit.raw.view import RawViews, Row
from daeda_audit.report.findings import ORDER, ROWS, Findings, Mismatch
from daeda_audit.report.progress import Progress
from daeda_audit.rules.compare import Tolerance, agrees
from daeda_audit.rules.recompute import Recomputation
from daeda_audit.rules.spine import spine_rows
from daeda_audit.rules.visible import Evidence
from daeda_audit.values import shown


@dataclass(frozen=True)
class SampleSize:
    """How many rows to draw of a day, and by which seed."""

    number: int
    seed: int


def check_day(
    project: Project,
    raws: RawViews,
    declared: Sequence[Declared],
    day: dt.date,
    datasets: Sequence[PublishedDay],
    sample_size: SampleSize,
    findings: Findings,
    progress: Progress,
) -> Sample:
    """Compare every published dataset of a day; returns which rows were recomputed."""
    progress.column(day, "(rows)", 0.0)
    rows = spine_rows(project, raws, day)
    sample = draw(DayToSample(project, raws, declared, day, rows, datasets[-1]), sample_size.number, sample_size.seed)
    recomputations: dict[tuple[int, ...], Recomputation] = {}
    for turn, published in enumerate(datasets):
        fields = [one for one in declared if isinstance(one.maker, FromSpine) and _has(published, one.name)]
        names = [one.name for one in fields]
        wanted = spine_values(fields, rows)
        matching = _check_rows(project, names, wanted, published, findings)
        places = tuple(place for place in sample.places if matching.published[place] is not None)
        values = _published_values(declared, published, matching, places)
        if places not in recomputations:
            chosen = [rows[place] for place in places]
            recomputations[places] = Recomputation(project, declared, raws, day, chosen, values, stores_read(datasets))
        recomputed = recomputations[places]
        for number, one in enumerate(declared):
            progress.column(day, one.name, (turn + number / len(declared)) / len(datasets))
            if not (isinstance(one.maker, FromSpine) and one.name in names):
                _check_column(one, published, matching, places, values, recomputed, (names, wanted), findings)
    return sample


def spine_values(fields: Sequence[Declared], rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """What the fields of the spine rows must be, defaults filled."""
    defaults = {one.name: typed(one.default, one.contract.dtype) for one in fields}
    return [tuple(default if row[name] is None else row[name] for name, default in defaults.items()) for row in rows]


def _has(published: PublishedDay, name: str) -> bool:
    return name in published.schema.names


def _check_rows(
    project: Project,
    names: Sequence[str],
    wanted: Sequence[tuple[object, ...]],
    published: PublishedDay,
    findings: Findings,
) -> RowMatching:
    """Every row of the day: lost, added, moved, and the fields that come from the spine."""
    columns = [published.column(name) for name in names]
    found = list(zip(*columns, strict=True)) if names else [()] * published.manifest.rows
    matching = _match_by_key(project, names, wanted, found)

    def example(place: int, was: str, should: str, values: tuple[object, ...]) -> Mismatch:
        return Mismatch(published.dataset, published.day, place, identity_of(names, values), was, should)

    counted = findings.of(ROWS, "every row of the spine, and no other")
    for place, at in enumerate(matching.published):
        counted.count(at is not None, lambda place=place: example(place, "no such row", "one row", wanted[place]))
    for place in matching.added:
        counted.count(False, lambda place=place: example(place, "one row", "no such row", found[place]))
    ordered = findings.of(ORDER, "time, grain, remaining fields")
    ordered.checked += len(found)
    if matching.moved:
        ordered.mismatches += matching.moved
        first = matching.first_moved or 0
        ordered.first = ordered.first or example(first, f"row {first}", "another place", found[first])
    for index, name in enumerate(names):
        line = findings.of(name)
        for place, at in enumerate(matching.published):
            if at is not None:
                value, right = found[at][index], wanted[place][index]
                line.count(
                    agrees(right, value, Tolerance.EXACT),
                    lambda place=place, value=value, right=right: example(
                        place, shown(value), shown(right), wanted[place]
                    ),
                )
    return matching


def _match_by_key(
    project: Project,
    names: Sequence[str],
    wanted: Sequence[tuple[object, ...]],
    found: Sequence[tuple[object, ...]],
) -> RowMatching:
    """By time and grain where they agree row for row, so that a wrong field is blamed itself; else by all fields."""
    time = spine_view(project).source.timestamp_field
    keys = [index for index, name in enumerate(names) if name == time or name in project.service.grain]
    short = match_rows([tuple(row[i] for i in keys) for row in wanted], [tuple(row[i] for i in keys) for row in found])
    if not short.lost and not short.added and not short.moved:
        whole = match_rows(wanted, found)
        return whole if whole.moved else short
    return match_rows(wanted, found)


def _published_values(
    declared: Sequence[Declared], published: PublishedDay, matching: RowMatching, places: Sequence[int]
) -> dict[str, list[object]]:
    """The published values of the sampled rows, in the order of `places`."""
    at = [found for place in places if (found := matching.published[place]) is not None]
    ascending = sorted(at)
    position = {place: index for index, place in enumerate(ascending)}
    names = [one.name for one in declared if _has(published, one.name)]
    taken = published.take(names, ascending)
    return {name: [values[position[place]] for place in at] for name, values in taken.items()}


def _check_column(
    one: Declared,
    published: PublishedDay,
    matching: RowMatching,
    places: Sequence[int],
    values: dict[str, list[object]],
    recomputed: Recomputation,
    spine: tuple[Sequence[str], Sequence[tuple[object, ...]]],
    findings: Findings,
) -> None:
    names, wanted = spine
    line = findings.of(one.name, note_of(one))
    placeholder = published.dataset == "skeleton" and one.contract.dtype.is_embedding
    wrong_type = _wrong_type(one, published, placeholder)
    expected = [None] * len(places) if placeholder else recomputed.expected(one)
    answers = None if placeholder else recomputed.column(one.name)
    tolerance = recomputed.tolerance(one)
    for index, place in enumerate(places):
        value = values[one.name][index] if one.name in values else None

        def mismatch(index: int = index, place: int = place, value: object = value) -> Mismatch:
            identity = identity_of(names, wanted[place])
            evidence = Evidence() if answers is None else answers[index].explain()
            return Mismatch(
                published.dataset,
                published.day,
                matching.published[place] or 0,
                identity,
                wrong_type or shown(value),
                one.contract.dtype.name if wrong_type else shown(expected[index]),
                evidence,
            )

        line.count(not wrong_type and agrees(expected[index], value, tolerance), mismatch)


def _wrong_type(one: Declared, published: PublishedDay, placeholder: bool) -> str:
    """The type of a column that is not the contract's, or that it is missing; empty where all is well."""
    if not _has(published, one.name):
        return "no such column"
    found = describe_arrow(published.schema.field(one.name).type)
    wanted = "list<float>" if placeholder else one.contract.dtype.name
    return "" if found == wanted else f"the type {found}"


def note_of(one: Declared) -> str:
    """What is worth knowing of a column beside its numbers."""
    if one.contract.latest:
        return "sees the future: latest"
    if isinstance(one.maker, FromFunction):
        return f"by the declared function {one.maker.spec.function} itself"
    if isinstance(one.maker, FromStore):
        return f"store {one.maker.store.name}, version {one.maker.store.version}"
    return ""

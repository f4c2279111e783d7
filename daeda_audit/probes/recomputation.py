"""The first probe: the published rows of a day against their recomputation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from daeda.catalog.project import Project
from daeda.dtypes import describe_arrow
from daeda.process.messages import say
from daeda_audit.declared import Declared, FromFunction, FromFuture, FromSpine, FromStore, labels_among, spine_view
from daeda_audit.probes.row_matching import RowMatching, identity_of, match_rows
from daeda_audit.probes.run import AuditRun
from daeda_audit.probes.sample import DayToSample, Sample, draw
from daeda_audit.published.days import PublishedDay
from daeda_audit.published.stores import stores_read
from daeda_audit.raw.view import RawViews, Row
from daeda_audit.report import ORDER, ROWS, Findings, Mismatch
from daeda_audit.rules.compare import Tolerance, agrees
from daeda_audit.rules.maturity import immature_labels, said_immature
from daeda_audit.rules.recompute import Recomputation
from daeda_audit.rules.spine import spine_rows
from daeda_audit.rules.visible import Evidence
from daeda_audit.values import shown, typed


@dataclass(frozen=True)
class SampleSize:
    """How many rows to draw of a day, and by which seed."""

    number: int
    seed: int


def check_day(
    run: AuditRun,
    raws: RawViews,
    day: dt.date,
    datasets: Sequence[PublishedDay],
    sample_size: SampleSize,
    findings: Findings,
) -> Sample:
    """Compare every published dataset of a day; returns which rows were recomputed."""
    project, declared = run.project, run.declared
    run.progress.column(day, "(rows)", 0.0)
    rows = spine_rows(project, raws, day)
    sample = draw(DayToSample(project, raws, declared, day, rows, datasets[-1]), sample_size.number, sample_size.seed)
    immature = _immature(project, raws, day, datasets)
    recomputations: dict[tuple[int, ...], Recomputation] = {}
    for done, published in enumerate(datasets):
        _check_kinds(published, declared, labels_among(project, declared), findings)
        fields = [column for column in declared if isinstance(column.maker, FromSpine) and _has(published, column.name)]
        names = [column.name for column in fields]
        wanted = spine_values(fields, rows)
        matching = _check_rows(project, names, wanted, published, findings)
        indices = tuple(index for index in sample.indices if matching.published[index] is not None)
        values = _published_values(declared, published, matching, indices)
        if indices not in recomputations:
            chosen = [rows[index] for index in indices]
            read = stores_read(datasets)
            recomputations[indices] = Recomputation(project, declared, raws, day, chosen, values, read, immature)
        recomputed = recomputations[indices]
        for number, column in enumerate(declared):
            run.progress.column(day, column.name, (done + number / len(declared)) / len(datasets))
            if not (isinstance(column.maker, FromSpine) and column.name in names):
                _check_column(column, published, matching, indices, values, recomputed, (names, wanted), findings)
    return sample


def _immature(project: Project, raws: RawViews, day: dt.date, datasets: Sequence[PublishedDay]) -> frozenset[str]:
    """The labels that are to be NULL: those that are not mature, and those that were not when the day was built."""
    now = immature_labels(project, raws, day)
    said = frozenset[str]().union(*(said_immature(of.manifest.fingerprint.settings) for of in datasets))
    if late := sorted(said - now):
        say(
            f"warning: {day} was built before {', '.join(late)} {'was' if len(late) == 1 else 'were'} mature, and is "
            "stale now: build the day again"
        )
    elif said:
        say(f"note: {day} was built before {', '.join(sorted(said))} mature: by which configuration is not compared")
    return now | said


def spine_values(fields: Sequence[Declared], rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """What the fields of the spine rows must be, defaults filled."""
    defaults = {column.name: typed(column.default, column.contract.dtype) for column in fields}
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
    actual = list(zip(*columns, strict=True)) if names else [()] * published.manifest.rows
    matching = _match_by_key(project, names, wanted, actual)

    def example(index: int, was: str, should: str, values: tuple[object, ...]) -> Mismatch:
        return Mismatch(published.dataset, published.day, index, identity_of(names, values), was, should)

    counted = findings.of(ROWS, _rows_note(project))
    for index, at in enumerate(matching.published):
        counted.count(at is not None, lambda index=index: example(index, "no such row", "one row", wanted[index]))
    for index in matching.added:
        counted.count(False, lambda index=index: example(index, "one row", "no such row", actual[index]))
    ordered = findings.of(ORDER, "time, grain, remaining fields")
    ordered.checked += len(actual)
    if matching.moved:
        ordered.mismatches += matching.moved
        first = matching.first_moved or 0
        ordered.first = ordered.first or example(first, f"row {first}", "another place", actual[first])
    for number, name in enumerate(names):
        line = findings.of(name)
        for index, at in enumerate(matching.published):
            if at is not None:
                value, right = actual[at][number], wanted[index][number]
                line.count(
                    agrees(right, value, Tolerance.EXACT),
                    lambda index=index, value=value, right=right: example(
                        index, shown(value), shown(right), wanted[index]
                    ),
                )
    return matching


def _rows_note(project: Project) -> str:
    """Which rows there must be."""
    sample = project.service.spine.sample
    if sample is None:
        return "every row of the spine, and no other"
    return f"every row of the spine that the sample by {', '.join(sample.by)} keeps, and no other"


def _match_by_key(
    project: Project,
    names: Sequence[str],
    wanted: Sequence[tuple[object, ...]],
    actual: Sequence[tuple[object, ...]],
) -> RowMatching:
    """By time and grain where they agree row for row, so that a wrong field is blamed itself; else by all fields."""
    time = spine_view(project).source.timestamp_field
    keys = [number for number, name in enumerate(names) if name == time or name in project.service.grain]
    short = match_rows([tuple(row[i] for i in keys) for row in wanted], [tuple(row[i] for i in keys) for row in actual])
    if not short.lost and not short.added and not short.moved:
        whole = match_rows(wanted, actual)
        return whole if whole.moved else short
    return match_rows(wanted, actual)


def _published_values(
    declared: Sequence[Declared], published: PublishedDay, matching: RowMatching, indices: Sequence[int]
) -> dict[str, list[object]]:
    """The published values of the sampled rows, in the order of `indices`."""
    at = [row for index in indices if (row := matching.published[index]) is not None]
    ascending = sorted(at)
    position = {index: number for number, index in enumerate(ascending)}
    names = [column.name for column in declared if _has(published, column.name)]
    columns = published.take(names, ascending)
    return {name: [values[position[index]] for index in at] for name, values in columns.items()}


def _check_kinds(
    published: PublishedDay, declared: Sequence[Declared], labels: Collection[str], findings: Findings
) -> None:
    """Whoever trains goes by the manifest: what tells what comes after the row is a label there, and nothing else is.

    A day that was published before manifests told kinds says nothing of them.
    """
    kinds = {column.name: column.kind for column in published.manifest.columns}
    for column in declared:
        kind = kinds.get(column.name)
        if kind is not None and (kind == "label") != (column.name in labels):
            wanted = "a label" if column.name in labels else "no label"
            wrong = Mismatch(
                published.dataset, published.day, 0, "the kind of the column in the manifest", kind, wanted
            )
            findings.of(column.name, note_of(column)).count(False, lambda wrong=wrong: wrong)


def _check_column(
    column: Declared,
    published: PublishedDay,
    matching: RowMatching,
    indices: Sequence[int],
    values: dict[str, list[object]],
    recomputed: Recomputation,
    spine: tuple[Sequence[str], Sequence[tuple[object, ...]]],
    findings: Findings,
) -> None:
    names, wanted = spine
    line = findings.of(column.name, note_of(column))
    placeholder = published.dataset == "skeleton" and column.contract.kind == "embedding"
    wrong_type = _wrong_type(column, published, placeholder)
    expected = [None] * len(indices) if placeholder else recomputed.expected(column)
    answers = None if placeholder else recomputed.column(column.name)
    tolerance = recomputed.tolerance(column)
    for number, index in enumerate(indices):
        value = values[column.name][number] if column.name in values else None

        def mismatch(number: int = number, index: int = index, value: object = value) -> Mismatch:
            identity = identity_of(names, wanted[index])
            evidence = Evidence() if answers is None else answers[number].explain()
            return Mismatch(
                published.dataset,
                published.day,
                matching.published[index] or 0,
                identity,
                wrong_type or shown(value),
                column.contract.dtype.name if wrong_type else shown(expected[number]),
                evidence,
            )

        line.count(not wrong_type and agrees(expected[number], value, tolerance), mismatch)


def _wrong_type(column: Declared, published: PublishedDay, placeholder: bool) -> str:
    """The type of a column that is not the contract's, or that it is missing; empty where all is well."""
    if not _has(published, column.name):
        return "no such column"
    actual = describe_arrow(published.schema.field(column.name).type)
    wanted = "list<float>" if placeholder else column.contract.dtype.name
    return "" if actual == wanted else f"the type {actual}"


def note_of(column: Declared) -> str:
    """What is worth knowing of a column beside its numbers."""
    if column.contract.latest:
        return "sees the future: latest"
    if isinstance(column.maker, FromFuture):
        return "label: tells what comes after the row"
    if column.contract.label:
        return "label: an outcome of the row"
    if isinstance(column.maker, FromFunction):
        return f"by the declared function {column.maker.spec.function} itself"
    if isinstance(column.maker, FromStore):
        return f"store {column.maker.store.name}, version {column.maker.store.version}"
    return ""

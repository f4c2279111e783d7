"""Each column of one row: the value that the audit makes of the raw rows, and what is behind it.

Neither the rows that are chosen nor what is made of them shares code with whoever made the value that is explained.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.errors import DayError, counted
from daeda_audit.declared import (
    Declared,
    Derived,
    FromFunction,
    FromFuture,
    FromHistory,
    FromSpine,
    FromStore,
    FromView,
    Literal,
    declared_columns,
    labels_among,
    spine_view,
)
from daeda_audit.explained.look_ups import explain_look_up
from daeda_audit.explained.reasons import Reasons
from daeda_audit.explained.windows import explain_label, explain_window
from daeda_audit.instants import EPOCH, PER_DAY
from daeda_audit.raw.view import RawViews, Row
from daeda_audit.rules.compare import agrees
from daeda_audit.rules.history import entity_keys
from daeda_audit.rules.maturity import immature_labels
from daeda_audit.rules.recompute import Recomputation
from daeda_audit.rules.spine import spine_rows
from daeda_audit.values import from_arrow


@dataclass(frozen=True)
class ExplainedColumn:
    """A column of the row: the value that was made, the one that the audit makes, and what is behind that."""

    name: str
    kind: str
    value: Any
    recomputed: Any
    agrees: bool
    reasons: Reasons


def row_of_day(project: Project, raws: RawViews, day: dt.date, number: int) -> Row:
    """A row of a day by its number; raises DayError where the audit finds no such row."""
    rows = spine_rows(project, raws, day)
    if number >= len(rows):
        raise DayError(f"the audit finds {counted(len(rows), 'row')} on {day}, and row {number} was shown")
    return rows[number]


def row_of_ones_own(project: Project, given: pa.Table) -> Row:
    """The only row of a table in the types of the spine; a row that was not sampled weighs 1."""
    sample = project.service.spine.sample
    row = {name: from_arrow(given.column(name))[0] for name in given.column_names}
    return row if sample is None or sample.weight is None else {**row, sample.weight: 1.0}


def explain_row(
    project: Project, raws: RawViews, row: Row, made: pa.Table, asked: Collection[str]
) -> list[ExplainedColumn]:
    """The columns of a row that are asked for; `made` is the row as it was made, and has these columns."""
    declared = declared_columns(project)
    values = {name: from_arrow(made.column(name)) for name in made.column_names}
    now = raws[spine_view(project).name].instant(row) or 0
    day = EPOCH + dt.timedelta(days=now // PER_DAY)
    immature = immature_labels(project, raws, day)
    recomputed = Recomputation(project, declared, raws, day, [row], values, {}, immature)
    labels = labels_among(project, declared)
    explained = [_explained(raws, recomputed, column, values, labels) for column in declared if column.name in asked]
    raws.check_at_rest()
    return explained


def _explained(
    raws: RawViews,
    recomputed: Recomputation,
    column: Declared,
    values: Mapping[str, Sequence[Any]],
    labels: Collection[str],
) -> ExplainedColumn:
    value, expected = values[column.name][0], recomputed.expected(column)[0]
    return ExplainedColumn(
        column.name,
        "label" if column.name in labels else column.contract.kind,
        value,
        expected,
        agrees(expected, value, recomputed.tolerance(column)),
        _with_default(column, recomputed, _reasons(raws, recomputed, column)),
    )


def _with_default(column: Declared, recomputed: Recomputation, reasons: Reasons) -> Reasons:
    if recomputed.is_null(column.name):
        note = "it is NULL on this day, since a label is not mature"
    elif recomputed.column(column.name)[0].value is None and column.default is not None:
        note = f"there is no value, so that its default {column.default} stands"
    else:
        return reasons
    return Reasons(**{**vars(reasons), "notes": [*reasons.notes, note]})


def _reasons(raws: RawViews, recomputed: Recomputation, column: Declared) -> Reasons:
    name, maker, now = column.name, column.maker, recomputed.instants[0]
    match maker:
        case FromSpine():
            return Reasons("a field of the row itself")
        case FromView():
            return explain_look_up(raws[maker.view.name], maker, _key(recomputed, maker.view.keys), now)
        case FromHistory():
            return explain_window(raws, maker, _key(recomputed, entity_keys(maker.spec)), now)
        case FromFuture():
            key = _key(recomputed, entity_keys(maker.spec))
            return explain_label(recomputed.labels_of(maker), maker, key, 0)
        case Derived():
            return Reasons("an expression", inputs=_inputs(recomputed, name), sql=column.contract.expression or "")
        case FromFunction():
            return Reasons(f"the function {maker.spec.function}", inputs=_inputs(recomputed, name))
        case FromStore():
            return _vectors(recomputed, maker, name)
        case Literal():
            return Reasons("a literal of output_columns: nothing makes it")
        case _:
            assert_never(maker)


def _key(recomputed: Recomputation, names: Sequence[str]) -> dict[str, Any]:
    return {name: recomputed.of_source(name)[0] for name in names}


def _inputs(recomputed: Recomputation, name: str) -> Mapping[str, Any]:
    rows = recomputed.column(name)[0].explain().counted
    return rows[0] if rows else {}


def _vectors(recomputed: Recomputation, maker: FromStore, name: str) -> Reasons:
    """The ids that were asked for, with multiplicity, and which of them have a vector."""
    rows = recomputed.column(name)[0].explain().counted
    missing = list(dict.fromkeys(row["id"] for row in rows if row["vector"] is None))
    store = maker.store
    having = sum(row["vector"] is not None for row in rows)
    notes = [f"{having:,} of {counted(len(rows), 'id')} had a vector"]
    normalized = "" if maker.spec.normalize == "none" else f", normalized to {maker.spec.normalize}"
    return Reasons(
        f"{maker.spec.kind} of {maker.spec.column} in store {store.name}, version {store.version}{normalized}",
        inputs={"ids": [row["id"] for row in rows], "without a vector": missing},
        notes=notes,
    )

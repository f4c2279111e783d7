"""`--explain ROW`: what the audit finds behind the values of one row, as an answer for people and for programs."""

from __future__ import annotations

import datetime as dt
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from beam_pipeline.in_memory.features import FeatureRows
from beam_pipeline.in_memory.own_rows import in_declared_types
from daeda.answers.rows import ExplainedRawRow, ExplainedRowAnswer, ExplainedValue
from daeda.catalog.project import Project
from daeda.errors import DayError, InputError, counted, shortened
from daeda.sources.files import Export
from daeda_audit.declared import hand_edited
from daeda_audit.explained.reasons import RawRow
from daeda_audit.explained.row import ExplainedColumn, explain_row, row_of_day, row_of_ones_own
from daeda_audit.instants import Day, Instant
from daeda_audit.raw.local_copies import Export as RawExport
from daeda_audit.raw.local_copies import LocalCopies
from daeda_audit.raw.view import RawViews

# A document is read by programs, and still has an end.
_MOST_COUNTED = 200


class RowExplanation:
    """Explains one row of a project; its raw rows are read by the audit, files of databases as they were exported."""

    def __init__(self, project: Project, exports: Mapping[str, Export], number: int, columns: Sequence[str] | None):
        self._project, self._exports = project, exports
        self._number, self._columns = number, columns

    def of_day(self, made: FeatureRows, row: pa.Table, day: dt.date) -> ExplainedRowAnswer:
        """`row` is the row of the day as it was made, vectors filled."""
        return self._answer(made, row, str(day), day=day)

    def of_file(self, made: FeatureRows, row: pa.Table, given: pa.Table, path: Path) -> ExplainedRowAnswer:
        """`given` is the row of the file, and `row` what was made of it."""
        return self._answer(made, row, str(path), given=given)

    def _answer(
        self,
        made: FeatureRows,
        row: pa.Table,
        rows_of: str,
        *,
        day: dt.date | None = None,
        given: pa.Table | None = None,
    ) -> ExplainedRowAnswer:
        project = self._project
        # A chain of conditions is as deep as it is long, and an expression may have 10,000 characters.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 30_000))
        asked = row.column_names if self._columns is None else self._columns
        with tempfile.TemporaryDirectory(prefix="daeda-explain-") as directory:
            exports = {name: RawExport(Path(one.path), one.reference) for name, one in self._exports.items()}
            raws = RawViews(project, LocalCopies(Path(directory) / "objects"), exports)
            if given is not None:
                of_spine = row_of_ones_own(project, in_declared_types(made.dag.skeleton().spine, given))
            else:
                assert day is not None
                of_spine = row_of_day(project, raws, day, self._number)
            explained = explain_row(project, raws, of_spine, row, asked)
        columns = tuple(map(_column, explained))
        return ExplainedRowAnswer(
            service=project.service.name,
            row=self._number,
            rows_of=rows_of,
            identity=_identity(project, of_spine),
            passed=all(column.agrees for column in columns),
            columns=columns,
            left_out=dict(made.left_out),
        )


def check_row(number: int, rows: int, whose: str) -> None:
    """Raise InputError for a row that does not exist."""
    if rows == 0:
        raise InputError(f"--explain {number}: {whose} has no rows: choose another day, or other rows")
    if number >= rows:
        raise InputError(
            f"--explain {number}: {whose} has {counted(rows, 'row')}, numbered from 0 to {rows - 1}: choose one of them"
        )


def refuse_difference(project: Project, answer: ExplainedRowAnswer) -> None:
    """Raise DayError where the audit makes other values than were shown."""
    wrong = [column for column in answer.columns if not column.agrees]
    if not wrong:
        return
    first = wrong[0]
    edited = hand_edited(project)
    whose = "this is a fault of daeda: do not train on the column, and report it"
    if edited is not None:
        whose = f"the audit judges by the views and the service, and {edited.relative_to(project.root)} was edited"
    others = f" ({shortened([column.column for column in wrong])} differ)" if len(wrong) > 1 else ""
    raise DayError(
        f"row {answer.row} of {answer.rows_of}: '{first.column}' is {_short(first.value)}, and the audit makes "
        f"{_short(first.recomputed)} of the raw rows{others}: {whose}"
    )


def _short(value: Any) -> str:
    text = "NULL" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _identity(project: Project, row: Mapping[str, Any]) -> dict[str, Any]:
    time = project.views[project.service.spine.view].source.timestamp_field
    names = dict.fromkeys([*([] if time is None else [time]), *project.service.grain])
    return {name: _plain(row[name]) for name in names if name in row}


def _column(column: ExplainedColumn) -> ExplainedValue:
    reasons = column.reasons
    bounds = reasons.bounds
    return ExplainedValue(
        column=column.name,
        kind=column.kind,
        made_by=reasons.made_by,
        value=_plain(column.value),
        recomputed=_plain(column.recomputed),
        agrees=column.agrees,
        key=_plain(dict(reasons.key)),
        begin=None if bounds is None else _instant(bounds.begin),
        end=None if bounds is None else _instant(bounds.end),
        ends="" if bounds is None else bounds.ends,
        order=tuple(reasons.order),
        rows=len(reasons.counted),
        counted=tuple(map(_row, reasons.counted[:_MOST_COUNTED])),
        missed=tuple(map(_row, reasons.missed)),
        sql=reasons.sql,
        inputs=_plain(dict(reasons.inputs)),
        notes=tuple(reasons.notes),
    )


def _row(row: RawRow) -> ExplainedRawRow:
    return ExplainedRawRow(
        time=_instant(row.time), known=_instant(row.known), values=_plain(dict(row.values)), reason=row.reason
    )


def _instant(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else _text(Instant(nanoseconds))


def _text(instant: Instant) -> str:
    return str(instant).replace(" ", "T")


def _plain(value: Any) -> Any:
    """A value of the audit as JSON has it: what JSON has no number for is text."""
    match value:
        case float():
            if math.isfinite(value):
                return float(value)
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case Instant():
            return _text(value)
        case Day() | Decimal():
            return str(value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return value

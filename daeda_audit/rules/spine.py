"""The rows that a day must have: the spine's rows of the day that pass the filters, in their total order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from daeda.catalog.project import Project
from daeda.catalog.service import SemiJoin, Session
from daeda_audit.declared import spine_view
from daeda_audit.expression.evaluate import holds, read_expression
from daeda_audit.instants import PER_DAY, day_of
from daeda_audit.raw.rows import TimeRange, choose
from daeda_audit.raw.view import RawView, RawViews, Row, by_key, key_of
from daeda_audit.rules.sampling import sampled
from daeda_audit.values import order_key


def spine_rows(project: Project, raws: RawViews, day: dt.date) -> list[Row]:
    """All rows of the day with all fields of the spine view, in order."""
    raw = raws[spine_view(project).name]
    names = [field.name for field in raw.view.fields]
    begin = day_of(day).number * PER_DAY
    rows = choose(raw, raw.files(day), TimeRange(begin, begin + PER_DAY - 1)).dicts(names)
    for index, declared in enumerate(project.service.spine.filters, start=1):
        if declared.where is not None:
            condition = read_expression(declared.where, f"filter {index} of the spine")
            rows = [row for row in rows if holds(condition, row)]
        elif declared.covered_by is not None:
            rows = _covered(raws, declared.covered_by, day, rows)
        elif declared.session is not None:
            rows = _of_sessions(declared.session, rows)
        elif declared.sample is not None:
            rows = sampled(declared.sample, rows)
    order = spine_order(project, raw)
    return sorted(rows, key=lambda row: [order_key(row[name]) for name in order])


def spine_order(project: Project, raw: RawView) -> tuple[str, ...]:
    """The columns that order the rows of a day: timestamp, grain, then the remaining fields as they are declared."""
    time = raw.view.source.timestamp_field or ""
    fields = (field.name for field in raw.view.fields)
    return tuple(dict.fromkeys((time, *project.service.grain, *fields)))


def filters_of_the_day(project: Project) -> list[str]:
    """Filters that see the future of a row, the rest of its day: sessions, and ids of a view that has a timestamp."""
    judges = []
    for declared in project.service.spine.filters:
        if declared.session is not None:
            judges.append("a session filter")
        elif (
            declared.covered_by is not None
            and project.views[declared.covered_by.view].source.timestamp_field is not None
        ):
            judges.append(f"'covered_by' of the view '{declared.covered_by.view}'")
    return judges


def _covered(raws: RawViews, declared: SemiJoin, day: dt.date, rows: Sequence[Row]) -> list[Row]:
    """Rows whose value is among those of the view; of a view with time, those of its rows up to the end of the day."""
    raw = raws[declared.view]
    time = raw.view.source.timestamp_field
    end = (day_of(day).number + 1) * PER_DAY
    span = None if time is None else TimeRange(None, end - 1)
    covered = choose(raw, raw.files(day if time else None), span).distinct(declared.column)
    return [row for row in rows if order_key(row[declared.column]) in covered]


def _of_sessions(session: Session, rows: Sequence[Row]) -> list[Row]:
    """Rows whose session passes; the rows of a session are those of the day that are left by the filters before.

    A row with a NULL in its key is of no session.
    """
    condition = read_expression(session.having, "having of the session filter")
    sessions = by_key(rows, session.key)
    passed = {key for key, of_key in sessions.items() if holds(condition, of_key[0], of_key)}
    return [row for row in rows if key_of(row, session.key) in passed]

"""One row per key in views without timestamps: a query over their files, before the first day."""

from __future__ import annotations

import datetime as dt

import duckdb

from daeda.errors import first_line, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Join
from daeda.planning.refusal import Refusal
from daeda.planning.sources import Sources
from daeda.sql import scan as scan_sql
from daeda.sql import statements
from daeda.sql.locked import AllowedPaths, connect
from daeda.sql.unreadable import unreadable_file


def check_static_keys(dag: Dag, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    """Right sides of Joins have one row per key."""
    refusals = []
    scans = {scan.output: scan for scan in sources.scans}
    for operator in dag.operators:
        if not isinstance(operator, Join) or operator.latest or operator.inputs[1] not in scans:
            continue
        scan = scans[operator.inputs[1]]
        relation = scan_sql.scan(scan, dag.relations[scan.output], sources.needed(days[0])[scan.name], days[0])
        allowed = AllowedPaths.of(sources.places(scan))
        try:
            with connect(allowed) as connection:
                row = connection.execute(statements.duplicate_keys(operator.keys, relation)).fetchone()
        except duckdb.Error as error:
            unreadable = unreadable_file([(scan, sources.needed(days[0])[scan.name])], allowed)
            what = unreadable or f"{sources.files[scan.name].path} cannot be read ({first_line(error)})"
            refusals.append(Refusal(f"view '{scan.view}': {what}", frozenset(days)))
            continue
        if row is not None:
            shown = shortened([f"{key} = {value!r}" for key, value in zip(operator.keys, row, strict=False)])
            sentence = (
                f"view '{scan.view}': {sources.files[scan.name].path} has {row[-1]} rows with {shown}: "
                "a view without timestamps has one row per key: remove the others, or declare source.timestamp_field"
            )
            refusals.append(Refusal(sentence, frozenset(days)))
    return refusals

"""What filters of the spine left of days that came out empty: counted behind a run, as a day itself counts nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from daeda.catalog.project import Project
from daeda.errors import DaedaError, counted, cut, first_line
from daeda.operators.dag import Dag
from daeda.operators.relational import Filter, Scan
from daeda.planning.sources import Sources
from daeda.sql import scan as scan_sql
from daeda.sql.handle import Deferred
from daeda.sql.locked import AllowedPaths, connect

# Days that are counted; the first of them say what there is to know.
_MOST_DAYS = 31


@dataclass(frozen=True)
class Left:
    """Rows of the spine view on some days, and what each filter left of them, in order; or why nobody knows."""

    days: int
    rows: int = 0
    filters: tuple[tuple[str, int], ...] = ()
    failure: str = ""


def count_left(project: Project, dag: Dag, sources: Sources, days: Sequence[dt.date]) -> Left:
    """Count the rows of the spine on these days, at most the first of them, and behind each filter."""
    chosen = days[:_MOST_DAYS]
    spine = next(scan for scan in dag.scans if scan.reads == "day")
    filters = _filters(dag, spine)
    inputs = {spine.output, *(name for condition in filters for name in condition.inputs)}
    read = [scan for scan in dag.scans if scan.output in inputs]
    totals = [0] * (len(filters) + 1)
    limit = project.runtime.compute.duckdb_config.memory_limit
    try:
        with connect(
            AllowedPaths.of(sources.places(*read)), {"memory_limit": f"{limit}B"} if limit else None
        ) as connection:
            for day in chosen:
                for step, query in enumerate(_queries(dag, spine, filters, read, sources, day)):
                    row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
                    totals[step] += int(row[0]) if row else 0
    except (duckdb.Error, DaedaError, OSError) as error:
        return Left(len(chosen), failure=first_line(error))
    names = [_described(project, number, condition) for number, condition in enumerate(filters)]
    return Left(len(chosen), totals[0], tuple(zip(names, totals[1:], strict=True)))


def _filters(dag: Dag, spine: Scan) -> list[Filter]:
    """The filters of the spine, in the order in which they act."""
    filters: list[Filter] = []
    output = spine.output
    while True:
        following = [
            operator for operator in dag.operators if isinstance(operator, Filter) and operator.inputs[0] == output
        ]
        if not following:
            return filters
        filters.append(following[0])
        output = following[0].output


def _queries(
    dag: Dag, spine: Scan, filters: Sequence[Filter], read: Sequence[Scan], sources: Sources, day: dt.date
) -> list[str]:
    needed = sources.needed(day)
    handles: dict[str, Deferred] = {
        scan.output: scan_sql.scan(scan, dag.relations[scan.output], needed[scan.name], day) for scan in read
    }
    queries = [handles[spine.output].query]
    for condition in filters:
        right = handles[condition.inputs[1]] if condition.semi_join else None
        handles[condition.output] = scan_sql.filter_rows(condition, handles[condition.inputs[0]], right)
        queries.append(handles[condition.output].query)
    return queries


def _described(project: Project, number: int, condition: Filter) -> str:
    declared = project.service.spine.filters
    where = f" ({project.where('service', ('spine', 'filters', number))})" if number < len(declared) else ""
    if condition.predicate is not None:
        return f"where {cut(condition.predicate)}{where}"
    if condition.semi_join:
        return f"covered_by on {', '.join(condition.semi_join)}{where}"
    return f"session by {', '.join(condition.session)} having {cut(condition.having)}{where}"


def told_left(left: Left, view: str, empty: int, days: int) -> str:
    """The sentence: how many days are empty, and what left nothing of them."""
    head = f"{empty:,} of {counted(days, 'day')} {'is' if empty == 1 else 'are'} without a row"
    if left.failure:
        return f"{head}; what the filters left cannot be counted any more ({left.failure})"
    first = "" if left.days == empty else f" on the first {left.days}"
    if left.rows == 0:
        return f"{head}: the view '{view}' has none{first}"
    steps = ", then ".join(f"{name} left {rows:,}" for name, rows in left.filters)
    return f"{head}: of {counted(left.rows, 'row')} of the view '{view}'{first}, {steps or 'no filter took any'}"

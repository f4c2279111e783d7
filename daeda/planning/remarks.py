"""What a data set that is whole holds nothing in, told behind a run: days without a row, and columns without a value.

All of it is in the manifests, and of lists in the footers of the parts. A column that was looked up, or computed over
windows, and is empty in every row, mostly means that two keys of one type hold ids of two kinds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from daeda.aggregates import told_of
from daeda.catalog.project import Project
from daeda.catalog.service import ContractColumn
from daeda.dataset.fingerprint import immature_labels
from daeda.dataset.layout import Dataset, layout_of
from daeda.dataset.manifest import ColumnStatistics, Manifest
from daeda.dataset.published import look_at_days
from daeda.errors import DaedaError, counted, cut, first_line, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Filter, Scan
from daeda.operators.temporal import WindowOperator
from daeda.planning.days import DayPlan
from daeda.planning.sources import Sources
from daeda.sources.columns import leaf_of
from daeda.sql import scan as scan_sql
from daeda.sql.handle import Deferred
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.parquet import open_parquet

_ADVICE = {
    "static": "no row of its view has the key of any row",
    "point_in_time": "no row of its view has the key of any row and lies within ttl before it",
    "rolling": "no row of its history lies in the window of any row",
    "label": "no row of its history lies in the window after any row",
    "embedding": "the store has none of the ids",
}
# Days that are counted; the first of them say what there is to know.
_MOST_DAYS = 31


@dataclass(frozen=True)
class _DaySeen:
    """A day as it was published. `lacks` has the labels that are NULL in it because they were not mature."""

    manifest: Manifest
    parts: tuple[str, ...]
    lacks: frozenset[str] = frozenset()


def remarks(
    project: Project, dag: Dag, sources: Sources, dataset: Dataset, plans: Sequence[DayPlan]
) -> tuple[str, ...]:
    """The sentences about the planned days of a data set that are there. `dag` is the whole one."""
    layout = layout_of(project)
    published = look_at_days(layout, dataset, [plan.day for plan in plans])
    of_skeleton = published if dataset == "skeleton" else look_at_days(layout, "skeleton", list(published))
    lacks = {
        day: immature_labels(state.manifest.fingerprint)
        for day, state in of_skeleton.items()
        if state.manifest is not None
    }
    seen = []
    for day, state in published.items():
        if state.manifest is not None:
            directory = layout.day_dir(dataset, day)
            parts = tuple(str(directory / part.name) for part in state.manifest.parts)
            seen.append(_DaySeen(state.manifest, parts, lacks.get(day, frozenset())))
    empty = sorted(day for day, state in published.items() if state.manifest is not None and state.manifest.rows == 0)
    sentences = []
    if empty:
        view = project.service.spine.view
        left = count_left(project, dag, sources, empty)
        sentences.append(f"{told_left(left, view, len(empty), len(seen))}: {shortened(empty, 3)}")
    sentences += _without_key(project, dag, seen)
    sentences += _empty_columns(project, dag, dataset, seen)
    return tuple(sentences)


def _empty_columns(project: Project, dag: Dag, dataset: Dataset, seen: Sequence[_DaySeen]) -> Iterator[str]:
    rolling = [operator for operator in dag.operators if isinstance(operator, WindowOperator)]
    empty = {aggregate.name: told_of(aggregate.kind).empty for operator in rolling for aggregate in operator.aggregates}
    for index, column in enumerate(project.service.columns):
        if column.kind not in _ADVICE or (column.kind == "embedding" and dataset == "skeleton"):
            continue
        judged = [seen_day for seen_day in seen if column.name not in seen_day.lacks]
        rows = sum(seen_day.manifest.rows for seen_day in judged)
        value = _only_value(column, empty.get(column.name), judged) if rows else None
        if value is not None:
            yield (
                f"{project.where('service', ('columns', index))}: column '{column.name}' ({column.kind}) is {value} in "
                f"each of {counted(rows, 'row')}: {_ADVICE[column.kind]}; do the keys of both sides hold the same ids?"
            )


def _without_key(project: Project, dag: Dag, seen: Sequence[_DaySeen]) -> Iterator[str]:
    """What samples dropped because it has no key, told of skeleton days, whose manifests have it."""
    for number, condition in enumerate(_filters(dag, next(scan for scan in dag.scans if scan.reads == "day"))):
        dropped = [seen_day.manifest.without_key.get(condition.name, 0) for seen_day in seen]
        if condition.sample is not None and any(dropped):
            yield (
                f"{_described(project, number, condition)}: {counted(sum(dropped), 'row')} to be sampled "
                f"{'has' if sum(dropped) == 1 else 'have'} a NULL in {' or '.join(condition.sample.by)}, and "
                f"{'is' if sum(dropped) == 1 else 'are'} left out: keep them by a condition in 'where', or sample by "
                "another column"
            )


def _only_value(column: ContractColumn, empty: str | None, seen: Sequence[_DaySeen]) -> str | None:
    """What stands in every row where nothing was found; None where something was."""
    filled = [seen_day for seen_day in seen if seen_day.manifest.rows]
    facts = [
        next((fact for fact in seen_day.manifest.columns if fact.name == column.name), None) for seen_day in filled
    ]
    known = [fact for fact in facts if fact is not None and not fact.placeholder]
    if len(known) != len(filled):
        return None
    if all(fact.nulls == seen_day.manifest.rows for fact, seen_day in zip(known, filled, strict=True)):
        return "NULL"
    if (
        column.kind in ("rolling", "label")
        and empty in ("0", "false")
        and column.default is None
        and _always(known, empty)
    ):
        return empty
    if column.default is not None and _always(known, str(column.default)):
        return f"its default {column.default!r}"
    parts = (path for seen_day in filled for path in seen_day.parts)
    is_list = column.kind in ("rolling", "label") and column.dtype.item is not None
    if is_list and all(_has_no_item(column.name, path) for path in parts):
        return "an empty list"
    return None


def _always(facts: Sequence[ColumnStatistics], value: str) -> bool:
    return all(fact.nulls == 0 and fact.minimum == value and fact.maximum == value for fact in facts)


def _has_no_item(column: str, path: str) -> bool:
    """Whether the lists of a column are all empty in a part: by its footer, or, where that tells of NULLs, by them."""
    import pyarrow.compute as pc

    with open_parquet(path) as file:
        leaf = leaf_of(file, column)
        groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
        facts = [(chunk.statistics, chunk.num_values) for chunk in (group.column(leaf) for group in groups)]
        if any(
            statistic is None or not statistic.has_null_count or statistic.null_count < values
            for statistic, values in facts
        ):
            return False
        # A NULL may be an item: a sequence keeps them.
        numbers = range(file.num_row_groups)
        lists = (file.read_row_group(number, columns=[column]).column(0) for number in numbers)
        return not any(pc.sum(pc.list_value_length(one)).as_py() for one in lists)


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
    if condition.sample is not None:
        return f"sample of {condition.sample.share:f} by {', '.join(condition.sample.by)}{where}"
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

"""What a value to be erased is, and which sources still have it: a day that is built again would hold it anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.dataset.holding import Wanted, rows_holding
from daeda.errors import InputError, UsageError, closest, counted, did_you_mean, first_line, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan
from daeda.planning.sources import Sources
from daeda.storage.parquet import open_parquet

# What they make are the values that they read; a function may make anything of them.
_WINDOWS = ("aggregation_specs", "label_specs")


def wanted_of(project: Project, text: str) -> Wanted:
    """What `user_id=42` looks for; raises UsageError for what is no key of a view, or no value of its type."""
    key, equals, value = text.partition("=")
    keys = {name for view in project.views.values() for name in view.keys}
    if not equals or not value:
        raise UsageError(f"--key '{text}' names no value: write the key of an entity and a value, like user_id=42")
    if key not in keys:
        known = did_you_mean(key, keys) if closest(key, keys) else f"the keys are {shortened(sorted(keys))}"
        raise UsageError(f"--key '{key}' is no key of a view: {known}")
    dtypes = {view.dtype(key).name: view.dtype(key) for view in project.views.values() if key in view.keys}
    if all(dtype.is_integer for dtype in dtypes.values()):
        try:
            return Wanted(key, int(value), _elsewhere(project, key, keys))
        except ValueError:
            raise UsageError(
                f"--key {text}: '{key}' is {', '.join(dtypes)}, and '{value}' is no whole number"
            ) from None
    if set(dtypes) == {"string"}:
        return Wanted(key, value, _elsewhere(project, key, keys))
    raise UsageError(f"--key {text}: '{key}' is {', '.join(dtypes)}; a key that is erased is a whole number or a text")


def _elsewhere(project: Project, key: str, keys: set[str]) -> frozenset[str]:
    """Columns whose lists hold the key of another entity alone, by what the project declares now."""
    others = keys - {key}
    made: set[str] = set()
    for section, index, _, names in project.aggregations.results():
        read = _read_by(getattr(project.aggregations, section)[index])
        if section in _WINDOWS and read and read <= others:
            made |= set(names)
    return frozenset(made)


def _read_by(spec: object) -> set[str]:
    """The fields whose values stand in what an aggregation makes."""
    columns = getattr(spec, "columns", None) or ()
    column = getattr(spec, "column", None)
    return {str(one).rpartition(":")[2] for one in (*columns, *((column,) if column else ()))}


def still_there(
    sources: Sources, dag: Dag, wanted: Wanted, days: Iterable[dt.date], lists: frozenset[str]
) -> Iterator[str]:
    """A clause for each file that the days would read and that has the value, in its key or in what `lists` hold."""
    paths: dict[tuple[str, str], tuple[Scan, set[str]]] = {}
    for day in days:
        needed = sources.needed(day)
        for scan in dag.scans:
            fields = {one.source for one in scan.columns if one.name == wanted.key or one.name in lists}
            for path in needed[scan.name] if fields else ():
                paths.setdefault((scan.view, path), (scan, set()))[1].update(fields)
    for (view, path), (scan, fields) in sorted(paths.items(), key=lambda item: item[0]):
        count = _rows(path, fields, wanted, sources, scan)
        if count:
            shown = f"view '{view}'" if view in sources.exports else f"view '{view}': {path}"
            yield f"{shown} has {counted(count, 'row')} with {wanted}"


def _rows(path: str, fields: set[str], wanted: Wanted, sources: Sources, scan: Scan) -> int:
    try:
        with open_parquet(path, sources.files[scan.name].versions.get(path)) as file:
            there = [name for name in file.schema_arrow.names if name in fields]
            batches = file.iter_batches(columns=there) if there else ()
            return sum(max(rows_holding(column, wanted) for column in batch.columns) for batch in batches)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"view '{scan.view}': {path} cannot be read ({first_line(error)}): whether it holds {wanted} is not known"
        ) from error


def fields_behind(project: Project, lists: Iterable[str]) -> frozenset[str]:
    """The fields whose values stand in these columns, by what the project declares now."""
    names = set(lists)
    fields: set[str] = set()
    for section, index, _, made in project.aggregations.results():
        if names & set(made):
            fields |= _read_by(getattr(project.aggregations, section)[index])
    return frozenset(fields | names)

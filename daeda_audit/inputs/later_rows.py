"""Later rows: a copy of the input in which every view that changes over time goes on after a cut.

Each view gets rows that repeat keys that it has, once with
the same values and once with other ones: right after the cut, at the end of the day and on the next day; and, where
the view has a created_field, corrections of earlier rows that become known only after the cut.
"""

from __future__ import annotations

import datetime as dt
import glob
import json
import random
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dataset.layout import day_name
from daeda.errors import InputError, counted
from daeda.sources.models.source import DatabaseSource
from daeda.storage.client import AT_ONCE, StoredObject
from daeda.storage.location import ObjectPath, is_object, object_path
from daeda.storage.objects import client
from daeda_audit.declared import read_views, used_views
from daeda_audit.instants import END_OF_THE_CALENDAR, EPOCH, PER_DAY, PER_SECOND, day_of
from daeda_audit.published.days import PublishedDay
from daeda_audit.raw.view import RawView, RawViews
from daeda_audit.values import instants

_MOST_TEMPLATES = 500
_ADDED = "zz-added-by-the-audit.parquet"


@dataclass(frozen=True)
class LaterInput:
    """A copy of the input with later rows: files below `data_root`, and `exports` of views in databases.

    `added` counts the new rows by view; `outside` could not be copied.
    """

    data_root: Path
    exports: Path
    added: dict[str, int]
    outside: tuple[str, ...]


def copy_with_later_rows(
    project: Project, raws: RawViews, published: PublishedDay, cut: int, directory: Path, seed: int
) -> LaterInput:
    """Write the copy below `directory`; the cut is in nanoseconds, and every new row is known only after it."""
    input_copy = copy_input(project, raws, published, directory)
    views = [view for view in used_views(project) if view.source.timestamp_field is not None]
    added: dict[str, int] = {}
    done: set[str] = set()
    for view in views:
        location = input_copy.locations.get(view.name)
        # Files that two views read get their rows once.
        if location is None or view.source.reference in done:
            continue
        done |= set() if isinstance(view.source, DatabaseSource) else {view.source.reference}
        chance = random.Random(f"{seed} {published.day} {view.name}")
        added[view.name] = _add_later_rows(raws[view.name], published.day, cut, location, chance)
    outside = tuple(view.name for view in views if view.name not in input_copy.locations)
    return LaterInput(input_copy.data_root, input_copy.exports, added, outside)


def _add_later_rows(raw: RawView, day: dt.date, cut: int, target: Path, chance: random.Random) -> int:
    templates = _templates(raw, day, cut, chance)
    if templates is None:
        return 0
    added: dict[Path, list[pa.Table]] = {}

    def add(table: pa.Table, number: int) -> None:
        added.setdefault(_file_of(raw, target, number), []).append(table)

    changed = _changed(raw.view, templates)
    for instant in _later_instants(raw.view, day, cut):
        for table in (templates, changed):
            add(_at(raw.view, table, instant), instant // PER_DAY)
    latest = _later_instants(raw.view, day, cut, created=True)
    if raw.view.source.created_field is not None and latest:
        known = latest[0]
        late = _with_time(changed, raw.view, raw.view.source.created_field, known)
        if raw.partitions:
            days = [instant // PER_DAY for instant in _times(raw.view, late)]
            for number in sorted(set(days)):
                add(late.filter(pa.array([day_number == number for day_number in days])), number)
        else:
            add(late, 0)
    for path, tables in added.items():
        _write(path, tables)
    return sum(len(table) for tables in added.values() for table in tables)


def _templates(raw: RawView, day: dt.date, cut: int, chance: random.Random) -> pa.Table | None:
    """Some rows at or before the cut, of the newest file that has any."""
    for file in reversed(raw.files(day)):
        times = instants(raw.columns(file, [_time_of(raw.view)])[0], raw.view.unit_of(_time_of(raw.view)))
        early = [position for position, instant in enumerate(times) if instant is not None and instant <= cut]
        if early:
            chosen = sorted(chance.sample(early, min(_MOST_TEMPLATES, len(early))))
            return raw.table(file).take(pa.array(chosen, pa.int64()))
    return None


def _time_of(view: FeatureView) -> str:
    assert view.source.timestamp_field is not None
    return view.source.timestamp_field


def _times(view: FeatureView, table: pa.Table) -> list[int]:
    """Of templates, which all have one."""
    return instants(table.column(view.source_name(_time_of(view))), view.unit_of(_time_of(view)))


def _later_instants(view: FeatureView, day: dt.date, cut: int, *, created: bool = False) -> list[int]:
    """Right after the cut, the last instant of the day, and the middle of the next day, as the column can hold them."""
    name = view.source.created_field if created and view.source.created_field else _time_of(view)
    dtype = view.dtype(name)
    step = PER_DAY if dtype.name == "date" else PER_SECOND // view.unit_of(name).value
    end = (day_of(day).number + 1) * PER_DAY
    first = (cut // step + 1) * step
    wanted = [first, (end - 1) // step * step, (end + PER_DAY // 2) // step * step]
    return sorted({instant for instant in wanted if cut < instant < END_OF_THE_CALENDAR})


def _at(view: FeatureView, table: pa.Table, instant: int) -> pa.Table:
    """The rows at another time, known since then."""
    moved = _with_time(table, view, _time_of(view), instant)
    created = view.source.created_field
    return moved if created is None else _with_time(moved, view, created, instant)


def _with_time(table: pa.Table, view: FeatureView, name: str, instant: int) -> pa.Table:
    """A time column set to one instant, in whole units of the column and not before the instant."""
    position = table.schema.get_field_index(view.source_name(name))
    kind = table.schema.field(position).type
    if pa.types.is_date32(kind):
        values = pa.array([-(-instant // PER_DAY)] * len(table), pa.int32()).cast(kind)
    else:
        step = PER_SECOND // view.unit_of(name).value
        values = pa.array([-(-instant // step)] * len(table), pa.int64()).cast(kind)
    return table.set_column(position, table.schema.field(position), values)


def _changed(view: FeatureView, table: pa.Table) -> pa.Table:
    """The rows with other values in every feature."""
    for feature in view.features:
        position = table.schema.get_field_index(view.source_name(feature))
        if position >= 0:
            field = table.schema.field(position)
            table = table.set_column(position, field, _other_values(table.column(position), field.type))
    return table


def _other_values(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.add(column, pa.scalar(1, kind))
    if pa.types.is_boolean(kind):
        return pc.invert(column)
    if pa.types.is_string(kind):
        return pc.binary_join_element_wise(column, pa.scalar("~", kind), pa.scalar("", kind))
    # Values of the row before: what is left has no neighbour that is certainly of its type.
    positions = [len(column) - 1, *range(len(column) - 1)] if len(column) else []
    return column.take(pa.array(positions, pa.int64()))


def _file_of(raw: RawView, target: Path, number: int) -> Path:
    """Where added rows of a day lie: in a file of their own in a directory, else in the one file of the view."""
    if not target.is_dir():
        return target
    return (target / day_name(EPOCH + dt.timedelta(days=number)) if raw.partitions else target) / _ADDED


def _write(path: Path, added: Sequence[pa.Table]) -> None:
    """Write added rows, behind those of the file where there is one."""
    path.parent.mkdir(exist_ok=True)
    tables = list(added)
    if path.exists():
        tables.insert(0, pq.read_table(path, partitioning=None))
        path.unlink()  # it may be a link to the original
    pq.write_table(pa.concat_tables(tables), path)


@dataclass(frozen=True)
class InputCopy:
    """`data_root` holds the copy, `exports` those of databases with their index; `locations` are the views in them.

    A view whose files are outside of data_root has no location.
    """

    data_root: Path
    exports: Path
    locations: Mapping[str, Path]


def copy_input(project: Project, raws: RawViews, published: PublishedDay, directory: Path) -> InputCopy:
    """Write the copy below `directory`. Of objects those are copied that the day read, which its manifest lists."""
    copied, exports = directory / "data", directory / "exports"
    views = [raws[view.name] for view in read_views(project)]
    locations = _copy_exports([raw for raw in views if isinstance(raw.view.source, DatabaseSource)], exports)
    in_files = [raw for raw in views if not isinstance(raw.view.source, DatabaseSource)]
    if is_object(project.data_root):
        return InputCopy(copied, exports, locations | _copy_objects(project, in_files, published, copied))
    root = Path(project.data_root).resolve()
    inside = {raw.view.name: relative for raw in in_files if (relative := _inside(root, raw)) is not None}
    if root.is_dir():
        _copy_files(root, copied, root, set(inside.values()))
    return InputCopy(copied, exports, locations | {name: copied / relative for name, relative in inside.items()})


def _copy_exports(raws: Iterable[RawView], target: Path) -> dict[str, Path]:
    target.mkdir()
    locations = {}
    index = {}
    for raw in raws:
        path = target / f"{raw.view.name}.parquet"
        path.symlink_to(raw.path)
        locations[raw.view.name] = path
        index[raw.view.name] = {"path": str(path), "reference": raw.reference}
    (target / "exports.json").write_text(json.dumps(index), encoding="utf-8")
    return locations


def _inside(root: Path, raw: RawView) -> Path | None:
    """Where a view's files are below data_root: their directory, or the one file; None when they are elsewhere."""
    if is_object(raw.path):
        return None
    path = Path(raw.path)
    if not path.exists():  # a pattern
        path = next((file for file in reversed(raw.flat) if isinstance(file, Path)), path)
    try:
        return path.resolve().relative_to(root)
    except ValueError:
        return None


def _copy_files(source: Path, target: Path, root: Path, altered: Iterable[Path]) -> None:
    """Links to everything, in real directories down to what is altered; altered directories are real all through."""
    target.mkdir(parents=True)
    for child in source.iterdir():
        relative = child.relative_to(root)
        beside = target / child.name
        within = any(relative == path or relative.is_relative_to(path) for path in altered)
        above = any(path.is_relative_to(relative) for path in altered)
        if child.is_dir() and (within or above):
            _copy_files(child, beside, root, altered)
        else:
            beside.symlink_to(child)


def _copy_objects(project: Project, raws: Iterable[RawView], published: PublishedDay, target: Path) -> dict[str, Path]:
    root = object_path(project.data_root)
    target.mkdir()
    _fetch_inputs(root, published, target)
    locations = {}
    for raw in raws:
        location = _location_of(raw)
        if location is None or not _lies_below(root, location):
            continue
        locations[raw.view.name] = target / location.key.removeprefix(root.prefix)
        for day in raw.partitions:
            # Also of a day without rows: it is no missing one.
            (locations[raw.view.name] / day_name(day)).mkdir(parents=True, exist_ok=True)
    return locations


def _location_of(raw: RawView) -> ObjectPath | None:
    """The directory or the object of a view, the last object of a pattern; None for a view that is not in a bucket."""
    if not is_object(raw.path):
        return None
    if not glob.has_magic(raw.view.source.reference):
        return object_path(raw.path)
    return next((file.path for file in reversed(raw.flat) if isinstance(file, StoredObject)), None)


def _lies_below(root: ObjectPath, path: ObjectPath) -> bool:
    return path.bucket == root.bucket and path.key.startswith(root.prefix)


def _fetch_inputs(root: ObjectPath, published: PublishedDay, target: Path) -> None:
    """The objects that the day read, as they are now: one that is gone is missed by the rebuild."""
    wanted = {file.path: file.size for file in published.manifest.inputs if file.etag}
    below = [path for path in map(object_path, wanted) if _lies_below(root, path)]
    size, room = sum(wanted[str(path)] for path in below), shutil.disk_usage(target).free
    if size > room:
        raise InputError(
            f"append probe: the {counted(len(below), 'object')} that {published.day} read have {size:,} bytes, and "
            f"{target} has room for {room:,}: name another staging_root, or leave the probe out with --probe recompute"
        )

    def fetch(path: ObjectPath) -> None:
        if client().look(path) is not None:
            location = target / path.key.removeprefix(root.prefix)
            location.parent.mkdir(parents=True, exist_ok=True)
            client().fetch(path, location)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, below))

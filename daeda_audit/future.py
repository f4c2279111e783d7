"""Rows of the future: a copy of the input in which every view that changes over time goes on after a cut.

Each view gets rows that repeat keys that it has, once with
the same values and once with other ones: right after the cut, at the end of the day and on the next day; and, where
the view has a created_field, corrections of earlier rows that become known only after the cut.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dataset.layout import day_name
from daeda_audit.declared import used_views
from daeda_audit.mirror import mirror_input
from daeda_audit.moments import EPOCH, PER_DAY, PER_SECOND, day_of
from daeda_audit.published import PublishedDay
from daeda_audit.raw import RawView, RawViews
from daeda_audit.values import from_arrow, nanoseconds

_MOST_TEMPLATES = 500
_ADDED = "zz-added-by-the-audit.parquet"


@dataclass(frozen=True)
class Future:
    """A copy of the input with a future: files below `data_root`, and `exports` of views in databases.

    `added` counts the new rows by view; `outside` could not be copied.
    """

    data_root: Path
    exports: Path
    added: dict[str, int]
    outside: tuple[str, ...]


def copy_with_future(
    project: Project, raws: RawViews, published: PublishedDay, cut: int, directory: Path, seed: int
) -> Future:
    """Write the copy below `directory`; the cut is in nanoseconds, and every new row is known only after it."""
    mirror = mirror_input(project, raws, published, directory)
    views = [view for view in used_views(project) if view.source.timestamp_field is not None]
    added: dict[str, int] = {}
    done: set[str] = set()
    for view in views:
        place = mirror.places.get(view.name)
        # Files that two views read get their rows once.
        if place is None or view.source.path in done:
            continue
        done |= {view.source.path} if view.source.path is not None else set()
        chance = random.Random(f"{seed} {published.day} {view.name}")
        added[view.name] = _add_future(raws[view.name], published.day, cut, place, chance)
    outside = tuple(view.name for view in views if view.name not in mirror.places)
    return Future(mirror.data_root, mirror.exports, added, outside)


def _add_future(raw: RawView, day: dt.date, cut: int, target: Path, chance: random.Random) -> int:
    templates = _templates(raw, day, cut, chance)
    if templates is None:
        return 0
    rows = 0
    for moment in _moments(raw.view, day, cut):
        for table in (templates, _changed(raw.view, templates)):
            rows += _write(raw, target, _at(raw.view, table, moment), moment // PER_DAY)
    if raw.view.source.created_field is not None:
        known = _moments(raw.view, day, cut, created=True)[0]
        late = _with_time(_changed(raw.view, templates), raw.view, raw.view.source.created_field, known)
        for number in sorted({_day_number(raw.view, value) for value in _times(raw.view, late)}):
            mask = pa.array([_day_number(raw.view, value) == number for value in _times(raw.view, late)])
            rows += _write(raw, target, late.filter(mask), number)
    return rows


def _templates(raw: RawView, day: dt.date, cut: int, chance: random.Random) -> pa.Table | None:
    """Some rows at or before the cut, of the newest file that has any."""
    for file in reversed(raw.files(day)):
        table = raw.table(file)
        times = [nanoseconds(value, raw.view.unit_of(_time_of(raw.view))) for value in _times(raw.view, table)]
        early = [place for place, moment in enumerate(times) if moment is not None and moment <= cut]
        if early:
            chosen = sorted(chance.sample(early, min(_MOST_TEMPLATES, len(early))))
            return table.take(pa.array(chosen, pa.int64()))
    return None


def _time_of(view: FeatureView) -> str:
    assert view.source.timestamp_field is not None
    return view.source.timestamp_field


def _times(view: FeatureView, table: pa.Table) -> list[object]:
    return from_arrow(table.column(view.source_name(_time_of(view))))


def _day_number(view: FeatureView, value: object) -> int:
    return (nanoseconds(value, view.unit_of(_time_of(view))) or 0) // PER_DAY


def _moments(view: FeatureView, day: dt.date, cut: int, *, created: bool = False) -> list[int]:
    """Right after the cut, the last instant of the day, and the middle of the next day, as the column can hold them."""
    name = view.source.created_field if created and view.source.created_field else _time_of(view)
    dtype = view.dtype(name)
    step = PER_DAY if dtype.name == "date" else PER_SECOND // view.unit_of(name).value
    end = (day_of(day).number + 1) * PER_DAY
    first = (cut // step + 1) * step
    wanted = [first, (end - 1) // step * step, (end + PER_DAY // 2) // step * step]
    return sorted({moment for moment in wanted if moment > cut})


def _at(view: FeatureView, table: pa.Table, moment: int) -> pa.Table:
    """The rows at another time, known since then."""
    moved = _with_time(table, view, _time_of(view), moment)
    created = view.source.created_field
    return moved if created is None else _with_time(moved, view, created, moment)


def _with_time(table: pa.Table, view: FeatureView, name: str, moment: int) -> pa.Table:
    """A time column set to one instant, in whole units of the column and not before the instant."""
    place = table.schema.get_field_index(view.source_name(name))
    kind = table.schema.field(place).type
    if pa.types.is_date32(kind):
        values = pa.array([-(-moment // PER_DAY)] * len(table), pa.int32()).cast(kind)
    else:
        step = PER_SECOND // view.unit_of(name).value
        values = pa.array([-(-moment // step)] * len(table), pa.int64()).cast(kind)
    return table.set_column(place, table.schema.field(place), values)


def _changed(view: FeatureView, table: pa.Table) -> pa.Table:
    """The rows with other values in every feature."""
    for feature in view.features:
        place = table.schema.get_field_index(view.source_name(feature))
        if place >= 0:
            field = table.schema.field(place)
            table = table.set_column(place, field, _other_values(table.column(place), field.type))
    return table


def _other_values(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.add(column, pa.scalar(1, kind))
    if pa.types.is_boolean(kind):
        return pc.invert(column)
    if pa.types.is_string(kind):
        return pc.binary_join_element_wise(column, pa.scalar("~", kind), pa.scalar("", kind))
    # Values of the row before: what is left has no neighbour that is certainly of its type.
    places = [len(column) - 1, *range(len(column) - 1)] if len(column) else []
    return column.take(pa.array(places, pa.int64()))


def _write(raw: RawView, target: Path, table: pa.Table, number: int) -> int:
    """Add rows of one day to the copy: as a file of its own in a directory, else behind the rows of the file."""
    if target.is_dir():
        place = target / day_name(EPOCH + dt.timedelta(days=number)) if raw.partitions else target
        place.mkdir(exist_ok=True)
        path = place / _ADDED
    else:
        path = target
    rows: Sequence[pa.Table] = [table]
    if path.exists():
        rows = [pq.read_table(path, partitioning=None), table]
        path.unlink()  # it may be a link to the original
    pq.write_table(pa.concat_tables(rows), path)
    return len(table)

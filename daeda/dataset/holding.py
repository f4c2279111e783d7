"""Which published days hold a value: as the key of rows, or as an element of lists and of sequences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from daeda.dataset.layout import DATASETS, Dataset, Layout, is_part, parts_in_order
from daeda.dataset.manifest import DayName, read_manifest
from daeda.errors import InputError, counted, first_line
from daeda.sources.files import PARTITION, parse_day
from daeda.storage.location import Location
from daeda.storage.objects import client
from daeda.storage.parquet import open_parquet


@dataclass(frozen=True)
class Wanted:
    """A value that is looked for: rows by the column `key`, lists in every column of its type but the `elsewhere` ones.

    `elsewhere` are columns whose lists are known to hold what is no such value.
    """

    key: str
    value: int | str
    elsewhere: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.key}={self.value}"

    def scalar(self, dtype: pa.DataType) -> pa.Scalar | None:
        """The value in a type; None where the type has no such value."""
        text = pa.types.is_string(dtype) or pa.types.is_large_string(dtype)
        if text != isinstance(self.value, str) or not (text or pa.types.is_integer(dtype)):
            return None
        try:
            return pa.scalar(self.value, dtype)
        except (pa.ArrowInvalid, OverflowError):
            return None


@dataclass(frozen=True)
class Holding:
    """A day that holds the value. `lists` maps a column to how many of its lists do."""

    layout: Layout
    dataset: Dataset
    day: dt.date
    rows: int = 0
    lists: dict[str, int] = field(default_factory=dict)
    published: bool = True

    @property
    def directory(self) -> Location:
        """Where the day is."""
        return self.layout.day_dir(self.dataset, self.day)

    def __str__(self) -> str:
        held = [counted(self.rows, "row")] if self.rows else []
        held += [f"{counted(count, 'list')} of {column}" for column, count in self.lists.items()]
        unpublished = "" if self.published else " (without a manifest, so no published day)"
        return f"{self.directory}: {', '.join(held)}{unpublished}"


def days_there(layout: Layout, dataset: Dataset) -> list[dt.date]:
    """Every day of which there is a directory, or an object, whether it is published or not."""
    return days_below(layout.dataset_dir(dataset))


def days_below(directory: Location) -> list[dt.date]:
    """The same for the directory of the days of a dataset."""
    if isinstance(directory, Path):
        names = [path.name for path in directory.glob(f"{PARTITION}*")]
    else:
        names = client().folders(directory)
    days = [parse_day(name.removeprefix(PARTITION)) for name in names if name.startswith(PARTITION)]
    return sorted(day for day in days if day is not None)


def holdings(layout: Layout, wanted: Wanted, days: Collection[dt.date] | None = None) -> Iterator[Holding]:
    """The days of one version that hold the value, of both datasets; all of them, or those of `days`.

    What lies in the place of a day without a manifest is looked at as well. Raises InputError for a part that cannot be
    read: whether it holds the value is not known.
    """
    for dataset in DATASETS:
        for day in days_there(layout, dataset):
            if days is not None and day not in days:
                continue
            directory = layout.day_dir(dataset, day)
            manifest = read_manifest(directory, DayName(layout.service, dataset, day))
            parts = _parts_of(directory)
            if manifest is not None:
                parts = sorted({*parts, *(part.name for part in manifest.parts)})
            found = Holding(layout, dataset, day, published=manifest is not None)
            for name in parts_in_order(parts):
                found = _with_part(found, directory / name, wanted)
            if found.rows or found.lists:
                yield found


def _parts_of(directory: Location) -> list[str]:
    if isinstance(directory, Path):
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    else:
        names = [stored.path.key.removeprefix(directory.prefix) for stored in client().listing(directory)]
    return [name for name in names if is_part(name)]


def _with_part(found: Holding, path: Location, wanted: Wanted) -> Holding:
    rows, lists = found.rows, dict(found.lists)
    try:
        with open_parquet(str(path)) as file:
            names = [one.name for one in file.schema_arrow if _may_hold(one, wanted)]
            for batch in file.iter_batches(columns=names) if names else ():
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    count = rows_holding(column, wanted)
                    if not count:
                        continue
                    if name == wanted.key:
                        rows += count
                    else:
                        lists[name] = lists.get(name, 0) + count
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}): whether it holds {wanted} is not known; build the day "
            "again, or remove it"
        ) from error
    return Holding(found.layout, found.dataset, found.day, rows, lists, found.published)


def _may_hold(column: pa.Field, wanted: Wanted) -> bool:
    if column.name == wanted.key:
        return True
    return column.name not in wanted.elsewhere and _is_list(column.type) and bool(_leaves(column.type, wanted))


def _is_list(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_list(dtype) or pa.types.is_large_list(dtype))


def _leaves(dtype: pa.DataType, wanted: Wanted) -> bool:
    if _is_list(dtype):
        return _leaves(dtype.value_type, wanted)
    if pa.types.is_struct(dtype):
        return any(_leaves(dtype.field(index).type, wanted) for index in range(dtype.num_fields))
    return wanted.scalar(dtype) is not None


def rows_holding(column: pa.Array, wanted: Wanted) -> int:
    """In how many rows of a column the value is, in whatever depth."""
    return int(pc.sum(pc.fill_null(_holds(column, wanted), False)).as_py() or 0)


def _holds(column: pa.Array, wanted: Wanted) -> pa.Array:
    """Of each row whether the value is in it."""
    if _is_list(column.type):
        inside = pc.fill_null(_holds(pc.list_flatten(column), wanted), False)
        parents = pc.unique(pc.filter(pc.list_parent_indices(column), inside))
        return pc.is_in(pa.array(range(len(column)), parents.type), value_set=parents)
    if pa.types.is_struct(column.type):
        held = pa.array([False] * len(column))
        for part in column.flatten():
            held = pc.or_(held, pc.fill_null(_holds(part, wanted), False))
        return held
    value = wanted.scalar(column.type)
    return pa.array([False] * len(column)) if value is None else pc.equal(column, value)

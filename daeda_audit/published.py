"""Published days: their parts, checked against the manifest and read with pyarrow."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, day_name
from daeda.dataset.manifest import InputFile, Manifest, read_manifest
from daeda.errors import InputError, UsageError, shortened
from daeda.storage.client import AT_ONCE
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath, Place, object_path
from daeda_audit.copies import Export, table_of
from daeda_audit.values import from_arrow

DATASETS: tuple[Dataset, ...] = ("skeleton", "enriched")


@dataclass(frozen=True)
class PublishedDay:
    """One day of one dataset. `origin` is where it was published, `directory` where its parts are read.

    They are the same on a disk. Of a day on object storage the parts are copied, and go again when it was read.
    """

    dataset: Dataset
    day: dt.date
    directory: Path
    manifest: Manifest
    origin: Place

    @property
    def paths(self) -> list[Path]:
        """The parts in their order."""
        return [self.directory / part.name for part in self.manifest.parts]

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns."""
        return pq.read_schema(self.paths[0])

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return [value for path in self.paths for value in from_arrow(pq.read_table(path, columns=[name]).column(0))]

    def rows_where_nothing_is(self, name: str) -> list[int]:
        """Rows in which a column is NULL, an empty list or 0: what an empty window gives."""
        found: list[int] = []
        first = 0
        for path in self.paths:
            column = pq.read_table(path, columns=[name]).column(0)
            if not len(column):  # pyarrow 25 breaks down over a column without chunks
                continue
            nothing = pc.is_null(column)
            if pa.types.is_list(column.type):
                nothing = pc.or_(nothing, pc.fill_null(pc.equal(pc.list_value_length(column), 0), False))
            elif pa.types.is_integer(column.type):
                nothing = pc.or_(nothing, pc.fill_null(pc.equal(column, pa.scalar(0, column.type)), False))
            found += [first + place for place in pc.indices_nonzero(nothing).to_pylist()]
            first += len(column)
        return found

    def take(self, names: Collection[str], places: Sequence[int]) -> dict[str, list[Any]]:
        """The values of columns at ascending row numbers."""
        values: dict[str, list[Any]] = {name: [] for name in names}
        first = 0
        for path in self.paths:
            rows = pq.read_metadata(path).num_rows
            here = [place - first for place in places if first <= place < first + rows]
            if here:
                for name in names:
                    column = pq.read_table(path, columns=[name]).column(0)
                    values[name] += from_arrow(column.take(pa.array(here, pa.int64())))
            first += rows
        return values


def published_days(layout: Layout, asked: Sequence[dt.date], copies: Path) -> dict[dt.date, list[PublishedDay]]:
    """The published datasets of each asked day, or of every day there is; raises when there is none.

    Parts of days on object storage will be copied below `copies`.
    """
    found: dict[dt.date, list[PublishedDay]] = {}
    for dataset in DATASETS:
        origin = layout.dataset_dir(dataset)
        for place, manifest in _manifests(origin):
            if place.name == day_name(dt.date.fromisoformat(manifest.day)):
                day = dt.date.fromisoformat(manifest.day)
                directory = place if isinstance(place, Path) else copies / dataset / place.name
                found.setdefault(day, []).append(PublishedDay(dataset, day, directory, manifest, place))
    if not found:
        raise InputError(
            f"{layout.service_dir} holds no published day: build one with `daeda pipeline train`, or name the "
            "directory with --output-root"
        )
    missing = [day for day in asked if day not in found]
    if missing:
        raise UsageError(
            f"--days: {shortened(missing)} {'is' if len(missing) == 1 else 'are'} not published in "
            f"{layout.service_dir}: {shortened(sorted(found))} {'is' if len(found) == 1 else 'are'} there"
        )
    return {day: found[day] for day in sorted(asked or found)}


def _manifests(origin: Place) -> list[tuple[Place, Manifest]]:
    """The days of a dataset that have a manifest: without one it is no day."""
    places: list[Place]
    match origin:
        case Path():
            places = sorted(origin.glob("dt=*"))
        case ObjectPath():
            places = [one.path.parent for one in client().listing(origin) if one.path.name == MANIFEST_NAME]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [(place, found) for place, found in zip(places, pool.map(read_manifest, places), strict=True) if found]


@contextlib.contextmanager
def opened(days: Sequence[PublishedDay]) -> Iterator[None]:
    """Have the parts at hand while the block runs; raises InputError unless they are the bytes that were published."""
    try:
        for one in days:
            _copy_parts(one)
            _check_parts(one)
        yield
    finally:
        for one in days:
            if isinstance(one.origin, ObjectPath):
                shutil.rmtree(one.directory, ignore_errors=True)


def _copy_parts(one: PublishedDay) -> None:
    if isinstance(one.origin, ObjectPath):
        one.directory.mkdir(parents=True, exist_ok=True)
        for part in one.manifest.parts:
            client().fetch(one.origin / part.name, one.directory / part.name)


def _check_parts(one: PublishedDay) -> None:
    for part in one.manifest.parts:
        shown = one.origin / part.name
        try:
            with (one.directory / part.name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{shown} cannot be read ({error.strerror}): build the day again") from error
        if digest != part.sha256:
            raise InputError(f"{shown} is not the file that was published: build the day again")


def changed_inputs(one: PublishedDay, exports: Iterable[Export]) -> list[str]:
    """Inputs of a day that are not there any more, or have another content than when it was built."""
    held = list(exports)
    files = list({file.path: file for file in one.manifest.inputs}.values())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        same = list(pool.map(lambda file: _is_same(file, held), files))
    return [file.path for file, unchanged in zip(files, same, strict=True) if not unchanged]


def _is_same(file: InputFile, exports: Sequence[Export]) -> bool:
    if file.etag:
        stored = client().look(object_path(file.path))
        return stored is not None and (stored.size, stored.etag) == (file.size, file.etag)
    if "://" in file.path:
        # Several views may read other columns of one table.
        read = [one for one in exports if table_of(one.reference) == table_of(file.path)]
        return not read or any(_has_digest(one.path, file.sha256) for one in read)
    path = Path(file.path)
    try:
        stat = path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns) or _has_digest(path, file.sha256)
    except OSError:
        return False


def _has_digest(path: Path, sha256: str) -> bool:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256

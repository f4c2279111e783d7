"""Published days: their parts, checked against the manifest and read with pyarrow."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.layout import DATASETS, Dataset, Layout, day_name
from daeda.dataset.manifest import DayName, Manifest, read_manifest
from daeda.errors import InputError, UsageError, counted, first_line, shortened
from daeda.process.messages import say
from daeda.storage.client import AT_ONCE
from daeda.storage.location import Location, ObjectPath, object_path
from daeda.storage.objects import client
from daeda.storage.regular import file_digest
from daeda.storage.state import InputFile
from daeda_audit.raw.local_copies import Export, table_of
from daeda_audit.values import from_arrow


@dataclass(frozen=True)
class PublishedDay:
    """One day of one dataset. `origin` is where it was published, `directory` where its parts are read.

    They are the same on a disk. Of a day on object storage the parts are copied, and go again when it was read.
    """

    dataset: Dataset
    day: dt.date
    directory: Path
    manifest: Manifest
    origin: Location

    @property
    def paths(self) -> list[Path]:
        """The parts in their order."""
        return [self.directory / part.name for part in self.manifest.parts]

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns."""
        return self._footers[self.paths[0]].schema.to_arrow_schema()

    @cached_property
    def _footers(self) -> dict[Path, pq.FileMetaData]:
        return {path: self._footer(path) for path in self.paths}

    @cached_property
    def lengths(self) -> list[int]:
        """Rows of each part, as the manifest has them, which `opened` has compared with the footers."""
        return [part.rows for part in self.manifest.parts]

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return [value for path in self.paths for value in from_arrow(self._read(path, name))]

    def _read(self, path: Path, name: str) -> pa.ChunkedArray:
        """A column of a part, whose digest was compared before: what cannot be read now has gone since."""
        try:
            # A footer is parsed once, and not with each of its columns.
            with pq.ParquetFile(path, metadata=self._footers[path]) as part:
                return part.read(columns=[name]).column(name)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise self._unreadable(path, error) from error

    def _footer(self, path: Path) -> pq.FileMetaData:
        try:
            return pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: Path, error: Exception) -> InputError:
        reason = "it is not there any more" if isinstance(error, FileNotFoundError) else first_line(error)
        return InputError(
            f"{self.origin / path.name} cannot be read ({reason}): build the day again, and audit it at rest"
        )

    def check_footers(self) -> None:
        """Raise InputError where the footers of the parts contradict the manifest or each other."""
        for path, rows in zip(self.paths, self.lengths, strict=True):
            footer, shown = self._footers[path], self.origin / path.name
            if footer.num_rows != rows:
                actual = counted(footer.num_rows, "row")
                raise InputError(f"{shown} has {actual}, and the manifest says {rows:,}: build the day again")
            if not footer.schema.to_arrow_schema().equals(self.schema):
                raise InputError(f"{shown} has other columns than the first part of the day: build the day again")

    def rows_where_nothing_is(self, name: str) -> list[int]:
        """Rows in which a column is NULL, an empty list or 0: what an empty window gives."""
        rows: list[int] = []
        first = 0
        for path in self.paths:
            column = self._read(path, name)
            if not len(column):  # pyarrow 25 breaks down over a column without chunks
                continue
            nothing = pc.is_null(column)
            if pa.types.is_list(column.type):
                nothing = pc.or_(nothing, pc.fill_null(pc.equal(pc.list_value_length(column), 0), False))
            elif pa.types.is_integer(column.type):
                nothing = pc.or_(nothing, pc.fill_null(pc.equal(column, pa.scalar(0, column.type)), False))
            rows += [first + index for index in pc.indices_nonzero(nothing).to_pylist()]
            first += len(column)
        return rows

    def take(self, names: Collection[str], numbers: Sequence[int]) -> dict[str, list[Any]]:
        """The values of columns at ascending row numbers."""
        values: dict[str, list[Any]] = {name: [] for name in names}
        first = 0
        for path, rows in zip(self.paths, self.lengths, strict=True):
            here = [number - first for number in numbers if first <= number < first + rows]
            if here:
                for name in names:
                    values[name] += from_arrow(self._read(path, name).take(pa.array(here, pa.int64())))
            first += rows
        return values


def published_days(layout: Layout, asked: Sequence[dt.date], copies: Path) -> dict[dt.date, list[PublishedDay]]:
    """The published datasets of each asked day, or of every day there is; raises when there is none.

    Parts of days on object storage will be copied below `copies`. What bears the name of a day and has no manifest is
    told, and left out; a manifest that cannot be believed is an error, unless other days alone are asked for.
    """
    days: dict[dt.date, list[PublishedDay]] = {}
    there: set[dt.date] = set()
    named_days = frozenset(asked)
    for dataset in DATASETS:
        locations = _days_below(layout.dataset_dir(dataset))
        there |= set(locations)
        wanted = {day: location for day, location in locations.items() if not asked or day in named_days}
        for location in wanted.values():
            _refuse_links(location)
        named = {day: DayName(layout.service, dataset, day) for day in wanted}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            manifests = list(pool.map(lambda day: read_manifest(wanted[day], named[day]), wanted))  # noqa: B023
        for (day, location), manifest in zip(wanted.items(), manifests, strict=True):
            if manifest is None:
                say(f"note: {location} has no manifest, so it is no published day, and left out: build it again")
                continue
            directory = location if isinstance(location, Path) else copies / dataset / location.name
            days.setdefault(day, []).append(PublishedDay(dataset, day, directory, manifest, location))
    if not there:
        raise InputError(
            f"{layout.version_dir} holds no published day: build one with `daeda pipeline train`, or name the "
            "directory with --output-root"
        )
    missing = [day for day in asked if day not in days]
    if missing:
        raise UsageError(
            f"--days: {shortened(missing)} {'is' if len(missing) == 1 else 'are'} not published in "
            f"{layout.version_dir}: {shortened(sorted(there))} {'is' if len(there) == 1 else 'are'} there"
        )
    if not days:
        raise InputError(f"{layout.version_dir} holds no day with a manifest: build one with `daeda pipeline train`")
    return {day: days[day] for day in sorted(asked or days)}


def _refuse_links(location: Location) -> None:
    """Raise InputError where a link is in the place of a day, or of all days: none was published there."""
    for path in (location.parent, location) if isinstance(location, Path) else ():
        if path.is_symlink():
            raise InputError(
                f"{path} is a link, which is not followed: remove it, or put what it leads to in its place"
            )


def _days_below(origin: Location) -> dict[dt.date, Location]:
    """Directories that bear the name of a day, by that day."""
    locations: dict[str, Location]
    match origin:
        case Path():
            locations = {directory.name: directory for directory in origin.glob("dt=*")}
        case ObjectPath():
            keys = (stored.path.key for stored in client().listing(origin))
            names = {key.removeprefix(origin.prefix).partition("/")[0] for key in keys}
            locations = {name: origin / name for name in names if name.startswith("dt=")}
    by_day: dict[dt.date, Location] = {}
    for name, location in sorted(locations.items()):
        with contextlib.suppress(ValueError):
            day = dt.date.fromisoformat(name.removeprefix("dt="))
            if day_name(day) == name:
                by_day[day] = location
                continue
        say(f"note: {location} is named as no day is, dt=YYYY-MM-DD, and left out: remove it")
    return by_day


@contextlib.contextmanager
def opened(days: Sequence[PublishedDay]) -> Iterator[None]:
    """Have the parts at hand while the block runs; raises InputError unless they are the bytes that were published."""
    try:
        for published in days:
            _check_entries(published)
            _copy_parts(published)
            _check_parts(published)
            published.check_footers()
        yield
    finally:
        for published in days:
            vars(published).pop("_footers", None)
            if isinstance(published.origin, ObjectPath):
                shutil.rmtree(published.directory, ignore_errors=True)


def _check_entries(published: PublishedDay) -> None:
    """Raise InputError for what readers of the directory read beside the parts: what no `_` or `.` hides from them."""
    match published.origin:
        case Path():
            try:
                names = [entry.name for entry in published.origin.iterdir()]
            except OSError as error:
                raise InputError(f"{published.origin} cannot be read ({error.strerror}): audit it at rest") from error
        case ObjectPath():
            below = published.origin.prefix
            names = [entry.path.key.removeprefix(below) for entry in client().listing(published.origin)]
    parts = {part.name for part in published.manifest.parts}
    foreign = sorted(name for name in names if name not in parts and not name.startswith(("_", ".")))
    if foreign:
        what = f"{published.origin / foreign[0]} is no part of the day" if len(foreign) == 1 else (
            f"{published.origin} holds {len(foreign)} entries that are no part of the day, {foreign[0]} for one"
        )  # fmt: skip
        raise InputError(f"{what}, and readers of the directory read it too: remove it, or build the day again")


def _copy_parts(published: PublishedDay) -> None:
    if isinstance(published.origin, ObjectPath):
        published.directory.mkdir(parents=True, exist_ok=True)
        for part in published.manifest.parts:
            client().fetch(published.origin / part.name, published.directory / part.name)


def _check_parts(published: PublishedDay) -> None:
    for part in published.manifest.parts:
        shown = published.origin / part.name
        if isinstance(shown, Path) and shown.is_symlink():
            raise InputError(f"{shown} is a link, and not the file that was published: build the day again")
        try:
            digest = file_digest(published.directory / part.name)
        except OSError as error:
            raise InputError(f"{shown} cannot be read ({error.strerror}): build the day again") from error
        if digest != part.sha256:
            raise InputError(f"{shown} is not the file that was published: build the day again")


def changed_inputs(published: PublishedDay, exports: Iterable[Export]) -> list[str]:
    """Inputs of a day that are there, and have another content than when it was built."""
    listed_exports = list(exports)
    return _inputs_of_which(published, lambda file: not _is_same(file, listed_exports))


def _is_same(file: InputFile, exports: Sequence[Export]) -> bool:
    if file.etag:
        stored = client().look(object_path(file.path))
        return stored is None or (stored.size, stored.etag) == (file.size, file.etag)
    if "://" in file.path:
        # Several views may read other columns of one table.
        read = [export for export in exports if table_of(export.reference) == table_of(file.path)]
        return not read or any(file_digest(export.path) == file.sha256 for export in read)
    path = Path(file.path)
    try:
        stat = path.stat()
    except OSError:
        return True  # it is gone, or cannot be looked at, which reading it says
    try:
        return (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns) or file_digest(path) == file.sha256
    except OSError:
        return False


def gone_inputs(published: PublishedDay) -> list[str]:
    """Files and objects that a day was built from, and that are not there any more."""
    return _inputs_of_which(published, _is_gone)


def _inputs_of_which(published: PublishedDay, holds: Callable[[InputFile], bool]) -> list[str]:
    files = list({file.path: file for file in published.manifest.inputs}.values())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [file.path for file, answer in zip(files, pool.map(holds, files), strict=True) if answer]


def _is_gone(file: InputFile) -> bool:
    if file.etag:
        return client().look(object_path(file.path)) is None
    return "://" not in file.path and not Path(file.path).exists()

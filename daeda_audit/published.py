"""Published days: their parts, checked against the manifest and read with pyarrow."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dataset.layout import Dataset, Layout, day_name
from daeda.dataset.manifest import Manifest, read_manifest
from daeda.errors import InputError, NotBuiltYet, UsageError, shortened
from daeda_audit.values import from_arrow

DATASETS: tuple[Dataset, ...] = ("skeleton", "enriched")


@dataclass(frozen=True)
class PublishedDay:
    """One day of one dataset."""

    dataset: Dataset
    day: dt.date
    directory: Path
    manifest: Manifest

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


def published_days(layout: Layout, asked: Sequence[dt.date]) -> dict[dt.date, list[PublishedDay]]:
    """The published datasets of each asked day, or of every day there is; raises when there is none."""
    found: dict[dt.date, list[PublishedDay]] = {}
    for dataset in DATASETS:
        directory = layout.dataset_dir(dataset)
        if not isinstance(directory, Path):
            raise NotBuiltYet(f"the audit reads local days, and {directory} is not a local directory: copy the days")
        for path in sorted(directory.glob("dt=*")):
            manifest = read_manifest(path)
            if manifest is not None and path.name == day_name(dt.date.fromisoformat(manifest.day)):
                day = dt.date.fromisoformat(manifest.day)
                found.setdefault(day, []).append(PublishedDay(dataset, day, path, manifest))
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


def check_parts(one: PublishedDay) -> None:
    """Raise InputError unless the parts are the bytes that were published."""
    for part in one.manifest.parts:
        path = one.directory / part.name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): build the day again") from error
        if digest != part.sha256:
            raise InputError(f"{path} is not the file that was published: build the day again")


def changed_inputs(one: PublishedDay) -> list[str]:
    """Input files of a day that are not there any more, or have another content than when it was built."""
    changed = []
    for file in one.manifest.inputs:
        path = Path(file.path)
        try:
            stat = path.stat()
            same = (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns)
            with path.open("rb") as opened:
                same = same or hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
        except OSError:
            same = False
        if not same and file.path not in changed:
            changed.append(file.path)
    return changed

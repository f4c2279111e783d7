"""What is published and needed by nobody: of no tag, and not of the range or of the version of the project.

Beside it, what runs and tags left that died. Listed here, removed by `daeda.dataset.publish.removal`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from daeda.dataset.holding import days_there
from daeda.dataset.layout import DATASETS, MANIFEST_NAME, Dataset, Layout
from daeda.dataset.manifest import DayName, Manifest, read_manifest
from daeda.dataset.publish.staging import driver_alive
from daeda.dataset.published import data_entries, entries_of, obstacles_in
from daeda.dataset.tags import read_tag, tag_names, tags_there
from daeda.dataset.versions import versions_there
from daeda.errors import InputError
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client

Kind = Literal["day", "staging", "tag"]
_ONLY_ONE = "a tag has lost this day, and this may be the only one left: `daeda verify` the tags"


@dataclass(frozen=True)
class Unneeded:
    """Something that can go: a published day, the remains of a run, or those of a tag; `size` in bytes."""

    kind: Kind
    layout: Layout
    location: Location
    size: int
    why: str
    dataset: Dataset | None = None
    day: dt.date | None = None


@dataclass(frozen=True)
class Left:
    """What would go, and is left, as a clause says: it holds what daeda did not write, or cannot be understood."""

    location: Location
    clause: str


def unneeded(layout: Layout, days: Collection[dt.date]) -> tuple[list[Unneeded], list[Left]]:
    """What nobody needs; `layout` is that of the version of the project, and `days` are its range."""
    found: list[Unneeded] = []
    left: list[Left] = []
    tagged, lost = _tagged_days(layout)
    for version in versions_there(layout):
        there = layout.of_version(version)
        if version > layout.version:
            left.append(Left(there.version_dir, f"version {version} is newer than the one of the project"))
            continue
        for dataset in DATASETS:
            for day in days_there(there, dataset):
                if version == layout.version and day in days:
                    continue
                why = "outside of the range" if version == layout.version else f"of version {version}"
                if (dataset, day, version) in lost:
                    left.append(Left(there.day_dir(dataset, day), _ONLY_ONE))
                    continue
                one = _day(there, dataset, day, why, tagged)
                if isinstance(one, Unneeded):
                    found.append(one)
                elif one is not None:
                    left.append(one)
        found += _dead_runs(there)
    found += _unfinished_tags(layout)
    return found, left


def _tagged_days(
    layout: Layout,
) -> tuple[frozenset[tuple[Dataset, dt.date, str]], frozenset[tuple[Dataset, dt.date, int]]]:
    """The days of all tags, by what their parts hold; and those that a tag of a version lists and has no more."""
    days: set[tuple[Dataset, dt.date, str]] = set()
    lost: set[tuple[Dataset, dt.date, int]] = set()
    for tag in tags_there(layout):
        target = layout.of_tag(tag.name)
        for dataset in tag.datasets:
            for day in tag.days_of(dataset):
                try:
                    manifest = read_manifest(target.day_dir(dataset, day), DayName(layout.service, dataset, day))
                except InputError:
                    manifest = None
                if manifest is None:
                    lost.add((dataset, day, tag.version))
                else:
                    days.add((dataset, day, _content(manifest)))
    return frozenset(days), frozenset(lost)


def _content(manifest: Manifest) -> str:
    return " ".join(part.sha256 for part in manifest.parts)


def _day(
    layout: Layout, dataset: Dataset, day: dt.date, why: str, tagged: Collection[tuple[Dataset, dt.date, str]]
) -> Unneeded | Left | None:
    """A day that can go; what keeps it; None where a tag needs it."""
    directory = layout.day_dir(dataset, day)
    try:
        manifest = read_manifest(directory, DayName(layout.service, dataset, day))
    except InputError as error:
        return Left(directory, str(error))
    if manifest is None:
        return Left(directory, "it has no manifest, so it is no published day")
    if (dataset, day, _content(manifest)) in tagged:
        return None
    foreign = foreign_entries(directory)
    if foreign:
        return Left(directory, f"{foreign[0]} was not written by daeda: move it elsewhere")
    size = sum(part.size for part in manifest.parts)
    return Unneeded("day", layout, directory, size, why, dataset, day)


def foreign_entries(directory: Location) -> list[str]:
    """Names in a day's directory that are none of daeda's, those that readers pass over among them."""
    if isinstance(directory, ObjectPath):
        entries = data_entries(directory)
        names = [stored.path.key.removeprefix(directory.prefix) for stored in client().listing(directory)]
    else:
        entries = entries_of(directory) or {}
        names = [path.name for path in sorted(directory.iterdir())] if directory.is_dir() else []
    hidden = [name for name in names if name not in entries and name != MANIFEST_NAME]
    if obstacles_in(directory, entries):
        return sorted({*entries}) or [str(directory)]
    return hidden


def _dead_runs(layout: Layout) -> Iterator[Unneeded]:
    """Directories of runs that ended without clearing them; the next run would do so."""
    if layout.staging.is_symlink() or not layout.staging.is_dir():
        return
    for directory in sorted(layout.staging.glob("run-*")):
        if directory.is_dir() and not directory.is_symlink() and not driver_alive(directory):
            yield Unneeded("staging", layout, directory, _size(directory), "left by a run that has ended")


def _unfinished_tags(layout: Layout) -> Iterator[Unneeded]:
    for name in tag_names(layout):
        target = layout.of_tag(name)
        linked = isinstance(target.version_dir, Path) and target.version_dir.is_symlink()
        if read_tag(target) is None and not linked:
            why = "left by a tag that was not finished"
            yield Unneeded("tag", target, target.version_dir, _size(target.version_dir), why)


def _size(location: Location) -> int:
    """Bytes below a location; of a linked file none, for another name keeps them."""
    if isinstance(location, ObjectPath):
        return sum(stored.size for stored in client().listing(location))
    total = 0
    for root, _, names in os.walk(location):
        for name in names:
            try:
                status = (Path(root) / name).lstat()
            except FileNotFoundError:  # a run that ends at this moment clears it itself
                continue
            total += status.st_size if status.st_nlink == 1 else 0
    return total

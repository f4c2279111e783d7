"""Published days as their readers see them, on local disk and on object storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, day_name
from daeda.dataset.manifest import Manifest, Part, read_manifest
from daeda.errors import DayError
from daeda.storage.client import AT_ONCE
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath, Place


@dataclass(frozen=True)
class Published:
    """A published day. `unlike` names the parts that are not there, or not of the size that was published."""

    manifest: Manifest
    unlike: tuple[str, ...] = ()


def look_at_days(layout: Layout, dataset: Dataset, days: Sequence[dt.date]) -> dict[dt.date, Published]:
    """Those of the days that are published.

    On object storage one listing finds them, and their manifests are read side by side.
    """
    directory = layout.dataset_dir(dataset)
    if not days:
        return {}
    if isinstance(directory, ObjectPath):
        return _look_at_objects(directory, days)
    found = {}
    for day in days:
        manifest = read_manifest(directory / day_name(day))
        if manifest is not None:
            found[day] = Published(manifest, tuple(unlike_published(directory / day_name(day), manifest.parts)))
    return found


def _look_at_objects(directory: ObjectPath, days: Sequence[dt.date]) -> dict[dt.date, Published]:
    sizes: dict[str, dict[str, int]] = {}
    for one in client().listing(directory, day_name(min(days)), day_name(max(days))):
        sizes.setdefault(one.path.parent.name, {})[one.path.name] = one.size
    there = [day for day in days if MANIFEST_NAME in sizes.get(day_name(day), ())]

    def look(day: dt.date) -> Published | None:
        place = directory / day_name(day)
        manifest = read_manifest(place)
        if manifest is None:
            return None
        unlike = _unlike(sizes[day_name(day)], manifest.parts)
        # It may have been published between the listing and now.
        return Published(manifest, tuple(unlike_published(place, manifest.parts)) if unlike else ())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {day: found for day, found in zip(there, pool.map(look, there), strict=True) if found is not None}


def unlike_published(directory: Place, parts: Iterable[Part]) -> list[str]:
    """Names of parts that are not there, or not of the size that was published."""
    match directory:
        case Path():
            sizes = {path.name: path.stat().st_size for path in directory.glob("*.parquet")}
        case ObjectPath():
            sizes = {one.path.name: one.size for one in client().listing(directory)}
    return _unlike(sizes, parts)


def _unlike(sizes: Mapping[str, int], parts: Iterable[Part]) -> list[str]:
    return [part.name for part in parts if sizes.get(part.name) != part.size]


def fetch_day(directory: ObjectPath, manifest: Manifest, target: Path) -> None:
    """Copy the parts of a published day to a local directory; raises DayError for one that is not as published."""
    target.mkdir(parents=True, exist_ok=True)
    for part in manifest.parts:
        _, digest = client().fetch(directory / part.name, target / part.name)
        if digest != part.sha256:
            raise DayError(f"{directory / part.name}: the bytes are not those that were published: build the day again")

"""Published days as their readers see them, on local disk and on object storage: what is there is what was published.

A reader of a day's directory takes every file in it whose name begins with neither `_` nor `.` for its data. So a file
that was changed, that is missing, or that no manifest names is found here, at the cost of a stat or of a listing.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, day_name, is_part
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, Part, read_manifest
from daeda.errors import DayError, cut, shortened
from daeda.sources.entries import is_known_none
from daeda.sources.identity import combined_digest
from daeda.storage.client import AT_ONCE
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.parquet import open_parquet
from daeda.storage.regular import file_digest
from daeda.storage.state import InputFile

# Parts that are digested at once.
_THREADS = 2


@dataclass(frozen=True)
class Entry:
    """A file of a day's directory. `stamp` is None for what is no regular file."""

    size: int
    stamp: str | None


@dataclass(frozen=True)
class Published:
    """A day that is there. Without a manifest it was not published, and only what is in the way counts.

    `damage` says in clauses how it differs from what was published, and makes it stale. `obstacles` are entries that
    daeda did not write and does not delete. `stamps` are those of parts that have others by now and the same bytes.
    """

    manifest: Manifest | None
    damage: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    stamps: Mapping[str, str] = field(default_factory=dict)


def look_at_days(
    layout: Layout, dataset: Dataset, days: Sequence[dt.date], *, verify: bool = False
) -> dict[dt.date, Published]:
    """Those of the days that are there. With `verify` every part is digested, otherwise those with another stamp.

    On object storage one listing finds them, and their manifests are read side by side.
    """
    if not days:
        return {}
    directory = layout.dataset_dir(dataset)
    names = {day: DayName(layout.service, dataset, day) for day in days}
    if isinstance(directory, ObjectPath):
        return _look_at_objects(directory, names, verify)
    looked = {day: _look_at_directory(directory / day_name(day), name, verify) for day, name in names.items()}
    return {day: published for day, published in looked.items() if published is not None}


def _look_at_directory(directory: Path, name: DayName, verify: bool) -> Published | None:
    entries = entries_of(directory)
    return None if entries is None else _look(directory, name, entries, verify)


def look_at_directory(directory: Location, *, verify: bool = False) -> Published | None:
    """What is in one directory, of whatever day its manifest says that it is; None where nothing is."""
    if isinstance(directory, ObjectPath):
        listed = _all_entries(directory)
        if not listed:
            return None
        shown = _data(listed)
        if MANIFEST_NAME not in listed:
            return Published(None, (), obstacles_in(directory, shown))
        return _look(directory, None, shown, verify)
    entries = entries_of(directory)
    return None if entries is None else _look(directory, None, entries, verify)


def _look(directory: Location, name: DayName | None, entries: Mapping[str, Entry], verify: bool) -> Published:
    occupied = _occupied(directory)
    obstacles = _obstacles(directory, entries, occupied)
    try:
        manifest = None if occupied else read_manifest(directory, name)
    except DamagedManifest as error:
        return Published(None, (f"{MANIFEST_NAME}: {error.reason}",), obstacles)
    if manifest is None:
        return Published(None, (), obstacles)
    contradiction = _contradiction(manifest)
    if contradiction is not None:
        return Published(None, (f"{MANIFEST_NAME}: {contradiction}",), obstacles)
    damage, stamps = _compared(directory, manifest, entries, verify)
    return Published(manifest, damage, obstacles, stamps)


def _contradiction(manifest: Manifest) -> str | None:
    """In what the inputs of a skeleton day contradict its fingerprint, which holds their digest by Scan."""
    if manifest.dataset != "skeleton":
        return None
    by_scan: dict[str, list[InputFile]] = {name: [] for name in manifest.fingerprint.inputs}
    for file in manifest.inputs:
        by_scan.setdefault(file.operator, []).append(file)
    wrong = [name for name, files in by_scan.items() if manifest.fingerprint.inputs.get(name) != combined_digest(files)]
    return f"inputs: those of {cut(wrong[0])} are not the ones of its fingerprint" if wrong else None


def _occupied(directory: Location) -> str | None:
    """A clause about what stands in the place of a day, or of the directory of all days, and is no directory.

    Object storage has none.
    """
    if not isinstance(directory, Path):
        return None
    for path in (directory.parent, directory):
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISLNK(mode):
            return f"{path} is a link, which is not followed: remove it, or put what it leads to in its place"
        if not stat.S_ISDIR(mode):
            return f"{path} is no directory: move it elsewhere"
    return None


def entries_of(directory: Path) -> dict[str, Entry] | None:
    """What readers of a directory take for data, by name; None where no directory is. A link is looked at as such."""
    if _occupied(directory) is not None:
        return {}
    try:
        with os.scandir(directory) as entries:
            return {entry.name: _entry(entry) for entry in entries if not is_known_none(entry.name)}
    except (FileNotFoundError, NotADirectoryError):
        return None


def _entry(entry: os.DirEntry[str]) -> Entry:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it is removed at this moment
        return Entry(0, None)
    return Entry(status.st_size, stamp_of(status) if stat.S_ISREG(status.st_mode) else None)


def stamp_of(status: os.stat_result) -> str:
    """What changes whenever a file is written, replaced or copied, and cannot be set back as its mtime can."""
    return str(status.st_ctime_ns)


def obstacles_in(directory: Location, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Clauses about what keeps a day from being replaced: daeda follows no link and deletes nothing but parts."""
    return _obstacles(directory, entries, _occupied(directory))


def _obstacles(directory: Location, entries: Mapping[str, Entry], occupied: str | None) -> tuple[str, ...]:
    if occupied is not None:
        return (occupied,)
    foreign = [name for name, entry in entries.items() if not is_part(name) or _holds_more(directory / name, entry)]
    return tuple(
        f"{directory / name} was not written by daeda, and readers of the day take it for data: move it elsewhere"
        for name in sorted(foreign)
    )


def require_free(final: Location, entries: Mapping[str, Entry]) -> None:
    """Raise DayError where something came into the place of a day after the plan: daeda does not delete it."""
    obstacles = obstacles_in(final, entries)
    if obstacles:
        raise DayError(f"not published: {shortened(obstacles, 3)}")


def _holds_more(path: Location, entry: Entry) -> bool:
    """Whether a part's name is that of a directory, with files of somebody else in it."""
    return entry.stamp is None and isinstance(path, Path) and path.is_dir() and not path.is_symlink()


def _compared(
    directory: Location, manifest: Manifest, entries: Mapping[str, Entry], verify: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Clauses about parts that are not as published, and the stamps of those that only look changed."""
    damage = []
    doubtful: dict[Part, str] = {}
    for part in manifest.parts:
        entry = entries.get(part.name)
        if entry is None:
            damage.append(f"{part.name} is missing")
        elif entry.stamp is None or entry.size != part.size:
            damage.append(f"{part.name} is not the file that was published")
        elif verify or manifest.stamps.get(part.name) != entry.stamp:
            doubtful[part] = entry.stamp
    digests = _digests_of(directory, list(doubtful))
    changed = [part for part, digest in digests.items() if digest != part.sha256]
    damage += [f"{part.name} is not the file that was published" for part in changed]
    if verify and not damage:
        damage += [sentence for part in manifest.parts for sentence in _unlike_footer(directory, part, manifest)]
    published = {part.name for part in manifest.parts}
    damage += [f"{name} is no part of the published day" for name in sorted(set(entries) - published)]
    kept = {part.name: stamp for part, stamp in doubtful.items() if part not in changed}
    return tuple(damage), {name: stamp for name, stamp in kept.items() if manifest.stamps.get(name) != stamp}


def _digests_of(directory: Location, parts: Sequence[Part]) -> dict[Part, str]:
    if not parts:
        return {}
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(parts, pool.map(lambda part: _digest_of(directory / part.name), parts), strict=True))


def _unlike_footer(directory: Location, part: Part, manifest: Manifest) -> list[str]:
    """In what a manifest contradicts the footer of one of its parts, whose bytes are those that it names."""
    try:
        with open_parquet(str(directory / part.name)) as file:
            rows, names = file.metadata.num_rows, file.schema_arrow.names
    except (OSError, pa.ArrowException):
        return [f"{part.name} is no Parquet file"]
    mistakes = [f"{MANIFEST_NAME}: {part.name} has {rows} rows, and not {part.rows}"] if rows != part.rows else []
    if names != [column.name for column in manifest.columns]:
        mistakes.append(f"{MANIFEST_NAME}: columns: they are not those of {part.name}")
    return mistakes


def _digest_of(path: Location) -> str:
    if isinstance(path, ObjectPath):
        return client().digest(path)
    try:
        return file_digest(path)
    except FileNotFoundError:
        return ""  # it is replaced or removed at this moment


def _look_at_objects(directory: ObjectPath, names: Mapping[dt.date, DayName], verify: bool) -> dict[dt.date, Published]:
    listed: dict[str, dict[str, Entry]] = {}
    for stored in client().listing(directory, day_name(min(names)), day_name(max(names))):
        name, _, rest = stored.path.key.removeprefix(directory.prefix).partition("/")
        listed.setdefault(name, {})[rest] = Entry(stored.size, stored.etag)

    def look(day: dt.date) -> Published:
        location = directory / day_name(day)
        published = _look_at_listed(location, names[day], listed[day_name(day)], verify)
        if not published.damage:
            return published
        # It may have been published between the listing and now.
        return _look_at_listed(location, names[day], _all_entries(location), verify)

    there = [day for day in names if day_name(day) in listed]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(there, pool.map(look, there), strict=True))


def _look_at_listed(location: ObjectPath, name: DayName, entries: Mapping[str, Entry], verify: bool) -> Published:
    shown = _data(entries)
    if MANIFEST_NAME not in entries:
        return Published(None, (), obstacles_in(location, shown))
    return _look(location, name, shown, verify)


def data_entries(location: ObjectPath) -> dict[str, Entry]:
    """What readers of a day on object storage take for data, by what follows the day's address."""
    return _data(_all_entries(location))


def _data(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    return {rest: entry for rest, entry in entries.items() if rest and not is_known_none(rest)}


def _all_entries(location: ObjectPath) -> dict[str, Entry]:
    return {
        stored.path.key.removeprefix(location.prefix): Entry(stored.size, stored.etag)
        for stored in client().listing(location)
    }


def fetch_day(directory: ObjectPath, manifest: Manifest, target: Path) -> None:
    """Copy the parts of a published day to a local directory; raises DayError for one that is not as published."""
    target.mkdir(parents=True, exist_ok=True)
    for part in manifest.parts:
        _, digest = client().fetch(directory / part.name, target / part.name)
        if digest != part.sha256:
            raise DayError(f"{directory / part.name}: the bytes are not those that were published: build the day again")


def foreign_parts(parts: Iterable[Part], names: Iterable[str]) -> list[str]:
    """Names of parts that a day does not have any more."""
    kept = {part.name for part in parts}
    return [name for name in names if is_part(name) and name not in kept]

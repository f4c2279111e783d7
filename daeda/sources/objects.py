"""The files behind a view on object storage: one listing finds them and says what they are, by ETag and size."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from daeda.errors import InputError, NothingThere
from daeda.sources.entries import (
    DIRECTORY,
    FILE,
    SUFFIX,
    Chosen,
    Entry,
    Parts,
    choose_files,
    choose_matches,
    has_wildcard,
    refused_format,
)
from daeda.sources.files import SourceFiles
from daeda.storage.client import S3Client, StoredObject
from daeda.storage.location import SCHEME, ObjectPath, below, is_object, object_path
from daeda.storage.objects import client
from daeda.storage.state import FileState

# DuckDB takes these for a pattern or for parameters, wherever they stand in an address.
_NOT_IN_NAMES = "*?[]\\"
_MOST_AT_ONCE = 1000
_MARKS = {"_delta_log": "the log of a Delta table", ".hoodie": "the timeline of a Hudi table"}


def find_objects(path: str, view: str, data_root: str = "") -> SourceFiles:
    """List the objects of a view's address; raises InputError where there are none, or what may be data is not read.

    A partition is there when any object is below `dt=YYYY-MM-DD/`: an empty day is one without a Parquet file.
    """
    whole = str(object_path(below(data_root, path) if data_root else path))
    fixed, pattern = _split(path, data_root)
    listed = client().listing(fixed)
    _refuse_table_above(view, fixed)
    tree = ObjectTree(fixed, listed)
    if pattern:
        return _sources(whole, view, fixed, tree.objects, choose_matches(tree, pattern, view), "matches no object")
    alone = _object_itself(fixed, view, tree)
    if alone is not None:
        return _sources(whole, view, fixed, {(): alone}, Chosen(flat=((),)), "")
    bucket = ObjectPath(fixed.bucket)
    what = f"holds no Parquet file and no dt=YYYY-MM-DD directory (of {len(listed)} objects below it in {bucket})"
    if not listed and fixed.key.endswith(SUFFIX):
        what = "does not exist"
    return _sources(whole, view, fixed, tree.objects, choose_files(tree, view), what)


def _split(path: str, data_root: str) -> tuple[ObjectPath, Parts]:
    """The address that a pattern begins in, and the pattern; without wildcards the address, and nothing."""
    given = object_path(path) if is_object(path) else object_path(f"{SCHEME}relative/{path}")
    start = ObjectPath(given.bucket) if is_object(path) else object_path(data_root)
    parts = tuple(given.key.split("/")) if given.key else ()
    first = next((index for index, part in enumerate(parts) if has_wildcard(part)), len(parts))
    for part in parts[:first]:
        start /= part
    return start, parts[first:]


def _object_itself(path: ObjectPath, view: str, tree: ObjectTree) -> StoredObject | None:
    """The one object of an address, None where it stands for what lies below it."""
    if not path.key or (tree.objects and not path.key.endswith(SUFFIX)):
        return None
    alone = client().look(path)
    if alone is not None and tree.objects:
        raise InputError(
            f"view '{view}': {path} is an object, and {tree.shown(min(tree.objects))} lies below it: move or rename one"
        )
    return alone


def _sources(
    path: str, view: str, fixed: ObjectPath, objects: dict[Parts, StoredObject], chosen: Chosen, what: str
) -> SourceFiles:
    if not chosen.partitions and not chosen.flat:
        raise NothingThere(f"view '{view}': {path} {what}: correct the path, or put the data there")
    by_day = {day: [objects[parts] for parts in files] for day, files in sorted(chosen.partitions.items())}
    flat = [objects[parts] for parts in chosen.flat]
    return SourceFiles(
        path,
        {day: tuple(str(stored.path) for stored in stored_objects) for day, stored_objects in by_day.items()},
        tuple(str(stored.path) for stored in flat),
        _versions([*flat, *(stored for stored_objects in by_day.values() for stored in stored_objects)], view),
        str(fixed),
    )


def _versions(objects: Iterable[StoredObject], view: str) -> dict[str, FileState]:
    versions = {}
    for stored in objects:
        if set(stored.path.key) & set(_NOT_IN_NAMES):
            raise InputError(f"view '{view}': {stored.path} has one of {_NOT_IN_NAMES} in its name: rename it")
        versions[str(stored.path)] = stored.state
    return versions


def _refuse_table_above(view: str, path: ObjectPath) -> None:
    table = _table_above(client(), path)
    if table:
        raise refused_format(view, table)


# Every day of a run lists its files, and what lies above them was looked at by the first.
@lru_cache(maxsize=256)
def _table_above(through: S3Client, path: ObjectPath) -> str:
    """The table format of an address above, as far as the server lets it be seen; empty where there is none."""
    while path.key:
        path = path.parent
        for name, what in _MARKS.items():
            if through.peek(path / name, 1):
                return f"{path / name} is {what}"
        metadata = through.peek(path / "metadata", _MOST_AT_ONCE)
        for stored in metadata if len(metadata) < _MOST_AT_ONCE else through.listing(path / "metadata"):
            if stored.path.key.endswith(".metadata.json"):
                return f"{stored.path} is the metadata of an Iceberg table"
    return ""


class ObjectTree:
    """Keys below an address as a tree: what stands before a slash is a directory.

    An empty object whose key ends with a slash, or with `_$folder$` as Hadoop writes it, marks a directory and is none.
    """

    def __init__(self, root: ObjectPath, listed: Iterable[StoredObject]) -> None:
        self._root = root
        self._directories: dict[Parts, dict[str, set[str]]] = {(): {}}
        self.objects: dict[Parts, StoredObject] = {}
        for stored in listed:
            self._add(stored)

    def entries(self, parts: Parts) -> list[Entry]:
        """What a directory holds, in the order of names."""
        return sorted(Entry(name, kind) for name, kinds in self._directories[parts].items() for kind in kinds)

    def shown(self, parts: Parts) -> str:
        """The address of an entry."""
        return f"{ObjectPath(self._root.bucket)}/{self._root.prefix}{'/'.join(parts)}"

    def _add(self, stored: StoredObject) -> None:
        parts = tuple(stored.path.key.removeprefix(self._root.prefix).split("/"))
        empty = stored.size == 0 and (not parts[-1] or parts[-1].endswith("_$folder$"))
        for depth in range(1, len(parts)):
            self._directories.setdefault(parts[:depth], {})
            self._held(parts[: depth - 1], parts[depth - 1], DIRECTORY)
        if not empty:
            self.objects[parts] = stored
            self._held(parts[:-1], parts[-1], FILE)

    def _held(self, directory: Parts, name: str, kind: str) -> None:
        self._directories[directory].setdefault(name, set()).add(kind)

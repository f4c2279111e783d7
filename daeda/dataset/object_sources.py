"""The files behind a view on object storage: one listing finds them and says what they are, by ETag and size."""

from __future__ import annotations

import datetime as dt
import glob
import re

from daeda.dataset.source_files import PARTITION, SourceFiles, parse_day, wrong_partition
from daeda.errors import InputError
from daeda.storage.client import StoredObject
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath, object_path

_SUFFIX = ".parquet"
# DuckDB takes these for a pattern or for parameters, wherever they stand in an address.
_NOT_IN_NAMES = "*?[]"


def find_objects(path: str, view: str) -> SourceFiles:
    """List the objects of a view's address; raises InputError when there are none.

    A partition is there when any object is below `dt=YYYY-MM-DD/`: an empty day is one without a Parquet file.
    """
    bucket = ObjectPath(object_path(_fixed(path)).bucket)
    if glob.has_magic(path):
        pattern = re.compile(_pattern(object_path(path).key))
        below = object_path(_fixed(path))
        found = [one for one in client().listing(below) if pattern.fullmatch(one.path.key)]
        return _flat(path, view, found, "matches no object")
    root = object_path(path)
    if root.key.endswith(_SUFFIX):
        one = client().look(root)
        return _flat(path, view, [one] if one else [], "does not exist")
    listed = client().listing(root)
    partitions = _partitions(root, listed, view)
    if partitions:
        files = [one for held in partitions.values() for one in held]
        by_day = {day: tuple(str(one.path) for one in held) for day, held in sorted(partitions.items())}
        return SourceFiles(path, partitions=by_day, versions=_versions(files, view))
    direct = [one for one in listed if "/" not in one.path.key.removeprefix(root.prefix)]
    what = f"holds no Parquet file and no dt=YYYY-MM-DD directory (of {len(listed)} objects below it in {bucket})"
    return _flat(path, view, [one for one in direct if one.path.key.endswith(_SUFFIX)], what)


def _flat(path: str, view: str, found: list[StoredObject], what: str) -> SourceFiles:
    if not found:
        raise InputError(f"view '{view}': {path} {what}: correct the path, or put the data there")
    return SourceFiles(path, flat=tuple(str(one.path) for one in found), versions=_versions(found, view))


def _versions(found: list[StoredObject], view: str) -> dict[str, tuple[int, str]]:
    for one in found:
        if set(one.path.key) & set(_NOT_IN_NAMES):
            raise InputError(f"view '{view}': {one.path} has one of {_NOT_IN_NAMES} in its name: rename it")
    return {str(one.path): (one.size, one.etag) for one in found}


def _partitions(root: ObjectPath, listed: list[StoredObject], view: str) -> dict[dt.date, list[StoredObject]]:
    found: dict[dt.date, list[StoredObject]] = {}
    for one in listed:
        name, slash, rest = one.path.key.removeprefix(root.prefix).partition("/")
        if not slash or not name.startswith(PARTITION):
            continue
        day = parse_day(name.removeprefix(PARTITION))
        if day is None:
            raise InputError(wrong_partition(view, str(root / name)))
        held = found.setdefault(day, [])
        if rest.endswith(_SUFFIX) and "/" not in rest:
            held.append(one)
    return found


def _fixed(path: str) -> str:
    """The address up to its first part with a wildcard."""
    parts = path.split("/")
    first = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:first])


def _pattern(key: str) -> str:
    """A glob as a regular expression over keys; `**` stands for any number of directories.

    >>> bool(re.fullmatch(_pattern("a/**/x*.parquet"), "a/b/c/x1.parquet"))
    True
    """
    parts = []
    for part in re.split(r"(\*\*/|\*|\?|\[[^]]*\])", key):
        match part:
            case "**/":
                parts.append("(?:[^/]+/)*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case _ if part.startswith("[") and part.endswith("]") and len(part) > 2:
                inside = part[1:-1]
                parts.append(f"[^{re.escape(inside[1:])}]" if inside.startswith("!") else f"[{inside}]")
            case _:
                parts.append(re.escape(part))
    return "".join(parts)

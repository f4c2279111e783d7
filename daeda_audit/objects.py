"""The objects behind the address of a view, found by the same rules as files on a disk."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from fnmatch import fnmatchcase

from daeda.storage.client import StoredObject
from daeda.storage.objects import client
from daeda.storage.place import object_path

_SUFFIX = ".parquet"


def partitions_of(path: str) -> dict[str, tuple[StoredObject, ...]]:
    """The Parquet objects of each `dt=...` below an address, which is there as soon as anything is below it."""
    found: dict[str, list[StoredObject]] = {}
    if not glob.has_magic(path):
        for parts, one in _listed(path):
            if parts[0].startswith("dt=") and len(parts) > 1:
                held = found.setdefault(parts[0], [])
                held += [one] if len(parts) == 2 and parts[1].endswith(_SUFFIX) else []
    return {name: tuple(held) for name, held in sorted(found.items())}


def flat_objects(path: str) -> tuple[StoredObject, ...]:
    """The Parquet objects of an address that is not partitioned: an object, a pattern, or what lies directly below."""
    if not glob.has_magic(path) and path.endswith(_SUFFIX):
        one = client().look(object_path(path))
        return () if one is None else (one,)
    places = path.split("/")
    first = next((place for place, part in enumerate(places) if glob.has_magic(part)), len(places))
    pattern = places[first:] or [f"*{_SUFFIX}"]
    return tuple(one for parts, one in _listed("/".join(places[:first])) if _matches(parts, pattern))


def _listed(path: str) -> list[tuple[list[str], StoredObject]]:
    """Objects below an address, with the parts of their keys behind it."""
    below = object_path(path)
    return [(one.path.key.removeprefix(below.prefix).split("/"), one) for one in client().listing(below)]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Part by part; `**` stands for any number of them.

    >>> _matches(["a", "b", "x.parquet"], ["**", "*.parquet"])
    True
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[place:], pattern[1:]) for place in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])

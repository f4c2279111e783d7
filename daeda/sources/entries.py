"""What a view reads: each entry of its directory is data, known to be none, or refused; on disks and object storage.

    events/dt=2024-01-01/a.parquet                   data of that day
    events/dt=2024-01-01/_SUCCESS, .a.parquet.crc    known to be no data: the name begins with _ or .
    events/dt=2024-01-01/b.parq, x/c.parquet         refused: nothing else would tell that they are left out

The same rules hold for a tree of files and for the keys of objects, which a `Tree` gives in one shape.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from daeda.errors import InputError
from daeda.sources.files import PARTITION, parse_day, wrong_partition

FILE = "a file"
DIRECTORY = "a directory"
SUFFIX = ".parquet"
# What `daeda import` leaves in a directory until all of its days are in place.
UNFINISHED_IMPORT = "_unfinished_import.json"

# Below the directory of a view, or of a pattern, whose own name comes before them.
Parts = tuple[str, ...]

_WILDCARDS = frozenset("*?[")
_NOT_READ = "would not be read"


@dataclass(frozen=True, order=True)
class Entry:
    """A name in a directory; `kind` is FILE (a regular one, or an object), DIRECTORY, or what it is instead."""

    name: str
    kind: str


class Tree(Protocol):
    """The directory of a view and what lies below it."""

    def entries(self, parts: Parts) -> Sequence[Entry]:
        """What a directory holds, in the order of names."""

    def shown(self, parts: Parts) -> str:
        """The path or the address of an entry."""


@dataclass(frozen=True)
class Chosen:
    """The files that are data: by day where there are `dt=YYYY-MM-DD` directories, else `flat`."""

    partitions: dict[dt.date, tuple[Parts, ...]] = field(default_factory=dict)
    flat: tuple[Parts, ...] = ()


def choose_files(tree: Tree, view: str) -> Chosen:
    """The data files of a view's directory; raises InputError for the first entry that may be data and is not read."""
    top = _all_of(tree, (), view)
    days = [entry for entry in top if entry.kind == DIRECTORY and entry.name.startswith(PARTITION)]
    if not days:
        return Chosen(flat=_data_in(tree, (), top, view, f"the view reads files {SUFFIX} directly in its directory"))
    for entry in top:
        if entry not in days:
            _refuse_held(
                tree, (entry.name,), entry, view, "the view has dt=YYYY-MM-DD directories, and reads those alone"
            )
    partitions: dict[dt.date, tuple[Parts, ...]] = {}
    for entry in days:
        day = parse_day(entry.name.removeprefix(PARTITION))
        if day is None:
            raise InputError(wrong_partition(view, tree.shown((entry.name,))))
        entries = _all_of(tree, (entry.name,), view)
        partitions[day] = _data_in(tree, (entry.name,), entries, view, f"a partition holds files {SUFFIX} directly")
    return Chosen(partitions)


def choose_matches(tree: Tree, pattern: Parts, view: str) -> Chosen:
    """The files that a pattern matches; raises InputError for what it matches and that is no file.

    A wildcard stands for no name that is known to be none: such a one is written out, with its first character.
    """
    matched = dict(sorted(_matches(tree, (), pattern, view)))
    files = tuple(parts for parts, entry in matched.items() if entry.kind == FILE)
    for parts, entry in matched.items():
        if entry.kind == FILE:
            continue
        for leaf, kind in _leaves(tree, parts, entry, view):
            if leaf not in matched or kind != FILE:
                rule = f"'{'/'.join(pattern)}' matches {tree.shown(parts)}, which is {entry.kind}"
                raise InputError(_left_out(view, tree.shown(leaf), kind, rule))
    return Chosen(flat=files)


def is_known_none(name: str) -> bool:
    """Whether the name says that an entry is no data, as Spark, Hive and pyarrow have it.

    >>> is_known_none("_SUCCESS"), is_known_none(".a.parquet.crc"), is_known_none("part-0")
    (True, True, False)
    """
    return name.startswith(("_", "."))


def has_wildcard(part: str) -> bool:
    """Whether a part of a path is a pattern."""
    return not _WILDCARDS.isdisjoint(part)


def table_format(tree: Tree, parts: Parts, entries: Sequence[Entry]) -> str:
    """The table format whose log or metadata a directory holds; empty where it is of none."""
    names = {entry.name: entry.kind for entry in entries}
    if "_delta_log" in names:
        return f"{tree.shown((*parts, '_delta_log'))} is the log of a Delta table"
    if ".hoodie" in names:
        return f"{tree.shown((*parts, '.hoodie'))} is the timeline of a Hudi table"
    if names.get("metadata") == DIRECTORY:
        inside = (*parts, "metadata")
        for entry in tree.entries(inside):
            if entry.name.endswith(".metadata.json"):
                return f"{tree.shown((*inside, entry.name))} is the metadata of an Iceberg table"
    return ""


def refused_format(view: str, table: str) -> InputError:
    """The error about a table format."""
    return InputError(
        f"view '{view}': {table}, which says what files are rows, and daeda does not read it: export the table to "
        "plain Parquet files, and scan those"
    )


def _looked_at(tree: Tree, parts: Parts, view: str) -> list[Entry]:
    """The entries of a directory that are not known to be none; raises InputError in a table of a table format."""
    return _known_data(tree, parts, tree.entries(parts), view)


def _known_data(tree: Tree, parts: Parts, entries: Sequence[Entry], view: str) -> list[Entry]:
    table = table_format(tree, parts, entries)
    if table:
        raise refused_format(view, table)
    if any(entry.name == UNFINISHED_IMPORT for entry in entries):
        raise InputError(
            f"view '{view}': {tree.shown(parts)}: `daeda import` was stopped there while it put days into place, or is "
            "at it: some may have the rows of before and others those of now: run that import again, which finishes it"
        )
    return [entry for entry in entries if not is_known_none(entry.name)]


def _all_of(tree: Tree, parts: Parts, view: str) -> list[Entry]:
    """The same, where all that a directory holds is asked for: Spark reads one like `_day=1`, and pyarrow does not."""
    listed = tree.entries(parts)
    entries = _known_data(tree, parts, listed, view)
    for entry in listed:
        if entry.name.startswith("_") and "=" in entry.name and entry.kind == DIRECTORY:
            _refuse_held(tree, (*parts, entry.name), entry, view, "names that begin with _ are left out")
    return entries


def _data_in(tree: Tree, parts: Parts, entries: Sequence[Entry], view: str, rule: str) -> tuple[Parts, ...]:
    files = []
    for entry in entries:
        own = (*parts, entry.name)
        if entry.kind == FILE and entry.name.endswith(SUFFIX):
            files.append(own)
        else:
            _refuse_held(tree, own, entry, view, rule)
    return tuple(files)


def _refuse_held(tree: Tree, parts: Parts, entry: Entry, view: str, rule: str) -> None:
    """Raise InputError for the first thing at or below an entry; what is known to be none is nothing."""
    for leaf, kind in _leaves(tree, parts, entry, view):
        raise InputError(_left_out(view, tree.shown(leaf), kind, rule))


def _left_out(view: str, shown: str, kind: str, rule: str) -> str:
    what = "" if kind == FILE else f" is {kind} and"
    return (
        f"view '{view}': {shown}{what} {_NOT_READ}: {rule}; move or rename it (a name that begins with _ or . is known "
        "to be no data)"
    )


def _leaves(tree: Tree, parts: Parts, entry: Entry, view: str) -> Iterator[tuple[Parts, str]]:
    """What lies at or below an entry and is neither a directory nor known to be none."""
    if entry.kind != DIRECTORY:
        yield parts, entry.kind
        return
    for child in _all_of(tree, parts, view):
        yield from _leaves(tree, (*parts, child.name), child, view)


def _matches(tree: Tree, parts: Parts, pattern: Parts, view: str) -> Iterator[tuple[Parts, Entry]]:
    """What a pattern matches below a directory; `**` stands for any number of directories."""
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if rest:
            yield from _matches(tree, parts, rest, view)
        for entry in _looked_at(tree, parts, view):
            own = (*parts, entry.name)
            if entry.kind == DIRECTORY:
                yield from _matches(tree, own, pattern, view)
            elif not rest:
                yield own, entry
        return
    _looked_at(tree, parts, view)
    for entry in tree.entries(parts):
        if not _stands_for(first, entry.name):
            continue
        own = (*parts, entry.name)
        if not rest:
            yield own, entry
        elif entry.kind == DIRECTORY:
            yield from _matches(tree, own, rest, view)


def _stands_for(part: str, name: str) -> bool:
    """Whether a part of a pattern stands for a name.

    >>> _stands_for("*.parquet", "_a.parquet"), _stands_for("_*", "_a.parquet")
    (False, True)
    """
    if is_known_none(name) and not part.startswith(name[0]):
        return False
    return fnmatchcase(name, part)

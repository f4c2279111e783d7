"""The files of a view, as the audit reads the rule: everything that is there is listed, and each name is judged.

A name that begins with `_` or `.` is no data, nor is what lies below it. All else is a Parquet file where the view
reads one, or an error: what is passed over cannot be recomputed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from daeda.errors import InputError
from daeda.storage.client import StoredObject
from daeda.storage.location import ObjectPath, is_object, object_path
from daeda.storage.objects import client
from daeda.storage.regular import kind_of
from daeda_audit.raw.local_copies import RawFile

_MAGIC = re.compile(r"[*?\[]")
# Bytes of a name that are no UTF-8, as Python holds them.
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Listed:
    """Something below the directory that was looked through; `file` is None where it is no file."""

    parts: tuple[str, ...]
    file: RawFile | None = None
    directory: bool = False


@dataclass(frozen=True)
class Files:
    """The files of a view: by the name of their `dt=` directory where there is one, else `flat`."""

    by_day: dict[str, tuple[RawFile, ...]]
    flat: tuple[RawFile, ...]


def read_listing(view: str, root: str, path: str) -> Files:
    """The files of a view's path below `root`; raises InputError for what may be data and is not read."""
    start, pattern = _begin(root, path)
    base = f"{start}".rstrip("/")
    try:
        alone = _alone(start, pattern)
    except InputError as error:
        raise InputError(f"view '{view}': {error}") from error
    above = _seen_above(start)
    listed = [] if alone is not None else sorted(_everything(start), key=lambda one: one.parts)
    told = next(
        (one for one in (*above, *("/".join(one.parts) for one in listed if _is_log(one, pattern))) if one), None
    )
    if told is not None:
        what = f"{base} is a table of Delta, Iceberg or Hudi ({told})"
        raise InputError(
            f"view '{view}': {what}: its log says which files are rows, so export it to plain Parquet files"
        )
    if alone is not None:
        return Files({}, (alone,))
    files, refused = _by_pattern(listed, pattern) if pattern else _by_day(listed)
    if refused:
        raise InputError(f"view '{view}': {base}/{'/'.join(refused[0].parts)} may hold rows, and no rule reads it")
    for held in (files.flat, *files.by_day.values()):
        _refuse_second_names(view, held)
    return files


def _refuse_second_names(view: str, held: Sequence[RawFile]) -> None:
    """Raise InputError where two of these files are one, by a link of either sort."""
    names: dict[tuple[int, int], Path] = {}
    for file in held:
        if isinstance(file, Path):
            facts = file.stat()
            first = names.setdefault((facts.st_dev, facts.st_ino), file)
            if first is not file:
                raise InputError(f"view '{view}': {first} and {file} are one file, whose rows would count twice")


def _by_day(listed: Sequence[Listed]) -> tuple[Files, list[Listed]]:
    seen = [one for one in listed if not _hidden(one)]
    days = {one.parts[0] for one in seen if one.parts[0].startswith("dt=") and (len(one.parts) > 1 or one.directory)}
    depth = 2 if days else 1
    read = [
        one
        for one in seen
        if one.file is not None
        and len(one.parts) == depth
        and one.parts[-1].endswith(".parquet")
        and (not days or one.parts[0] in days)
    ]
    refused = [one for one in seen if not one.directory and one not in read]
    held = {day: tuple(one.file for one in read if one.parts[0] == day and one.file) for day in sorted(days)}
    return Files(held, () if days else tuple(one.file for one in read if one.file)), refused


def _by_pattern(listed: Sequence[Listed], pattern: Sequence[str]) -> tuple[Files, list[Listed]]:
    matched = [one for one in listed if not one.directory and _matches(one.parts, pattern)]
    # Of a directory that the pattern matches, it has to match all that lies below, as `**` at its end does.
    rest = [one for one in listed if not one.directory and one not in matched and pattern[-1] != "**"]
    refused = [
        one
        for one in rest
        if any(_matches(one.parts[:cut], pattern) and not _hidden(one, cut) for cut in range(1, len(one.parts)))
    ]
    refused += [one for one in matched if one.file is None]
    return Files({}, tuple(one.file for one in matched if one.file is not None)), refused


def _hidden(one: Listed, first: int = 0) -> bool:
    """Whether a name from `first` on says that it is no data; a directory like `_a=b` is one that Spark reads."""
    names = list(enumerate(one.parts))[first:]
    last = len(one.parts) - 1
    partitions = [at for at, name in names if "=" in name and (at < last or one.directory)]
    return any(name[:1] == "." or (name[:1] == "_" and at not in partitions) for at, name in names)


def _is_log(one: Listed, pattern: Sequence[str]) -> bool:
    """Whether it makes a table of a directory that is looked into."""
    homes = [one.parts[:at] for at, name in enumerate(one.parts) if name in ("_delta_log", ".hoodie")]
    if one.parts[-2:-1] == ("metadata",) and one.parts[-1].endswith(".metadata.json"):
        homes.append(one.parts[:-2])
    return any(_enters(home, pattern) if pattern else not _hidden(Listed(home, directory=True)) for home in homes)


def _enters(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a pattern looks into a directory; into one that it matches, it looks for what it leaves out."""
    if not parts or not pattern:
        return not _hidden(Listed(tuple(parts), directory=True))
    if pattern[0] == "**":
        inside = parts[0][:1] not in ("_", ".") and _enters(parts[1:], pattern if len(pattern) > 1 else ["**"])
        return inside or (len(pattern) > 1 and _enters(parts, pattern[1:]))
    return _matches(parts[:1], pattern[:1]) and _enters(parts[1:], pattern[1:])


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Part by part; `**` stands for any number of directories, and no wildcard for a name that is no data.

    >>> _matches(["a", "b", "x.parquet"], ["**", "*.parquet"]), _matches(["_x.parquet"], ["*.parquet"])
    (True, False)
    """
    if not pattern:
        return not parts
    if pattern[0] == "**":
        free = next((at for at, name in enumerate(parts) if name[:1] in ("_", ".")), len(parts))
        if len(pattern) == 1:
            return bool(parts) and free == len(parts)
        return any(_matches(parts[at:], pattern[1:]) for at in range(free + 1))
    if not parts or (parts[0][:1] in ("_", ".") and pattern[0][:1] != parts[0][:1]):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _begin(root: str, path: str) -> tuple[Path | ObjectPath, list[str]]:
    """What is looked through, and the pattern below it. A local path that is there is no pattern."""
    if is_object(path) or (is_object(root) and not path.startswith("/")):
        place: Path | ObjectPath = object_path(root) if not is_object(path) else ObjectPath(object_path(path).bucket)
        names = [name for name in (object_path(path).key if is_object(path) else path).split("/") if name]
    else:
        place, names = Path(root), list(Path(path).parts)
        if (place / path).exists():
            return place / path, []
    first = next((at for at, name in enumerate(names) if _MAGIC.search(name)), len(names))
    for name in names[:first]:
        place = place / name
    return place, names[first:]


def _alone(start: Path | ObjectPath, pattern: Sequence[str]) -> RawFile | None:
    """The one file or object that a path names, if it does; raises InputError where it is no directory either."""
    if pattern:
        return None
    if isinstance(start, Path):
        if os.path.lexists(start) and not start.is_dir() and not start.is_file():
            what = kind_of(start.stat().st_mode) if start.exists() else "a broken link"
            raise InputError(f"{start} is {what}, no file: put the file there, or correct the path")
        return start if start.is_file() else None
    if not start.key or (not start.key.endswith(".parquet") and client().peek(start, 1)):
        return None
    return client().look(start)


def _everything(start: Path | ObjectPath) -> Iterator[Listed]:
    if isinstance(start, Path):
        return _local(start, start)
    return _objects(start)


def _local(start: Path, directory: Path) -> Iterator[Listed]:
    """Directories, files and the rest, links followed unless they lead to where they come from.

    The rest are links to nowhere and to themselves, what is neither file nor directory, and names that are no UTF-8,
    which no reader of Parquet files opens.
    """
    try:
        held = sorted(directory.iterdir()) if directory.is_dir() else []
    except OSError as error:
        raise InputError(f"{directory} cannot be listed ({error.strerror}): change its permissions") from error
    for path in held:
        parts = path.relative_to(start).parts
        named = _SURROGATES.search(path.name) is None
        try:
            # A link that leads to itself is no directory, and has nothing that it resolves to.
            inside = named and path.is_dir() and not _leads_up(path)
            file = path if named and path.is_file() else None
        except OSError as error:
            raise InputError(f"{path} cannot be looked at ({error.strerror}): change the permissions") from error
        yield Listed(parts, file, inside)
        if inside:
            yield from _local(start, path)


def _leads_up(path: Path) -> bool:
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _objects(start: ObjectPath) -> Iterator[Listed]:
    for one in client().listing(start):
        parts = tuple(one.path.key.removeprefix(start.prefix).split("/"))
        if one.size or not (parts[-1] == "" or parts[-1].endswith("_$folder$")):
            yield Listed(parts, one)
        elif len(parts) > 1:
            yield Listed(parts[:-1], directory=True)
        for depth in range(1, len(parts) - 1):
            yield Listed(parts[:depth], directory=True)


def _seen_above(start: Path | ObjectPath) -> Iterable[str]:
    """Logs and metadata of table formats in the directories above."""
    if isinstance(start, Path):
        # `realpath`, for a link that leads to itself resolves to nothing.
        ways = (start.absolute(), Path(os.path.realpath(start)))
        for place in dict.fromkeys(one for way in ways for one in (way, *way.parents)):
            yield from (str(place / name) for name in ("_delta_log", ".hoodie") if (place / name).exists())
            yield from (str(one) for one in (place / "metadata").glob("*.metadata.json"))
        return
    while start.key:
        start = start.parent
        yield from (str(start / name) for name in ("_delta_log", ".hoodie") if client().peek(start / name, 1))
        if client().peek(start / "metadata", 1):
            held: list[StoredObject] = client().listing(start / "metadata")
            yield from (str(one.path) for one in held if one.path.key.endswith(".metadata.json"))

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
_NOT_UTF8 = re.compile("[\ud800-\udfff]")


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
    listed = [] if alone is not None else sorted(_everything(start), key=lambda entry: entry.parts)
    logs = (*above, *("/".join(entry.parts) for entry in listed if _is_log(entry, pattern)))
    log = next(filter(None, logs), None)
    if log is not None:
        what = f"{base} is a table of Delta, Iceberg or Hudi ({log})"
        raise InputError(
            f"view '{view}': {what}: its log says which files are rows, so export it to plain Parquet files"
        )
    if alone is not None:
        return Files({}, (alone,))
    files, refused = _by_pattern(listed, pattern) if pattern else _by_day(listed)
    if refused:
        raise InputError(f"view '{view}': {base}/{'/'.join(refused[0].parts)} may hold rows, and no rule reads it")
    for read_together in (files.flat, *files.by_day.values()):
        _refuse_second_names(view, read_together)
    return files


def _refuse_second_names(view: str, files: Sequence[RawFile]) -> None:
    """Raise InputError where two of these files are one, by a link of either sort."""
    names: dict[tuple[int, int], Path] = {}
    for file in files:
        if isinstance(file, Path):
            stat = file.stat()
            first = names.setdefault((stat.st_dev, stat.st_ino), file)
            if first is not file:
                raise InputError(f"view '{view}': {first} and {file} are one file, whose rows would count twice")


def _by_day(listed: Sequence[Listed]) -> tuple[Files, list[Listed]]:
    seen = [entry for entry in listed if not _hidden(entry)]
    in_directories = [entry.parts[0] for entry in seen if len(entry.parts) > 1 or entry.directory]
    days = {name for name in in_directories if name.startswith("dt=")}
    depth = 2 if days else 1
    read = [
        entry
        for entry in seen
        if entry.file is not None
        and len(entry.parts) == depth
        and entry.parts[-1].endswith(".parquet")
        and (not days or entry.parts[0] in days)
    ]
    refused = [entry for entry in seen if not entry.directory and entry not in read]
    files = {day: tuple(entry.file for entry in read if entry.parts[0] == day and entry.file) for day in sorted(days)}
    return Files(files, () if days else tuple(entry.file for entry in read if entry.file)), refused


def _by_pattern(listed: Sequence[Listed], pattern: Sequence[str]) -> tuple[Files, list[Listed]]:
    matched = [entry for entry in listed if not entry.directory and _matches(entry.parts, pattern)]
    # Of a directory that the pattern matches, it has to match all that lies below, as `**` at its end does.
    rest = [entry for entry in listed if not entry.directory and entry not in matched and pattern[-1] != "**"]
    refused = [
        entry
        for entry in rest
        if any(_matches(entry.parts[:cut], pattern) and not _hidden(entry, cut) for cut in range(1, len(entry.parts)))
    ]
    refused += [entry for entry in matched if entry.file is None]
    return Files({}, tuple(entry.file for entry in matched if entry.file is not None)), refused


def _hidden(entry: Listed, first: int = 0) -> bool:
    """Whether a name from `first` on says that it is no data; a directory like `_a=b` is one that Spark reads."""
    names = list(enumerate(entry.parts))[first:]
    last = len(entry.parts) - 1
    partitions = [at for at, name in names if "=" in name and (at < last or entry.directory)]
    return any(name[:1] == "." or (name[:1] == "_" and at not in partitions) for at, name in names)


def _is_log(entry: Listed, pattern: Sequence[str]) -> bool:
    """Whether it makes a table of a directory that is looked into."""
    homes = [entry.parts[:at] for at, name in enumerate(entry.parts) if name in ("_delta_log", ".hoodie")]
    if entry.parts[-2:-1] == ("metadata",) and entry.parts[-1].endswith(".metadata.json"):
        homes.append(entry.parts[:-2])
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
        directory: Path | ObjectPath = ObjectPath(object_path(path).bucket) if is_object(path) else object_path(root)
        names = [name for name in (object_path(path).key if is_object(path) else path).split("/") if name]
    else:
        directory, names = Path(root), list(Path(path).parts)
        if (directory / path).exists():
            return directory / path, []
    first = next((at for at, name in enumerate(names) if _MAGIC.search(name)), len(names))
    for name in names[:first]:
        directory = directory / name
    return directory, names[first:]


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
        children = sorted(directory.iterdir()) if directory.is_dir() else []
    except OSError as error:
        raise InputError(f"{directory} cannot be listed ({error.strerror}): change its permissions") from error
    for path in children:
        parts = path.relative_to(start).parts
        named = _NOT_UTF8.search(path.name) is None
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
    for entry in client().listing(start):
        parts = tuple(entry.path.key.removeprefix(start.prefix).split("/"))
        if entry.size or not (parts[-1] == "" or parts[-1].endswith("_$folder$")):
            yield Listed(parts, entry)
        elif len(parts) > 1:
            yield Listed(parts[:-1], directory=True)
        for depth in range(1, len(parts) - 1):
            yield Listed(parts[:depth], directory=True)


def _seen_above(start: Path | ObjectPath) -> Iterable[str]:
    """Logs and metadata of table formats in the directories above."""
    if isinstance(start, Path):
        # `realpath`, for a link that leads to itself resolves to nothing.
        ways = (start.absolute(), Path(os.path.realpath(start)))
        for directory in dict.fromkeys(above for way in ways for above in (way, *way.parents)):
            yield from (str(directory / name) for name in ("_delta_log", ".hoodie") if (directory / name).exists())
            yield from (str(path) for path in (directory / "metadata").glob("*.metadata.json"))
        return
    while start.key:
        start = start.parent
        yield from (str(start / name) for name in ("_delta_log", ".hoodie") if client().peek(start / name, 1))
        if client().peek(start / "metadata", 1):
            stored: list[StoredObject] = client().listing(start / "metadata")
            yield from (str(entry.path) for entry in stored if entry.path.key.endswith(".metadata.json"))

"""The files behind a view on a local file system: paths, patterns and trees of directories."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

from daeda.errors import InputError, NothingThere, refusal
from daeda.sources.entries import (
    DIRECTORY,
    FILE,
    Chosen,
    Entry,
    Parts,
    choose_files,
    choose_matches,
    has_wildcard,
    refused_format,
    table_format,
)
from daeda.sources.files import SourceFiles
from daeda.storage.location import below
from daeda.storage.regular import kind_of

_MARKS = ("_delta_log", ".hoodie", "metadata")


def find_local_files(path: str, view: str, data_root: str = "") -> SourceFiles:
    """List the files of a view's path; raises InputError where there are none, or what may be data is not read."""
    whole = below(data_root, path) if data_root else path
    fixed, pattern = _split(path, data_root)
    kind = local_kind(Path(whole))
    if kind and pattern:
        _refuse_two_meanings(view, whole, fixed, pattern)
    if kind or not pattern:
        fixed, pattern = Path(whole), ()
    _refuse_table_above(view, fixed)
    tree = LocalTree(fixed, view)
    if pattern:
        chosen = choose_matches(tree, pattern, view) if local_kind(fixed) == DIRECTORY else Chosen()
    elif kind == DIRECTORY:
        chosen = choose_files(tree, view)
    elif kind in ("", FILE):
        chosen = Chosen(flat=((),) if kind else ())
    else:
        raise InputError(f"view '{view}': {whole} is {kind}: name a file or a directory")
    if not chosen.partitions and not chosen.flat:
        raise NothingThere(f"view '{view}': {whole} {_nothing(Path(whole), pattern, kind)}: {preparation_hint(whole)}")
    partitions = {
        day: tuple(_named(view, fixed, parts) for parts in files) for day, files in sorted(chosen.partitions.items())
    }
    flat = tuple(_named(view, fixed, parts) for parts in chosen.flat)
    return SourceFiles(whole, partitions, flat, directory=str(fixed))


def preparation_hint(path: str) -> str:
    """What to do about missing data: name the prepare step of the project when it has one."""
    for parent in Path(path).parents:
        script = parent / "prepare.py"
        if script.exists():
            shown = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
            return f"make the data with `python {shown}`"
        if (parent / "sample_data" / "__main__.py").exists():
            return "make the data with `make sample`"
        if (parent / "config").is_dir():
            break
    return "correct the path or data_root, or put the data there"


def _split(path: str, data_root: str) -> tuple[Path, Parts]:
    """The directory that a pattern begins in, and the pattern; without wildcards the path, and nothing."""
    parts = Path(path).parts
    first = next((index for index, part in enumerate(parts) if has_wildcard(part)), len(parts))
    return Path(data_root).joinpath(*parts[:first]), parts[first:]


def _refuse_two_meanings(view: str, whole: str, fixed: Path, pattern: Parts) -> None:
    """A path that is there is a path, unless it is a pattern of others, too."""
    others = [parts for parts in choose_matches(LocalTree(fixed, view), pattern, view).flat if parts != pattern]
    if others:
        raise InputError(
            f"view '{view}': {whole} is there, and as a pattern it also matches {fixed.joinpath(*others[0])}: rename "
            "one, or write [[] for a bracket that is meant as it stands"
        )


def _refuse_table_above(view: str, path: Path) -> None:
    """Raise InputError where a directory above, or the path itself, is the table of a table format."""
    for start in dict.fromkeys((path.absolute(), path.resolve())):
        for directory in (start, *start.parents):
            marks = [Entry(name, kind) for name in _MARKS if (kind := local_kind(directory / name))]
            # What may not be listed cannot be seen to be a table.
            seen = [
                mark for mark in marks if mark.kind != DIRECTORY or os.access(directory / mark.name, os.R_OK | os.X_OK)
            ]
            table = table_format(LocalTree(directory, view), (), seen)
            if table:
                raise refused_format(view, table)


def _nothing(path: Path, pattern: Parts, kind: str) -> str:
    if pattern:
        return "matches no file"
    if kind == DIRECTORY:
        return "holds no Parquet file and no dt=YYYY-MM-DD directory"
    parent = path.parent
    names = [entry.name for entry in LocalTree(parent, "").entries(())] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"does not exist (did you mean '{close[0]}'?)" if close else "does not exist"


def _named(view: str, fixed: Path, parts: Parts) -> str:
    """The file as it goes to libraries; raises InputError for a name that DuckDB takes for another one."""
    path = str(fixed.joinpath(*parts))
    if "\\" in path and has_wildcard(path):
        raise InputError(f"view '{view}': {path} has a backslash beside one of *?[: rename the file or the directory")
    return path


class LocalTree:
    """A directory; links are followed, once for each way down."""

    def __init__(self, root: Path, view: str) -> None:
        self._root = root
        self._view = view

    def entries(self, parts: Parts) -> list[Entry]:
        """What a directory holds, in the order of names; raises InputError where it cannot be listed."""
        directory = self._root.joinpath(*parts)
        try:
            with os.scandir(directory) as listed:
                return sorted(Entry(entry.name, self._kind(entry, directory)) for entry in listed)
        except OSError as error:
            raise InputError(f"view '{self._view}': cannot list {refusal(error)}") from error

    def shown(self, parts: Parts) -> str:
        """The path of an entry."""
        return str(self._root.joinpath(*parts)).encode("utf-8", "backslashreplace").decode()

    def _kind(self, entry: os.DirEntry[str], directory: Path) -> str:
        try:
            if not entry.name.isascii():
                entry.name.encode()
            if entry.is_file():
                return FILE
            if entry.is_dir():
                return "a link to a directory that it lies in" if _leads_up(entry, directory) else DIRECTORY
            return kind_of(entry.stat().st_mode)
        except UnicodeEncodeError:
            return "a name that is no UTF-8"
        except OSError as error:
            what = "a broken link" if isinstance(error, FileNotFoundError) else "out of reach"
            return what if entry.is_symlink() else f"out of reach ({error.strerror})"


def local_kind(path: Path) -> str:
    """What a path leads to: FILE, DIRECTORY, what else it is, or nothing where it does not exist."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "a broken link" if path.is_symlink() else ""
    except OSError as error:
        return f"out of reach ({error.strerror})"
    if stat.S_ISDIR(mode):
        return DIRECTORY
    return FILE if stat.S_ISREG(mode) else kind_of(mode)


def _leads_up(entry: os.DirEntry[str], directory: Path) -> bool:
    return entry.is_symlink() and directory.resolve().is_relative_to(Path(entry.path).resolve())

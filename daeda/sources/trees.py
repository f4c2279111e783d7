"""The two trees that views lie in: directories of a file system, and keys of objects."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from daeda.errors import InputError, refusal
from daeda.sources.entries import DIRECTORY, FILE, Entry, Parts
from daeda.storage.client import StoredObject
from daeda.storage.location import ObjectPath
from daeda.storage.regular import kind_of


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

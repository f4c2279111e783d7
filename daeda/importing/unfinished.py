"""The mark of a directory whose days are being put into place: until it is gone, no view reads them.

Of an import that was stopped then, some days have the rows of before and others those of now, maybe in other types.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from daeda.errors import InputError, shortened
from daeda.sources.entries import UNFINISHED_IMPORT
from daeda.storage.durable import sync_file, write_durably
from daeda.storage.regular import MOST_METADATA, read_regular


def unfinished_files(directory: Path) -> frozenset[str]:
    """The files whose days an import was putting into place when it was stopped, by their names."""
    path = directory / UNFINISHED_IMPORT
    try:
        found = json.loads(read_regular(path, MOST_METADATA))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: it cannot be read: import into a new directory") from error
    return frozenset(found["files"])


def mark_unfinished(directory: Path, files: Iterable[str]) -> None:
    """Say that the days of files are being put into place, before the first of them is."""
    path = directory / UNFINISHED_IMPORT
    aside = path.with_name(f".{UNFINISHED_IMPORT}.new")
    write_durably(aside, json.dumps({"files": sorted(files)}) + "\n")
    aside.replace(path)
    sync_file(directory)


def mark_finished(directory: Path) -> None:
    """Say that all of them are in place."""
    (directory / UNFINISHED_IMPORT).unlink(missing_ok=True)
    sync_file(directory)


def refuse_unfinished(directory: Path, names: Iterable[str]) -> None:
    """Raise InputError where an import of other files than these was stopped while days were put into place."""
    others = sorted(unfinished_files(directory) - set(names))
    if others:
        one = len(others) == 1
        raise InputError(
            f"{directory}: the import of {shortened(others)} was stopped while days were put into place, and has to be "
            f"finished: give {'that file' if one else 'those files'}, too, where one has another name now "
            f"--as {shlex.quote(others[0]) if one else 'NAME'}; without {'it' if one else 'them'}, import into a new "
            "directory"
        )

"""Import modules of a project from their sources alone.

Python runs what `__pycache__` holds where the second and the size of a source are as they were; an edit within the
second that leaves the size alone would be digested, and not run.
"""

from __future__ import annotations

import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any

from daeda.functions.code import is_installed


class _FromSource(SourceFileLoader):
    """Compiles the source each time, and writes no bytecode."""

    def path_stats(self, path: str) -> Any:
        """Without the state of a source Python neither looks for its bytecode nor writes any."""
        raise OSError(f"no bytecode is read for {path}")


def import_from_source() -> None:
    """From now on no module of this process comes from the bytecode of a project; libraries do as before."""
    if _hook in sys.path_hooks:
        return
    sys.path_hooks.insert(0, _hook)
    for path in [directory for directory in sys.path_importer_cache if _is_of_a_project(directory)]:
        del sys.path_importer_cache[path]


def _hook(path: str) -> FileFinder:
    if not _is_of_a_project(path):
        raise ImportError(f"{path} is no directory of a project")
    return FileFinder(
        path,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_FromSource, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )


def _is_of_a_project(path: str) -> bool:
    directory = Path(path or ".")
    return directory.is_dir() and not is_installed(directory)

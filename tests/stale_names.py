"""A client of NFS, as this process sees it: a name that was missing stays so until its directory is opened.

A real client looks again after half a minute to a minute, too. What stands in for it are `os.stat`, `os.open` and
`os.mkdir`, by which `Path` and daeda's own readers ask.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

_STAT, _OPEN, _MKDIR = os.stat, os.open, os.mkdir


class StaleNames:
    """The names that this client believes to be missing."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._is_elsewhere = False

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[None]:
        """What the block does is done on another host."""
        self._is_elsewhere = True
        try:
            yield
        finally:
            self._is_elsewhere = False

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        with self._asking(path):
            return _STAT(path, **options)

    def open(self, path: Any, flags: int, *mode: int, **options: Any) -> int:
        with self._asking(path, makes=bool(flags & os.O_CREAT)):
            descriptor = _OPEN(path, flags, *mode, **options)
        if flags & os.O_DIRECTORY and not self._is_elsewhere:
            self._missing = {name for name in self._missing if os.path.dirname(name) != str(path)}  # noqa: PTH120
        return descriptor

    def mkdir(self, path: Any, *mode: int, **options: Any) -> None:
        _MKDIR(path, *mode, **options)
        if not self._is_elsewhere:
            self._missing.discard(str(path))

    @contextlib.contextmanager
    def _asking(self, path: Any, makes: bool = False) -> Iterator[None]:
        name = str(path)
        if name in self._missing and not makes and not self._is_elsewhere:
            raise FileNotFoundError(2, "No such file or directory", name)
        try:
            yield
        except FileNotFoundError:
            if not self._is_elsewhere:
                self._missing.add(name)
            raise


@pytest.fixture
def stale_names(monkeypatch: pytest.MonkeyPatch) -> StaleNames:
    """This process is such a client until the test ends."""
    client = StaleNames()
    monkeypatch.setattr(os, "stat", client.stat)
    monkeypatch.setattr(os, "open", client.open)
    monkeypatch.setattr(os, "mkdir", client.mkdir)
    return client

"""What a process does without while it starts: most of the seconds of a small command are imports."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from daeda.process.supervised import is_supervised

# Modules, classes and trees of a configuration are made by the ten thousand, and stay: whoever looks for garbage among
# them every few hundred objects finds none.
_MANY_OBJECTS = 500_000


class _NotInstalled:
    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def leave_out(*names: str) -> None:
    """Let this process be one where these modules are not installed: libraries import what they find."""
    sys.meta_path.insert(0, _NotInstalled(names))


@contextlib.contextmanager
def left_out(*names: str) -> Iterator[None]:
    """The same while the block runs; behind it they are imported as ever."""
    finder = _NotInstalled(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """Garbage in circles is looked for rarely while the block runs; all other garbage goes at once, as ever.

    In a process that has one command to do, what the block has made is never looked at again; elsewhere there may be
    garbage of somebody else among it.
    """
    before = gc.get_threshold()
    gc.set_threshold(_MANY_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if is_supervised():
            gc.freeze()

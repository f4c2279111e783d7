"""What code of a user may change of the process that it runs in: seen, told, and put back.

Everything else in the process relies on it: where relative paths lead, how numbers are written, what a signal does,
and that what is said arrives.
"""

from __future__ import annotations

import contextlib
import locale
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_STREAMS = ("stdout", "stderr")

# Copies of the standard streams of this process, made before any code of a user has run; by number.
_copies: dict[int, int] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class _State:
    directory: str | None
    locale: str
    handlers: dict[int, Any]
    streams: dict[str, Any]
    files: dict[int, tuple[int, int] | None]


@contextlib.contextmanager
def undisturbed() -> Iterator[list[str]]:
    """Put back what the block changes of the process; the list names it when the block has ended.

    >>> with undisturbed() as disturbed:
    ...     os.chdir("/")
    >>> disturbed
    ['the working directory']
    """
    _copy_streams()
    before = _state()
    found: list[str] = []
    try:
        yield found
    finally:
        found += _put_back(before, _state())


def _state() -> _State:
    main = threading.current_thread() is threading.main_thread()
    return _State(
        _directory(),
        locale.setlocale(locale.LC_ALL),
        # Only the main thread can set a handler.
        {number: signal.getsignal(number) for number in _HANDLED} if main else {},
        {name: getattr(sys, name) for name in _STREAMS},
        {number: _file(number) for number in (1, 2)},
    )


def _directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - asked for at each call of a function
    except OSError:
        return None  # it was removed


def _file(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _copy_streams() -> None:
    with _lock:
        if not _copies:
            for number in (1, 2):
                with contextlib.suppress(OSError):
                    _copies[number] = os.dup(number)


def _put_back(before: _State, after: _State) -> list[str]:
    found = []
    if before.directory is not None and after.directory != before.directory:
        os.chdir(before.directory)
        found.append("the working directory")
    if after.locale != before.locale:
        locale.setlocale(locale.LC_ALL, before.locale)
        found.append("the locale")
    changed = [number for number, handler in before.handlers.items() if after.handlers.get(number) != handler]
    for number in changed:
        signal.signal(number, before.handlers[number])
    if changed:
        found.append("the handlers of signals")
    for number, name in enumerate(_STREAMS, 1):
        stream = before.streams[name]
        if after.files[number] != before.files[number] and number in _copies:
            os.dup2(_copies[number], number)
            found.append(name)
        if getattr(stream, "closed", False):
            stream = os.fdopen(os.dup(_copies[number]), "w", encoding="utf-8", errors="backslashreplace")
            found.append(name)
        elif getattr(sys, name) is not stream:
            found.append(name)
        setattr(sys, name, stream)
    return list(dict.fromkeys(found))

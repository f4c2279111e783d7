"""What code of a user may change of the process that it runs in: seen, told, and put back.

Everything else in the process relies on it: where relative paths lead, how numbers are written, what a signal does,
and that what is said arrives.
"""

from __future__ import annotations

import contextlib
import io
import locale
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daeda.process.printable import printable_lines

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_STREAMS = ("stdout", "stderr")
_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))

# Copies of the standard streams of this process, made before any code of a user has run; by number.
_copies: dict[int, int] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class _State:
    directory: str | None
    umask: int | None
    limits: dict[int, tuple[int, int]]
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
    changes: list[str] = []
    try:
        yield changes
    finally:
        changes += _put_back(before, _state())


@contextlib.contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Let what the block prints appear on stderr, made harmless: stdout is for what the command answers.

    Where the main thread is in the block no other one is at work for the command; in those of days nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _copy_streams()
    stream = sys.stdout
    stream.flush()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
        aside = _Aside(io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="backslashreplace")
        sys.stdout = aside
        try:
            yield
        finally:
            if sys.stdout is not aside:
                # What `undisturbed` has opened for one that was closed.
                sys.stdout.close()
            sys.stdout = stream


class _Aside(io.TextIOWrapper):
    """A stdout for code of a user, which may keep it for as long as the process lives."""

    def write(self, text: str) -> int:
        """Write it on stderr, harmless."""
        sys.stderr.write(printable_lines(text))
        return len(text)


def _state() -> _State:
    main = threading.current_thread() is threading.main_thread()
    return _State(
        _directory(),
        _umask(),
        {number: resource.getrlimit(number) for number in _LIMITS},
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


def _umask() -> int | None:
    """The umask, without setting it for a moment: other threads make files meanwhile."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    masks = [line.split()[1] for line in text.splitlines() if line.startswith("Umask:")]
    return int(masks[0], 8) if masks else None


def _lowered(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether a limit has become less in either of its numbers, of which -1 is none."""
    return any(new != -1 and (old == -1 or new < old) for old, new in zip(before, after, strict=True))


def _file(number: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _copy_streams() -> None:
    with _lock:
        if not _copies:
            for number in (1, 2):
                with contextlib.suppress(OSError):
                    _copies[number] = os.dup(number)


def _put_back(before: _State, after: _State) -> list[str]:
    changes = []
    if before.directory is not None and after.directory != before.directory:
        os.chdir(before.directory)
        changes.append("the working directory")
    if before.umask is not None and after.umask != before.umask:
        os.umask(before.umask)
        changes.append("the umask")
    lowered = [number for number, limit in before.limits.items() if _lowered(limit, after.limits[number])]
    for number in lowered:
        # Not everybody may raise what has been lowered for good.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(number, before.limits[number])
    if lowered:
        changes.append("the limits of resources")
    if after.locale != before.locale:
        locale.setlocale(locale.LC_ALL, before.locale)
        changes.append("the locale")
    changed = [number for number, handler in before.handlers.items() if after.handlers.get(number) != handler]
    for number in changed:
        signal.signal(number, before.handlers[number])
    if changed:
        changes.append("the handlers of signals")
    for number, name in enumerate(_STREAMS, 1):
        stream = before.streams[name]
        if after.files[number] != before.files[number] and number in _copies:
            os.dup2(_copies[number], number)
            changes.append(name)
        if getattr(stream, "closed", False):
            stream = os.fdopen(os.dup(_copies[number]), "w", encoding="utf-8", errors="backslashreplace")
            changes.append(name)
        elif getattr(sys, name) is not stream:
            changes.append(name)
        setattr(sys, name, stream)
    return list(dict.fromkeys(changes))

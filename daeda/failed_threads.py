"""Threads that code of a user starts and that fail: Python shows their exception, and nobody else hears of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

_files: dict[str, list[BaseException]] = {}
_lock = threading.Lock()
_before: Callable[[threading.ExceptHookArgs], object] | None = None


@contextlib.contextmanager
def failed_threads(file: str) -> Iterator[list[BaseException]]:
    """What threads have raised, up to the end of the block, in code of this file; told once, and shown nowhere else."""
    found: list[BaseException] = []
    with _lock:
        _files.setdefault(file, [])
        _listen()
    try:
        yield found
    finally:
        with _lock:
            found += _files[file]
            _files[file] = []


def _listen() -> None:
    global _before
    if threading.excepthook is not _hear:
        _before = threading.excepthook
        threading.excepthook = _hear


def _hear(failed: threading.ExceptHookArgs) -> None:
    trace = failed.exc_traceback
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        with _lock:
            if file in _files and failed.exc_value is not None:
                _files[file].append(failed.exc_value)
                return
        trace = trace.tb_next
    if _before is not None:
        _before(failed)

"""Threads that code of a user starts and that fail: Python shows their exception, and nobody else hears of it.

A thread is the user's where it was started while their code was at work, or by such a thread, and where a line of their
file has failed in it. What runs in it may be a function of a library alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

_files: dict[str, list[BaseException]] = {}
_lock = threading.Lock()
_before: Callable[[threading.ExceptHookArgs], object] | None = None
_start: Callable[..., None] | None = None
_MARK = "_daeda_file"


@contextlib.contextmanager
def failed_threads(file: str) -> Iterator[list[BaseException]]:
    """What threads of this file's code have raised, up to the end of the block; told once, and shown nowhere else."""
    errors: list[BaseException] = []
    mine = vars(threading.current_thread())
    outer = mine.get(_MARK)
    with _lock:
        _files.setdefault(file, [])
        _listen()
    mine[_MARK] = file
    try:
        yield errors
    finally:
        mine[_MARK] = outer
        with _lock:
            errors += _files[file]
            _files[file] = []


def _listen() -> None:
    global _before, _start
    if threading.excepthook is not _hear:
        _before = threading.excepthook
        threading.excepthook = _hear
    if _start is None:
        _start = threading.Thread.start
        threading.Thread.start = _marked_start  # type: ignore[method-assign]


def _marked_start(self: threading.Thread, *words: Any, **options: Any) -> None:
    """`Thread.start`, by which a thread inherits whose code has started it."""
    vars(self)[_MARK] = vars(threading.current_thread()).get(_MARK)
    assert _start is not None
    _start(self, *words, **options)


def _hear(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None:
        return
    files = [] if failed.thread is None else [vars(failed.thread).get(_MARK)]
    trace = failed.exc_traceback
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    with _lock:
        for file in files:
            if file in _files:
                _files[file].append(failed.exc_value)
                return
    if _before is not None:
        _before(failed)

"""A call of a user's function, up to a text of what it has raised: that text is code of the user, too.

So both are made inside of whatever limits the time of the call.

Threads that the function starts and that fail are heard of here: Python shows their exception, and tells nobody else.
A thread is the user's where it was started while their code was at work, or by such a thread, and where a line of their
file has failed in it. What runs in it may be a function of a library alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from daeda.functions.loading import Function, raised_in

_files: dict[str, list[BaseException]] = {}
_lock = threading.Lock()
_before: Callable[[threading.ExceptHookArgs], object] | None = None
_start: Callable[..., None] | None = None
_MARK = "_daeda_file"


class Raised(Exception):
    """A function has raised something, which is the cause of this; its text is `raised_in` of it."""


class ThreadRaised(Raised):
    """It was a thread that the function had started."""


def called(function: Function, arrays: Sequence[pa.Array]) -> object:
    """What the function returns. Raises Raised."""
    try:
        with failed_threads(_file_of(function)) as failed:
            returned = function.call(*arrays)
    except BaseException as error:
        raise Raised(raised_in(error)) from error
    if failed:
        raise ThreadRaised(raised_in(failed[0])) from failed[0]
    return returned


def _file_of(function: Function) -> str:
    """The source file of a function; empty for one that has none."""
    return str(getattr(getattr(function.call, "__code__", None), "co_filename", ""))


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

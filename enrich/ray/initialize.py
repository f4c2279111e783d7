"""`ray.init`, without what it writes on stderr, and with this process's own handler of SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import ray._private.ray_constants
import ray._private.utils
import ray._private.worker

from enrich.ray.channel import is_supervised

# By what Ray prints the lines of its other processes.
_PRINT = ray._private.worker.print_to_stdstream


def initialize(**options: Any) -> None:
    """Start Ray, or join a cluster, in this process, as the options say."""
    _log_to_native_stderr()
    with _native_stderr_closed(), _own_sigterm(), warnings.catch_warnings():
        # Ray forks and at once executes another program; no thread of Lance is missed there.
        warnings.filterwarnings("ignore", message="lance is not fork-safe", category=UserWarning)
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


@contextlib.contextmanager
def stdout_closed() -> Iterator[None]:
    """Ray reports what has died on stdout, in a thread of its own; stdout is for the result of a command.

    A cluster that is lost is not taken leave of, and the thread outlives the block: it stays silent then, until the
    next one that is taken leave of.
    """
    worker = ray._private.worker
    worker.print_to_stdstream = _silent
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as null, contextlib.redirect_stdout(null):
            yield
    finally:
        if not ray.is_initialized():
            worker.print_to_stdstream = _PRINT


def _silent(*arguments: object, **options: object) -> None:
    """In the place of what prints."""


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Ray takes this node's address to be 127.0.0.1 while the block runs, and binds all its servers to it.

    Ray takes the variable for it from the environment when it is imported; its other processes read it anew.
    """
    constants = ray._private.ray_constants
    original = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = original


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray sets no handler of SIGTERM while the block runs. Its own ends the process in the middle of the start, and
    leaves behind for a minute what had been started.
    """
    original = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = original


def _log_to_native_stderr() -> None:
    """What Ray's Python side logs goes where its C++ side writes, and not before the sentence of an error."""
    if not is_supervised():
        return
    native = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    for handler in logging.getLogger("ray").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(native)


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """What writes to descriptor 2 writes to /dev/null while the block runs: Ray announces there that it is silent.

    A supervisor keeps that from the terminal anyway.
    """
    if is_supervised():
        yield
        return
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)

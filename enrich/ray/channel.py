"""What the enrichment tells its supervisor while it works, so that it can be ended and explained from outside.

One JSON object a line. Without a supervisor, as in a test that calls the job itself, nothing is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class _Channel:
    """The writing end of the pipe, and who writes to it."""

    descriptor: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_CHANNEL = _Channel()


def connect(descriptor: int) -> None:
    """From now on this process tells its supervisor through this pipe."""
    _CHANNEL.descriptor = descriptor


def is_supervised() -> bool:
    """Whether somebody listens."""
    return _CHANNEL.descriptor is not None


def tell(**message: Any) -> None:
    """Send a message. That nobody reads it any more is noticed by the lifeline."""
    if _CHANNEL.descriptor is None:
        return
    line = memoryview(json.dumps(message).encode() + b"\n")
    with _CHANNEL.lock, contextlib.suppress(BrokenPipeError):
        while line:
            line = line[os.write(_CHANNEL.descriptor, line) :]


def tell_limit(seconds: float, sentence: str, exit_code: int = 1) -> None:
    """What is done now may take so long; then the supervisor ends it with this sentence and code."""
    tell(limit=seconds, sentence=sentence, code=exit_code)


def tell_no_limit() -> None:
    """What had a limit is done."""
    tell(limit=None)


@contextlib.contextmanager
def limited(seconds: float, sentence: str, exit_code: int = 1) -> Iterator[None]:
    """The block may take so long. The supervisor holds the limit, whatever the block waits for."""
    tell_limit(seconds, sentence, exit_code)
    try:
        yield
    finally:
        tell_no_limit()


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Ray is being started in the block, and notices nothing else."""
    tell(starting=True)
    try:
        yield
    finally:
        tell(starting=False)


def tell_process(kind: str, number: int) -> None:
    """A process of Ray has been started."""
    tell(process=kind, pid=number)


def tell_no_processes() -> None:
    """Ray is being ended: that its processes end says nothing."""
    tell(process=None)


def tell_directory(path: Path | None) -> None:
    """Ray works in this directory; None when it is gone."""
    tell(directory=None if path is None else str(path))

"""Messages of the enrichment to its supervisor, so that it can be ended and explained from outside.

One JSON list a line, the type of the message and its fields: ["RayProcess", {"kind": "raylet", "pid": 7}]. Without a
supervisor, as in a test that calls the job itself, nothing is sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args


@dataclass(frozen=True)
class LimitSet:
    """What is done now may take so many seconds; then the supervisor ends it with this sentence and code."""

    seconds: float
    sentence: str
    exit_code: int = 1


@dataclass(frozen=True)
class LimitLifted:
    """What had a limit is done."""


@dataclass(frozen=True)
class RayStarting:
    """Whether Ray is being started; it notices nothing else then."""

    active: bool


@dataclass(frozen=True)
class RayProcess:
    """A process of Ray has been started."""

    kind: str
    pid: int


@dataclass(frozen=True)
class RayEnding:
    """Ray is being ended: that its processes end says nothing."""


@dataclass(frozen=True)
class RayDirectoryUsed:
    """Ray works in this directory; None when it is gone."""

    path: str | None


@dataclass(frozen=True)
class ClusterLost:
    """The cluster that was joined is gone, as the sentence says; whatever waits for it waits in vain."""

    sentence: str


Message = LimitSet | LimitLifted | RayStarting | RayProcess | RayEnding | RayDirectoryUsed | ClusterLost
_TYPES: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}


@dataclass
class _Channel:
    """The writing end of the pipe, and the lock of those who write to it."""

    descriptor: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_CHANNEL = _Channel()


def connect(descriptor: int) -> None:
    """From now on this process sends to its supervisor through this pipe."""
    _CHANNEL.descriptor = descriptor


def is_supervised() -> bool:
    """Whether somebody listens."""
    return _CHANNEL.descriptor is not None


def send(message: Message) -> None:
    """Send a message. The thread that watches the supervisor notices when nobody reads it any more."""
    if _CHANNEL.descriptor is None:
        return
    text = json.dumps([type(message).__name__, dataclasses.asdict(message)])
    line = memoryview(text.encode() + b"\n")
    with _CHANNEL.lock, contextlib.suppress(BrokenPipeError):
        while line:
            line = line[os.write(_CHANNEL.descriptor, line) :]


def decode(line: bytes) -> Message:
    """The message of a line, which the other end of the pipe has sent."""
    name, fields = json.loads(line)
    return _TYPES[name](**fields)


@contextlib.contextmanager
def limited(seconds: float, sentence: str, exit_code: int = 1) -> Iterator[None]:
    """The block may take so long. The supervisor holds the limit, whatever the block waits for."""
    send(LimitSet(seconds, sentence, exit_code))
    try:
        yield
    finally:
        send(LimitLifted())


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Ray is being started in the block."""
    send(RayStarting(True))
    try:
        yield
    finally:
        send(RayStarting(False))

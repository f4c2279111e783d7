"""Time limits inside of a process that builds days: whatever takes longer stops the run, with its sentence.

A thread looks for limits that have passed. It cannot end the code that is late, and it does not run at all while some
code holds the interpreter: then the supervisor of the process ends it (`daeda.process.supervision`), a little later.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.workers.day_slots import DaySlots
from daeda.errors import Late
from daeda.storage.regular import read_regular

_LOOK_SECONDS = 0.25
# How much longer than its limit a call in another process may take: its own process may notice, and stops more gently.
_SLACK_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class TimeLimit:
    """When what is at work has to be done, and what is raised then, in the run that has these slots."""

    slots: DaySlots
    deadline: float
    sentence: str


_limits: set[TimeLimit] = set()
_lock = threading.Lock()
_looking = False


def begin_time_limit(slots: DaySlots, seconds: float, sentence: str) -> TimeLimit:
    """From now on something is at work that may take so long; `end_time_limit` is called when it is done."""
    global _looking
    limit = TimeLimit(slots, time.monotonic() + seconds, sentence)
    with _lock:
        _limits.add(limit)
        if not _looking:
            _looking = True
            threading.Thread(target=_look, daemon=True, name="time limits").start()
    return limit


def end_time_limit(limit: TimeLimit) -> None:
    """It is done; a second call does nothing."""
    with _lock:
        _limits.discard(limit)


@contextlib.contextmanager
def time_limit(slots: DaySlots, seconds: float, sentence: str) -> Iterator[None]:
    """What the block does may take so long; where it takes longer, the run is stopped by Late."""
    limit = begin_time_limit(slots, seconds, sentence)
    try:
        yield
    finally:
        end_time_limit(limit)


def _look() -> None:
    global _looking
    while True:
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        with _lock:
            late = sorted((limit for limit in _limits if now > limit.deadline), key=lambda limit: limit.deadline)
            _limits.difference_update(late)
            if not _limits and not late:
                _looking = False
                return
        for limit in late:
            limit.slots.stop(Late(limit.sentence))


class CallsInOtherProcesses:
    """Calls of users' functions in other processes, by the status files of their days and the clock of this one."""

    def __init__(self, status: Path) -> None:
        self._status = status
        self._seen: dict[str, tuple[str, float]] = {}

    def late(self) -> str | None:
        """The sentence of a call that is over its limit, None where there is none."""
        now = time.monotonic()
        for path in self._status.glob("*.json"):
            try:
                text = read_regular(path).decode(errors="replace")
            except OSError:
                continue  # the day has just ended
            before, since = self._seen.get(path.name, ("", now))
            if text != before:
                self._seen[path.name] = (text, now)
                continue
            # A file that no day has written is passed over.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                call = json.loads(text)
                if now - since > call["seconds"] + _SLACK_SECONDS:
                    return str(call["late"])
        return None

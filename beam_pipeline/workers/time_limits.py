"""Time limits inside of a process that builds days: whatever takes longer stops the run, with its sentence.

A thread looks for limits that have passed. It cannot end the code that is late, and it does not run at all while some
code holds the interpreter: then the supervisor of the process ends it (`daeda.process.supervision`), a little later.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.errors import Late
from daeda.storage.regular import read_regular

_LOOK_SECONDS = 0.25
# How much longer than its limit what is at work in another process may take: its own process may notice, and stops more
# gently.
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


class TimeOfOthers:
    """How long days, and calls of users' functions in them, have been at work in other processes: by the status files
    of the days, and by the clock of this process, since those of hosts differ.

    Those processes look at the clock themselves. One that hangs, or was stopped, does not.
    """

    def __init__(self, slots: SharedDaySlots, day_minutes: float) -> None:
        self._slots = slots
        self._day_minutes = day_minutes
        # By status file: its attempt and its text, each with when it was first seen.
        self._attempts: dict[str, tuple[str, float]] = {}
        self._texts: dict[str, tuple[str, float]] = {}
        self._overdue: frozenset[str] = frozenset()

    def late(self) -> str | None:
        """The sentence of what is over its limit, None where nothing is."""
        before, overdue = self._overdue, {}
        for path in self._slots.status.glob("*.json"):
            try:
                text = read_regular(path).decode(errors="replace")
            except OSError:
                continue  # the day has just ended
            # A file that no day has written is passed over.
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                status = json.loads(text)
                sentence = self._sentence(path.name, text, status)
                if sentence is not None and self._is_at_work(path.name, dt.date.fromisoformat(status["day"])):
                    overdue[path.name] = sentence
        self._overdue = frozenset(overdue)
        # At two looks: the slot of a day that was lost is another day's a moment before it has that one's name.
        return next((sentence for name, sentence in overdue.items() if name in before), None)

    def _sentence(self, name: str, text: str, status: dict[str, Any]) -> str | None:
        now = time.monotonic()
        since_attempt = _seen_since(self._attempts, name, str(status["attempt"]), now)
        since_text = _seen_since(self._texts, name, text, now)
        if "seconds" in status and now - since_text > status["seconds"] + _SLACK_SECONDS:
            return str(status["late"])
        if now - since_attempt > self._day_minutes * 60 + _SLACK_SECONDS:
            return (
                f"day {status['day']}: not done after {self._day_minutes:g} minutes, and its worker does not end it: "
                "see there, raise timeouts.day_minutes, or give the run more memory and threads"
            )
        return None

    def _is_at_work(self, name: str, day: dt.date) -> bool:
        """Whether a day is at work that is over its limit. One that was lost with its worker has left its file, and
        has all the time again when it is found there once more.
        """
        if day in self._slots.days_at_work:
            return True
        del self._attempts[name], self._texts[name]
        return False


def _seen_since(seen: dict[str, tuple[str, float]], name: str, what: str, now: float) -> float:
    """Since when a file says this."""
    if name not in seen or seen[name][0] != what:
        seen[name] = (what, now)
    return seen[name][1]

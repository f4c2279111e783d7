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

from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.errors import Late
from daeda.storage.regular import read_regular

_LOOK_SECONDS = 0.25
# How much longer than its limit what is at work in another process may take: its own process may notice, and stops more
# gently.
_SLACK_SECONDS = 5.0
# How often it is looked through all slots, for days.
_SELDOM_SECONDS = 5.0


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
    """How long days, and calls of users' functions in them, have been at work in other processes: by the slots and the
    status files of the days, and by the clock of this process, since those of hosts differ.

    Those processes look at the clock themselves. One that hangs, or was stopped, does not.
    """

    def __init__(self, slots: SharedDaySlots, day_minutes: float) -> None:
        self._slots = slots
        self._day_minutes = day_minutes
        self._looked = float("-inf")
        # Since when an attempt is at work, and since when a status file says what it says.
        self._attempts: dict[str, float] = {}
        self._texts: dict[str, tuple[str, float]] = {}
        self._overdue: frozenset[str] = frozenset()

    def late(self) -> str | None:
        """The sentence of what is over its limit, None where nothing is."""
        return self._late_day() or self._late_call()

    def _late_day(self) -> str | None:
        now = time.monotonic()
        if now - self._looked < _SELDOM_SECONDS:
            return None
        self._looked = now
        at_work = self._slots.attempts_at_work
        self._attempts = {attempt: self._attempts.get(attempt, now) for attempt in at_work}
        for attempt, since in self._attempts.items():
            if now - since > self._day_minutes * 60 + _SLACK_SECONDS:
                return (
                    f"day {at_work[attempt]}: not done after {self._day_minutes:g} minutes, and its worker does not "
                    "end it: see there, raise timeouts.day_minutes, or give the run more memory and threads"
                )
        return None

    def _late_call(self) -> str | None:
        now = time.monotonic()
        before, overdue = self._overdue, {}
        for path in self._slots.status.glob("*.json"):
            try:
                text = read_regular(path).decode(errors="replace")
            except OSError:
                continue  # the day has just ended
            said, since = self._texts.get(path.name, ("", now))
            if text != said:
                self._texts[path.name] = (text, now)
                continue
            # A file that no day has written is passed over.
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                call = json.loads(text)
                if now - since > call["seconds"] + _SLACK_SECONDS:
                    overdue[path.name] = (str(call["attempt"]), str(call["late"]))
        at_work = self._slots.attempts_at_work if overdue else {}
        # An attempt that was lost with its worker has left its file, and is over no limit.
        overdue = {name: call for name, call in overdue.items() if call[0] in at_work}
        self._overdue = frozenset(overdue)
        # At two looks: a slot has the name of a lost attempt for a moment when another day has it already.
        return next((sentence for name, (_, sentence) in overdue.items() if name in before), None)

"""Days that fail on an engine which tries again what has failed: which of them end the run, and which are tried again.

    <run>/faults/dt=D/<id>.json     how one attempt at a day ended

A fault that may be over by the next attempt is raised, so that the engine tries the day again, as often as it does. A
mistake of the user ends the run. Any other fault is tried once more, and ends the run when the same day fails in the
same way again, in too many ways, or where the disk has no room to record how. The end is recorded in the run's
directory (`SharedDaySlots.stop`), where all workers see it and end their days without an error: to an engine the job is
done, and nothing is left to try again.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
import traceback
import uuid
from dataclasses import dataclass
from pathlib import Path

from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.registry import slots_of
from daeda.dataset.layout import day_name
from daeda.errors import (
    DaedaError,
    Stopped,
    WorkerUnfit,
    deserialised,
    first_line,
    is_full,
    is_mistake,
    is_transient,
    serialised,
)
from daeda.process.messages import say
from daeda.storage.regular import read_regular

# Faults of a day, no two of them alike, after which it is not tried again. Those that may pass are not counted.
_MOST_FAULTS = 5
# How long a fault is not told: a job that is not tried again ends by it.
_TELL_SECONDS = 2.0
# What differs between two sentences about one fault: addresses, names of attempts, and counts.
_PASSING_WORDS = re.compile(r"0x[0-9a-fA-F]+|[0-9a-f]{12,}|\d+")


@dataclass(frozen=True)
class Fault:
    """How an attempt at a day ended: when, by which error, and whether that may be over by the next attempt.

    `name` tells it from all others, and `at` is by the clock of the host that had it.
    What is not an error of daeda has a `message` alone, with the traceback from where it was raised.
    """

    name: str
    day: dt.date
    at: float
    message: str
    likeness: str
    is_transient: bool
    error: DaedaError | None

    @property
    def sentence(self) -> str:
        """One line about it."""
        return str(self.error) if self.error is not None else self.message.strip().rpartition("\n")[2]


def is_tried_again(context: RunContext, day: dt.date, error: BaseException) -> bool:
    """Whether the error of an attempt is to be raised, for the engine to try the day again.

    Otherwise the day ends without an error: the run is over, by this error or by what ended it before.
    """
    run_dir = Path(context.run_dir)
    if isinstance(error, WorkerUnfit) and not run_dir.is_dir():
        return True  # nothing can be recorded from here: the driver waits for its time-out
    slots = slots_of(context)
    if isinstance(error, Stopped) or _is_over(slots):
        return False
    if not isinstance(error, Exception):
        return True  # what means an end to this process is none of the day's faults
    try:
        ends = _ends_the_run(context, day, error)
    except FileNotFoundError:
        return False  # the run has ended at this moment, and its directory is gone
    except OSError as refused:
        # Without a record nobody counts the attempts: on a disk that is full an engine would try again for ever.
        ends = is_full(refused) and not is_transient(error)
    # Where nobody else learns of the end, the engine does: a day without an error would pass for a built one.
    return not (ends and slots.stop(error))


def faults_of(faults: Path) -> list[Fault]:
    """The faults of a run, in the order of time. `faults` is their directory. Raises OSError where one cannot be read:
    a fault that is passed over would give its day one attempt more.
    """
    found = (_read(path) for path in faults.glob("dt=*/*.json"))
    return sorted((fault for fault in found if fault is not None), key=lambda fault: fault.at)


class ToldFaults:
    """What the driver of a run tells of days that failed and are tried again."""

    def __init__(self, faults: Path) -> None:
        self._faults = faults
        # By the clock of this process: those of hosts differ.
        self._seen_at: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self) -> None:
        """Tell of the faults since the last time; an engine that does not try again has ended the job by then."""
        now = time.monotonic()
        try:
            found = faults_of(self._faults)
        except OSError:
            return  # what cannot be read now is told by the next look
        for fault in found:
            if fault.name not in self._told and now - self._seen_at.setdefault(fault.name, now) > _TELL_SECONDS:
                self._told.add(fault.name)
                say(f"failed, and left to the runner to try again: {fault.sentence}")


def _is_over(slots: DaySlots) -> bool:
    try:
        slots.check()
    except Stopped:
        return True
    except OSError:
        return False  # it cannot be seen from here
    return False


def _ends_the_run(context: RunContext, day: dt.date, error: Exception) -> bool:
    """Record the fault; whether it is the last one of the run."""
    if isinstance(error, WorkerUnfit) or is_mistake(error):
        return True
    directory = context.staging.faults / day_name(day)
    # Not with its parents: the directory of a run that has ended must not come back.
    directory.mkdir(exist_ok=True)
    before = [fault for fault in faults_of(context.staging.faults) if fault.day == day and not fault.is_transient]
    _write(directory, day, error)
    if is_transient(error):
        return False
    alike = _likeness(error)
    return len(before) + 1 >= _MOST_FAULTS or any(fault.likeness == alike for fault in before)


def _likeness(error: Exception) -> str:
    return f"{type(error).__name__}: {_PASSING_WORDS.sub('#', first_line(error))}"


def _write(directory: Path, day: dt.date, error: Exception) -> None:
    known = serialised(error) if isinstance(error, DaedaError) else None
    record = {
        "day": day.isoformat(),
        "at": time.time(),
        "message": "".join(traceback.format_exception(error)),
        "likeness": _likeness(error),
        "transient": is_transient(error),
        "error": known,
    }
    path = directory / f"{uuid.uuid4().hex[:12]}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(record), "utf-8")
    fresh.replace(path)


def _read(path: Path) -> Fault | None:
    """The fault of a file; None for one that nobody of the run has written."""
    try:
        record = json.loads(read_regular(path))
        error = None if record["error"] is None else deserialised(record["error"])
        day, at = dt.date.fromisoformat(record["day"]), float(record["at"])
        return Fault(
            path.stem, day, at, str(record["message"]), str(record["likeness"]), bool(record["transient"]), error
        )
    except FileNotFoundError:
        return None  # the run has ended at this moment
    except (ValueError, KeyError, TypeError, RecursionError):
        return None

"""The days at work in this process.

Operators of a day are fused, so they run one after another in one process; the session is found by the attempt that the
handle carries.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from dataclasses import replace

import duckdb

from beam_pipeline.session.session import DaySession
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.registry import join_run
from daeda.dataset.fingerprint import operator_digests
from daeda.dataset.publish.claims import claim_days, holds
from daeda.dataset.publish.publications import publication_of
from daeda.errors import DayError, TransientDayError, first_line, is_transient, refusal
from daeda.operators.operator import OperatorModel
from daeda.process.messages import say

_sessions: dict[str, DaySession] = {}
_lock = threading.Lock()
_thread = threading.local()


def begin(context: RunContext, handle: DayHandle) -> DayHandle:
    """Begin a new attempt at a day: wait for a slot, open the session. A day that the run has published has its parts.

    Raises DayError when this thread has not ended the day before, whose slot it would wait for without an end.
    """
    _check_ended(handle)
    attempt = uuid.uuid4().hex[:12]
    slots = join_run(context)
    published = _published(context, handle, attempt)
    if published is not None:
        return published
    try:
        slots.enter(handle.day, attempt, lambda: _interrupt(attempt))
        # An attempt that was taken for lost may have published it while this one waited.
        published = _published(context, handle, attempt)
        if published is not None:
            slots.leave(attempt)
            return published
        _claim(context, handle.day, slots)
        session = DaySession(context, handle.day, attempt, slots, _forget)
    except (OSError, duckdb.Error) as error:
        slots.leave(attempt)
        reason = refusal(error) if isinstance(error, OSError) else first_line(error)
        kind = TransientDayError if is_transient(error) else DayError
        raise kind(f"day {handle.day} cannot begin: {reason}", day=handle.day) from error
    except BaseException:
        slots.leave(attempt)
        raise
    with _lock:
        _sessions[attempt] = session
    _thread.attempt = attempt
    return replace(handle, attempt=attempt)


def _published(context: RunContext, handle: DayHandle, attempt: str) -> DayHandle | None:
    there = publication_of(context.staging, "skeleton", handle.day)
    if there is None:
        return None
    directory = context.staging.layout.day_dir("skeleton", handle.day)
    return replace(handle, attempt=attempt).as_published(there.paths(directory))


def check_made_by(context: RunContext, handle: DayHandle, operator: OperatorModel) -> None:
    """Raise DayError unless the operator is one of those that made a day which the run has published already.

    An extended day has the operators that compute all of it.
    """
    if context.extending is not None:
        return
    there = publication_of(context.staging, "skeleton", handle.day)
    digests = operator_digests([operator])  # type: ignore[list-item]
    if there is not None and not digests.items() <= there.operators.items():
        raise DayError(
            f"day {handle.day}, operator '{operator.name}': the run has published this day already, by other "
            "operators: give each chain of operators a run of its own",
            day=handle.day,
        )


def session_of(handle: DayHandle) -> DaySession:
    """The session of a handle that has begun; raises DayError when another process began it."""
    with _lock:
        session = _sessions.get(handle.attempt)
    if session is None:
        raise DayError(
            f"day {handle.day}: the runner split its operators over two workers, and a day stays in one: use a runner "
            "that fuses ParDos, and put nothing that breaks fusion between the operators of a day",
            day=handle.day,
        )
    return session


def abandon_days(context: RunContext, seconds: float) -> tuple[dt.date, ...]:
    """Close the sessions that a run has left open in this process, and return their days.

    Waits up to `seconds` for operators that are at work. To be called when the pipeline has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        with _lock:
            left = [session for session in _sessions.values() if session.context.run_dir == context.run_dir]
        if not any(session.at_work for session in left) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for session in left:
        session.close()
    return tuple(sorted(session.day for session in left))


def _claim(context: RunContext, day: dt.date, slots: DaySlots) -> None:
    """A driver claims days before it starts; a day of a pipeline of one's own, or one that is repeated, does now."""
    if not holds(context.staging, "skeleton", day):
        claim_days(context.staging, [("skeleton", day)], "wait", tell=say, check=slots.check)


def _check_ended(handle: DayHandle) -> None:
    with _lock:
        before = _sessions.get(getattr(_thread, "attempt", ""))
    if before is not None:
        before.close()
        raise DayError(
            f"day {handle.day}: the day {before.day} before it has not been ended: let the chain of operators end with "
            "a Sink, and put nothing between them that breaks fusion",
            day=handle.day,
        )


def _interrupt(attempt: str) -> None:
    with _lock:
        session = _sessions.get(attempt)
    if session is not None:
        session.resources.interrupt()


def _forget(attempt: str) -> None:
    with _lock:
        _sessions.pop(attempt, None)

"""An operator of a day at work: timed, reported, and its failure turned into an error that names day and operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from beam_pipeline.session.session import DaySession
from daeda.dataset.profile import measured
from daeda.durations import seconds_since
from daeda.errors import DaedaError, DayError, TransientDayError, UserError, first_line, is_transient, refusal
from daeda.functions.loading import raised_in
from daeda.process.interrupts import check_not_stopped
from daeda.sql.unreadable import is_of_the_network, may_be_of_a_file, unreadable_file
from daeda.storage.access import without_secrets


@contextmanager
def timed(session: DaySession, operator: str, rows: int = 0) -> Iterator[None]:
    """Time an operator and report it; what goes wrong in it closes the session and is raised with day and operator."""
    session.busy = True
    started = time.perf_counter()
    try:
        session.status.report(operator, rows)
        with measured(session.meter, operator):
            yield
    except BaseException as error:
        if isinstance(error, duckdb.Error) and session.resources.arrow_columns.failures:
            # DuckDB has read a stream of Python's, and tells the text of what came up in it.
            error = session.resources.arrow_columns.failures[0]
        stopping = isinstance(error, duckdb.Error) and session.resources.stopping
        session.close()
        raised = _named(session, operator, error, stopping)
        if raised is error:
            raise
        raise raised from error
    session.record.add_seconds(operator, seconds_since(started))
    session.busy = False


def _named(session: DaySession, operator: str, error: BaseException, stopping: bool) -> BaseException:
    """What to raise for an error of an operator: the error itself where it is not foreseen, or names its day."""
    day = session.day
    begins = f"day {day}, operator '{operator}'"
    match error:
        case DayError():
            if error.day is not None:
                return error
            named = error.with_sentence(f"{begins}: {error}")
            named.day = day
            return named
        case UserError():
            # A mistake of the user is what was found before the first day; now it is a day that fails.
            return DayError(f"{begins}: {error}", day=day)
        case DaedaError():
            return error.with_sentence(f"{begins}: {error}")
        case duckdb.Error():
            if stopping:
                return DayError(f"day {day}: given up, the run is stopping", day=day)
            unreadable = _unreadable(session) if may_be_of_a_file(error) else None
            kind = TransientDayError if is_of_the_network(error) else DayError
            return kind(f"{begins}: {unreadable or _duckdb_reason(session, error)}", day=day)
        case pa.ArrowException():
            # What breaks while rows are streamed comes as an error of Arrow.
            unreadable = _unreadable(session)
            return DayError(f"{begins}: {unreadable}", day=day) if unreadable else error
        case OSError():
            unreadable = _unreadable(session) if error.errno is None else None
            kind = TransientDayError if is_transient(error) else DayError
            return kind(f"{begins}: {unreadable or refusal(error)}", day=day)
        case Exception():
            return error
        case _:
            check_not_stopped()
            # What means an end to Python, or to Beam, and was raised in the middle of a day.
            return DayError(f"{begins}: {raised_in(error)}", day=day)


def _unreadable(session: DaySession) -> str | None:
    """The sentence about the first file of the day that cannot be read, None where all can."""
    resources = session.resources
    scanned = ((files.scan, files.needed) for files in session.inputs.scanned.values())
    return unreadable_file(scanned, resources.allowed, resources.settings, resources.check)


def _duckdb_reason(session: DaySession, error: duckdb.Error) -> str:
    advice = ""
    if isinstance(error, duckdb.OutOfMemoryException):
        advice = (
            f": a day has {session.context.limits.memory_bytes >> 20} MiB here; raise "
            "compute.duckdb_config.memory_limit, lower day_workers, or give more disk to temp_directory "
            f"({session.resources.spill})"
        )
    return f"{without_secrets(first_line(error))}{advice}"

"""A day at work: its DuckDB connection, its directory, its timings, and the files that it has read.

Operators of a day are fused, so they run one after another in one process; the session is found by the attempt that the
handle carries.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from beam_pipeline.session.arrow_columns import HeldColumns
from beam_pipeline.session.check_now import check_now
from beam_pipeline.session.probe_tables import DayMoments
from beam_pipeline.session.scanned import Scanned
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.registry import join_run
from beam_pipeline.workers.time_limits import unwatch, watch
from daeda.dataset.fingerprint import operator_digests
from daeda.dataset.layout import day_name
from daeda.dataset.profile import DayProfile, Meter, measured, write_profile
from daeda.dataset.publish.claims import claim_days, holds
from daeda.durations import seconds_since
from daeda.errors import DaedaError, DayError, UserError, first_line, refusal, shortened
from daeda.functions.loading import check_not_stopped, raised_in
from daeda.operators.relational import Filter, Project, Scan
from daeda.process.messages import say
from daeda.sources.files import SourceFiles
from daeda.sources.identity import Identities, check_unchanged, files_needed, find_files
from daeda.sql.handle import Deferred, quoted_name
from daeda.sql.locked import AllowedPaths, Setting, connect
from daeda.sql.lower import SourceOperator
from daeda.sql.unreadable import may_be_of_a_file, unreadable_file
from daeda.storage.access import without_secrets
from daeda.storage.input_file import InputFile
from daeda.storage.location import Location

_sessions: dict[str, DaySession] = {}
_lock = threading.Lock()
_thread = threading.local()
_identities = Identities()
_REPORT_SECONDS = 1.0


class DaySession:
    """Everything that belongs to one attempt at one day."""

    def __init__(self, context: RunContext, day: dt.date, attempt: str, slots: DaySlots) -> None:
        self.context = context
        self.slots = slots
        self.day = day
        self.attempt = attempt
        self.work = context.staging.work / f"{day_name(day)}-{attempt}"
        # Not with its parents: the directory of a run that was taken for dead must not come back.
        self.work.mkdir()
        self.seconds: dict[str, float] = {}
        self.inputs: dict[str, tuple[InputFile, ...]] = {}
        self.digests: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        # Packages beside the usual ones that made the bytes of the day.
        self.libraries: set[str] = set()
        # By path: however often the day reads a file, it reads one state of it.
        self._identified: dict[str, InputFile] = {}
        self._listed: dict[str, SourceFiles] = {}
        self.published: tuple[Location, ...] = ()
        self.busy = False
        self._rows, self._reported, self._calling = 0, 0.0, False
        self.spill = _spill_directory(context, self.work)
        self.meter = Meter(self.spill) if context.profile else None
        self.connection = _connect(context, self.spill)
        self.moments = DayMoments()
        self.held = HeldColumns(self.connection, int(context.limits.kernel_bytes * HeldColumns.SHARE))
        # What expressions of the user are looked for in, when a statement has failed.
        self.filtered: list[tuple[Filter, Deferred]] = []
        self.projected: Project | None = None
        # By name of the Scan.
        self.scanned: dict[str, Scanned] = {}
        minutes = context.limits.day_minutes
        self._watch = watch(
            slots,
            minutes * 60,
            f"day {day}: not done after {minutes:g} minutes: raise timeouts.day_minutes, or give the run more memory "
            "and threads",
        )

    def describe(self, operator: SourceOperator) -> None:
        """Record what an operator does, for the fingerprint."""
        self.digests |= operator_digests([operator])

    def read(self, scan: Scan) -> Scanned:
        """Find and identify the files that a Scan reads for the day, and see that each of them was checked.

        Raises InputError where a file was not checked before, or has changed since, and does not fit the view; and
        DayError where one has vanished.
        """
        files = self._list_files(scan)
        checked = self.context.checked()
        gone = checked.vanished(scan, self.day, files)
        if gone:
            raise DayError(
                f"{shortened(gone, 3)} vanished after the run had begun: run again when the input is complete"
            )
        found = {path: self._identify(scan, path, files) for path in files_needed(scan, files, self.day)}
        for file in found.values():
            if not checked.covers(scan, file):
                check_now(scan, self.digests[scan.name], file, files)
        self.inputs[scan.name] = tuple(found.values())
        self.scanned[scan.name] = Scanned(scan, files, found)
        return self.scanned[scan.name]

    def _identify(self, scan: Scan, path: str, files: SourceFiles) -> InputFile:
        """The identity of a file, the same for every Scan of the day."""
        if path not in self._identified:
            self._identified[path] = _identities.of(scan.name, path, files)
        return replace(self._identified[path], operator=scan.name)

    def _list_files(self, scan: Scan) -> SourceFiles:
        """The files of a Scan. Every Scan of the day sees the same ones, whatever comes and goes meanwhile."""
        path = self.context.source_path(scan.path)
        export = self.context.exports.get(scan.view)
        # Two views of one table have an export each.
        key = export.path if export else path
        if key not in self._listed:
            found = SourceFiles(path, flat=(export.path,)) if export else None
            self._listed[key] = found or find_files(scan.path, scan.view, self.context.data_root)
        return self._listed[key]

    def inputs_shown(self) -> tuple[InputFile, ...]:
        """All inputs as the manifest lists them: an export by what was read, since its file goes with the run."""
        shown = {export.path: export.reference for export in self.context.exports.values()}
        listed = (file for name in sorted(self.inputs) for file in self.inputs[name])
        return tuple(replace(file, path=shown.get(file.path, file.path)) for file in listed)

    def check_inputs_unchanged(self) -> None:
        """Raise DayError when a file changed while the day was built."""
        check_unchanged(file for files in self.inputs.values() for file in files)

    def table(self, name: str, query: str, shared: bool = False) -> int:
        """Keep the result of a query as a table of the day, in its order, and return its rows. DuckDB spills it.

        A cursor of the connection sees the table if it is shared.
        """
        self.check()
        create = "CREATE TABLE" if shared else "CREATE TEMP TABLE"
        result = self.connection.execute(f"{create} {quoted_name(name)} AS {query}").fetchone()
        return int(result[0]) if result else 0

    def copy(self, query: str, path: Path, options: str) -> int:
        """Run a query into a Parquet file and return its rows."""
        self.check()
        target = str(path).replace("'", "''")
        result = self.connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, {options})").fetchone()
        return int(result[0]) if result else 0

    def check(self) -> None:
        """Raise Stopped when the run is stopping."""
        self.slots.check()

    def report(self, operator: str, rows: int, **more: str | float) -> None:
        """Write the status file that progress is read from. `rows` is 0 until the spine is known."""
        path = self.context.staging.status / f"{self.day.isoformat()}.json"
        fresh = path.with_suffix(f".{self.attempt}")
        fresh.write_text(
            json.dumps({"day": self.day.isoformat(), "operator": operator, "rows": rows, **more}), encoding="utf-8"
        )
        fresh.replace(path)
        self._rows, self._reported, self._calling = rows, time.monotonic(), False

    def report_call(self, operator: str, sentence: str, seconds: float) -> None:
        """Say in the status file that a function of the user is called, and what is to be said where that hangs.

        A driver reads it that has no other way to know. A file for every call would take longer than many a call.
        """
        if time.monotonic() - self._reported > _REPORT_SECONDS or not self._calling:
            self.report(operator, self._rows, late=sentence, seconds=seconds, call=time.monotonic())
            self._calling = True

    def write_profile(self) -> None:
        """Leave the profile of the day, where the run asks for one."""
        if self.meter is not None:
            profile = DayProfile(self.day, self.context.day_workers, self.meter.found)
            write_profile(self.context.staging.layout, "skeleton", profile)

    def close(self) -> None:
        """Close the connection, remove the intermediates and give the day's slot back."""
        unwatch(self._watch)
        self.connection.close()
        self.held.drop()
        # Arrow's allocator keeps what this thread has freed, and other days have threads of their own.
        pa.default_memory_pool().release_unused()
        shutil.rmtree(self.work, ignore_errors=True)
        (self.context.staging.status / f"{self.day.isoformat()}.json").unlink(missing_ok=True)
        self.slots.leave(self.attempt)
        with _lock:
            _sessions.pop(self.attempt, None)


def begin(context: RunContext, handle: DayHandle) -> DayHandle:
    """Begin a new attempt at a day: wait for a slot, open the session.

    Raises DayError when this thread has not ended the day before, whose slot it would wait for without an end.
    """
    _check_ended(handle)
    attempt = uuid.uuid4().hex[:12]
    slots = join_run(context)
    slots.enter(handle.day, attempt, lambda: _interrupt(attempt))
    try:
        _claim(context, handle.day, slots)
        session = DaySession(context, handle.day, attempt, slots)
    except (OSError, duckdb.Error) as error:
        slots.leave(attempt)
        reason = refusal(error) if isinstance(error, OSError) else first_line(error)
        raise DayError(f"day {handle.day} cannot begin: {reason}") from error
    except BaseException:
        slots.leave(attempt)
        raise
    with _lock:
        _sessions[attempt] = session
    _thread.attempt = attempt
    return replace(handle, attempt=attempt)


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
            "a Sink, and put nothing between them that breaks fusion"
        )


def abandon_days(context: RunContext, seconds: float) -> tuple[dt.date, ...]:
    """Close the sessions that a run has left open in this process, and return their days.

    Waits up to `seconds` for operators that are at work. To be called when the pipeline has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        with _lock:
            left = [one for one in _sessions.values() if one.context.run_dir == context.run_dir]
        if not any(one.busy for one in left) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for one in left:
        one.close()
    return tuple(sorted(one.day for one in left))


def session_of(handle: DayHandle) -> DaySession:
    """The session of a handle that has begun; raises DayError when another process began it."""
    with _lock:
        found = _sessions.get(handle.attempt)
    if found is None:
        raise DayError(
            f"day {handle.day}: the runner split its operators over two workers, and a day stays in one: use a runner "
            "that fuses ParDos, and put nothing that breaks fusion between the operators of a day"
        )
    return found


@contextmanager
def timed(session: DaySession, operator: str, rows: int = 0) -> Iterator[None]:
    """Time an operator, report it, and turn what goes wrong in it into a DayError that names day and operator."""
    session.busy = True
    started = time.perf_counter()
    try:
        session.report(operator, rows)
        with measured(session.meter, operator):
            yield
    except DaedaError as error:
        session.close()
        if isinstance(error, DayError) and str(error).startswith("day "):
            raise
        # A mistake of the user is what was found before the first day; now it is a day that fails.
        kind = DayError if isinstance(error, UserError) else type(error)
        raise kind(f"day {session.day}, operator '{operator}': {error}") from error
    except duckdb.Error as error:
        interrupted = session.slots.cause is not None
        session.close()
        if interrupted:
            raise DayError(f"day {session.day}: given up, the run is stopping") from error
        unreadable = _unreadable(session, operator) if may_be_of_a_file(error) else None
        raise DayError(unreadable or _duckdb_sentence(session, operator, error)) from error
    except pa.ArrowException as error:
        session.close()
        # What breaks while rows are streamed comes as an error of Arrow.
        unreadable = _unreadable(session, operator)
        if unreadable is None:
            raise
        raise DayError(unreadable) from error
    except OSError as error:
        session.close()
        unreadable = _unreadable(session, operator) if error.errno is None else None
        raise DayError(unreadable or f"day {session.day}, operator '{operator}': {refusal(error)}") from error
    except Exception:
        session.close()
        raise
    except BaseException as error:
        session.close()
        check_not_stopped()
        # What means an end to Python, or to Beam, and was raised in the middle of a day.
        raise DayError(f"day {session.day}, operator '{operator}': {raised_in(error)}") from error
    session.seconds[operator] = session.seconds.get(operator, 0.0) + seconds_since(started)
    session.busy = False


def _unreadable(session: DaySession, operator: str) -> str | None:
    """The sentence about the first file of the day that cannot be read, None where all can."""
    limits = session.context.limits
    told = unreadable_file(
        ((one.scan, one.found) for one in session.scanned.values()),
        AllowedPaths.of(session.context.places),
        {"threads": limits.threads, "memory_limit": f"{limits.duckdb_bytes}B"},
        session.check,
    )
    return f"day {session.day}, operator '{operator}': {told}" if told else None


def _duckdb_sentence(session: DaySession, operator: str, error: duckdb.Error) -> str:
    reason = without_secrets(first_line(error))
    advice = ""
    if isinstance(error, duckdb.OutOfMemoryException):
        limits = session.context.limits
        advice = (
            f": a day has {limits.memory_bytes >> 20} MiB here; raise compute.duckdb_config.memory_limit, lower "
            f"day_workers, or give more disk to temp_directory ({session.spill})"
        )
    return f"day {session.day}, operator '{operator}': {reason}{advice}"


def _interrupt(attempt: str) -> None:
    with _lock:
        session = _sessions.get(attempt)
    if session is not None:
        session.connection.interrupt()


def _spill_directory(context: RunContext, work: Path) -> Path:
    """Where DuckDB puts what does not fit: a directory of the day's own."""
    chosen = context.limits.temp_directory
    return Path(chosen) / work.name if chosen else work / "spill"


def _connect(context: RunContext, spill: Path) -> duckdb.DuckDBPyConnection:
    limits = context.limits
    config: dict[str, Setting] = {
        "threads": limits.threads,
        "memory_limit": f"{limits.duckdb_bytes}B",
        "temp_directory": str(spill),
    }
    return connect(AllowedPaths.of(context.places), config)

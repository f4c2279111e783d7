"""What a day at work takes of its process and host: DuckDB, a directory, memory for Arrow columns, and time."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pyarrow as pa

from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.cursors import Cursors
from beam_pipeline.session.spill_directory import SpillDirectory
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.time_limits import begin_time_limit, end_time_limit, time_limit
from daeda.dataset.layout import day_name
from daeda.errors import Stopped
from daeda.sql.handle import quoted_name
from daeda.sql.locked import AllowedPaths, Setting, connect


class NoRoom(Exception):
    """An operator that runs beside others needs more than its part of the memory: it is to run again, alone."""


class DayResources:
    """The resources of one attempt at one day: taken when it begins, given back by `close`.

    `work` is the directory of the day, `spill` the one for what does not fit in memory, DuckDB's and its own. `allowed`
    and `settings` are those of its connections.
    """

    def __init__(self, context: RunContext, day: dt.date, attempt: str, slots: DaySlots) -> None:
        self.limits = context.limits
        self._slots = slots
        self.work = context.staging.work / f"{day_name(day)}-{attempt}"
        # Not with its parents: the directory of a run that was taken for dead must not come back.
        self.work.mkdir()
        chosen = self.limits.temp_directory
        self._own_spill = SpillDirectory(Path(chosen), self.work.name) if chosen else None
        self.spill = self._own_spill.path if self._own_spill is not None else self.work / "spill"
        self.allowed = AllowedPaths.of(context.allowed_paths)
        self.settings: dict[str, Setting] = {
            "threads": self.limits.threads, "memory_limit": f"{self.limits.duckdb_bytes}B"
        }  # fmt: skip
        self.connection = connect(self.allowed, {**self.settings, "temp_directory": str(self.spill)})
        self._cursors = Cursors(self.connection)
        self.arrow_columns = ArrowColumns(
            self.connection, int(self.limits.engine_bytes * ArrowColumns.SHARE), self.spill, self.limits.threads
        )
        # The tables that the connection alone sees, and no cursor of it.
        self.own_tables: set[str] = set()
        self._parts: list[PartOfDay] = []
        minutes = self.limits.day_minutes
        self._day_limit = begin_time_limit(
            slots,
            minutes * 60,
            f"day {day}: not done after {minutes:g} minutes: raise timeouts.day_minutes, or give the run more memory "
            "and threads",
        )

    @property
    def engine_bytes(self) -> int:
        """Memory of the rolling engine, less what Arrow columns and operators beside take of it."""
        lent = sum(part.lent_bytes for part in self._parts)
        return self.limits.engine_bytes - self.arrow_columns.nbytes - lent

    @property
    def threads(self) -> int:
        """How many threads an operator may work with, beside those of the operators that run beside it."""
        return max(1, self.limits.threads - sum(part.lent_bytes > 0 for part in self._parts))

    @property
    def stopping(self) -> bool:
        """Whether the run is stopping."""
        return self._slots.cause is not None

    def check(self) -> None:
        """Raise Stopped when the run is stopping."""
        self._slots.check()

    def interrupt(self) -> None:
        """End the statements that the day runs now, in whichever thread."""
        self._cursors.interrupt()
        for part in tuple(self._parts):
            part.interrupt()

    def part(self, engine_bytes: int, arrow_bytes: int) -> PartOfDay:
        """Lend so much memory, for the engine and for columns of Arrow, to an operator that runs beside others."""
        part = PartOfDay(self, engine_bytes, arrow_bytes)
        self._parts.append(part)
        self.arrow_columns.lend(arrow_bytes)
        return part

    def take_back(self, part: PartOfDay) -> None:
        """Have the memory again, when the operator has ended."""
        self._parts.remove(part)
        self.arrow_columns.lend(-part.arrow_columns.limit)
        part.close()

    def need_all_memory(self) -> None:
        """Raise NoRoom where an operator has a part of the memory alone, and would spill with less than there is."""

    def beside(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor of the connection, which an interrupt of the day reaches."""
        return self._cursors.beside()

    def time_limit(self, seconds: float, sentence: str) -> AbstractContextManager[None]:
        """Stop the run with this sentence when the block takes longer."""
        return time_limit(self._slots, seconds, sentence)

    def table(self, name: str, query: str, shared: bool = False) -> int:
        """Keep the result of a query as a table of the day, in its order, and return its rows. DuckDB spills it.

        A cursor of the connection sees the table if it is shared.
        """
        self.check()
        if not shared:
            self.own_tables.add(name)
        create = "CREATE TABLE" if shared else "CREATE TEMP TABLE"
        result = self.connection.execute(f"{create} {quoted_name(name)} AS {query}").fetchone()
        return int(result[0]) if result else 0

    def copy(self, query: str, path: Path, options: str, connection: duckdb.DuckDBPyConnection | None = None) -> int:
        """Run a query into a Parquet file, in a cursor of the connection where one is given, and return its rows."""
        self.check()
        target = str(path).replace("'", "''")
        used = self.connection if connection is None else connection
        result = used.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, {options})").fetchone()
        return int(result[0]) if result else 0

    def close(self) -> None:
        """Close the connection and remove the intermediates."""
        end_time_limit(self._day_limit)
        self.connection.close()
        self.arrow_columns.drop()
        # Arrow's allocator keeps what this thread has freed, and other days have threads of their own.
        pa.default_memory_pool().release_unused()
        if self._own_spill is not None:
            self._own_spill.close()
        shutil.rmtree(self.work, ignore_errors=True)


class PartOfDay(DayResources):
    """What an operator has that runs in a thread of its own, beside others of the day: a cursor, and some memory.

    `lent_bytes` is the memory of its engine. What it puts into its Arrow columns is no column of the day yet.
    """

    def __init__(self, day: DayResources, engine_bytes: int, arrow_bytes: int) -> None:
        self.limits, self.work, self.spill = day.limits, day.work, day.spill
        self.allowed, self.settings = day.allowed, day.settings
        self._slots = day._slots
        self.lent_bytes = engine_bytes
        self.connection = day.connection.cursor()
        self._cursors = Cursors(self.connection)
        self.arrow_columns = ArrowColumns(self.connection, arrow_bytes, self.spill)
        self.own_tables = set()
        self._parts = []
        self._given_up = threading.Event()

    @property
    def engine_bytes(self) -> int:
        """Memory of the rolling engine, less what Arrow columns take of it."""
        return self.lent_bytes - self.arrow_columns.nbytes

    @property
    def threads(self) -> int:
        """Its own."""
        return 1

    def check(self) -> None:
        """Raise Stopped when the run is stopping, or nobody wants the result any more."""
        super().check()
        if self._given_up.is_set():
            raise Stopped("given up: another operator of the day has failed")

    def give_up(self) -> None:
        """Have the operator end: nobody wants what it makes."""
        self._given_up.set()
        self.interrupt()

    def need_all_memory(self) -> None:
        """Raise NoRoom: the operator runs again when all of the memory is free."""
        raise NoRoom

    def close(self) -> None:
        """Close the cursor."""
        self.connection.close()

"""What a day at work takes of its process and host: DuckDB, a directory, memory for Arrow columns, and time."""

from __future__ import annotations

import datetime as dt
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pyarrow as pa

from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.cursors import Cursors
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.time_limits import begin_time_limit, end_time_limit, time_limit
from daeda.dataset.layout import day_name
from daeda.sql.handle import quoted_name
from daeda.sql.locked import AllowedPaths, Setting, connect


class DayResources:
    """The resources of one attempt at one day: taken when it begins, given back by `close`.

    `work` is the directory of the day, `spill` the one in which DuckDB puts what does not fit in memory. `allowed` and
    `settings` are those of its connections.
    """

    def __init__(self, context: RunContext, day: dt.date, attempt: str, slots: DaySlots) -> None:
        self.limits = context.limits
        self._slots = slots
        self.work = context.staging.work / f"{day_name(day)}-{attempt}"
        # Not with its parents: the directory of a run that was taken for dead must not come back.
        self.work.mkdir()
        chosen = self.limits.temp_directory
        self.spill = Path(chosen) / self.work.name if chosen else self.work / "spill"
        self.allowed = AllowedPaths.of(context.allowed_paths)
        self.settings: dict[str, Setting] = {
            "threads": self.limits.threads, "memory_limit": f"{self.limits.duckdb_bytes}B"
        }  # fmt: skip
        self.connection = connect(self.allowed, {**self.settings, "temp_directory": str(self.spill)})
        self._cursors = Cursors(self.connection)
        self.arrow_columns = ArrowColumns(self.connection, int(self.limits.engine_bytes * ArrowColumns.SHARE))
        minutes = self.limits.day_minutes
        self._day_limit = begin_time_limit(
            slots,
            minutes * 60,
            f"day {day}: not done after {minutes:g} minutes: raise timeouts.day_minutes, or give the run more memory "
            "and threads",
        )

    @property
    def engine_bytes(self) -> int:
        """Memory of the rolling engine, less what Arrow columns take of it."""
        return self.limits.engine_bytes - self.arrow_columns.nbytes

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
        shutil.rmtree(self.work, ignore_errors=True)

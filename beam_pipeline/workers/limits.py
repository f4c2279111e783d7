"""What one day at work may use, and how long it may take to stop."""

from __future__ import annotations

from dataclasses import dataclass

from daeda.errors import DaedaError, Interrupted, Late, Stopped
from daeda.process.host import probe_host, skeleton_memory

# An interrupted statement of DuckDB returns in well under a second; a rolling engine looks between two chunks.
STOP_SECONDS = 60.0
# Whoever sent a signal waits no longer for the end of the whole run than `daeda.process.supervision` says.
_INTERRUPTED_SECONDS = 3.0


@dataclass(frozen=True)
class DayLimits:
    """What one day at work may use: memory, threads and time. They never change the bytes that come out."""

    memory_bytes: int
    threads: int
    temp_directory: str
    rolling_chunk_rows: int = 1_000_000
    udf_chunk_rows: int = 8_192
    function_seconds: float = 600.0
    day_minutes: float = 240.0
    storage_seconds: float = 120.0

    # The share of the rolling engine in the memory of a day; DuckDB has the rest.
    ENGINE_SHARE = 0.4

    @property
    def engine_bytes(self) -> int:
        """Memory of the rolling engine."""
        return int(self.memory_bytes * self.ENGINE_SHARE)

    @property
    def duckdb_bytes(self) -> int:
        """Memory of DuckDB."""
        return self.memory_bytes - self.engine_bytes


def limits_of_a_day(day_workers: int, memory_bytes: int | None, threads: int | None, temp_directory: str) -> DayLimits:
    """The share of one day in what a run may use; what is None is taken from this host."""
    host = probe_host()
    return DayLimits(
        memory_bytes=skeleton_memory(memory_bytes, host).nbytes // day_workers,
        threads=max(1, (threads or host.cores) // day_workers),
        temp_directory=temp_directory,
    )


def stop_seconds(cause: BaseException | None) -> float:
    """How long days at work may take to stop. One that has had its time already gets no more."""
    return _INTERRUPTED_SECONDS if isinstance(cause, Interrupted | Late) else STOP_SECONDS


def root_cause(cause: BaseException | None, stopped: bool) -> DaedaError | None:
    """The error to raise for what stopped a run, whose days have `stopped` in time; None where it was not foreseen."""
    if not isinstance(cause, DaedaError) or isinstance(cause, Stopped):
        return None
    late = "" if stopped else f" (a day did not stop within {stop_seconds(cause):.0f} s)"
    return cause.with_sentence(f"{cause}{late}")

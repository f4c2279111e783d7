"""Operators of a day that run beside others, each in a thread of its own, until the chain needs what they make.

DuckDB answers a cursor beside the connection of the day, and what is computed in Python is computed by numpy, Arrow and
Polars, outside of Python's lock for the most part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from beam_pipeline.session.resources import DayResources, PartOfDay
from daeda.operators.temporal import WindowOperator
from daeda.sql.handle import ColumnTable
from daeda.sql.lower import Handle

# At most, however many threads a day has: each has its share in the memory.
_MOST = 7
# One that does not end when it is given up is left behind after so long: its process ends when it does.
_CLOSE_SECONDS = 60.0
# An interrupt that comes between two statements ends neither, so it is told again.
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Started:
    """An operator at work, with its inputs. `table` is where its columns will be; `future` holds where they are."""

    operator: WindowOperator
    inputs: tuple[Handle, ...]
    table: ColumnTable
    part: PartOfDay
    future: Future[ColumnTable]


class StartedOperators:
    """The operators of one day that were started and whose columns the day does not have yet, in their order."""

    def __init__(self, resources: DayResources) -> None:
        self._resources = resources
        self._most = min(resources.limits.threads - 1, _MOST)
        self._threads: ThreadPoolExecutor | None = None
        self._started: list[Started] = []

    def __iter__(self) -> Iterator[Started]:
        return iter(tuple(self._started))

    @property
    def at_work(self) -> bool:
        """Whether one of them has not ended."""
        return any(not started.future.done() for started in self._started)

    @property
    def part_bytes(self) -> int:
        """The memory of the engine of each, half of all for all of them; 0 where a further one may not start."""
        at_work = sum(not started.future.done() for started in self._started)
        return self._resources.limits.engine_bytes // (2 * self._most) if at_work < self._most else 0

    def start(
        self,
        operator: WindowOperator,
        inputs: tuple[Handle, ...],
        table: ColumnTable,
        work: Callable[[PartOfDay], ColumnTable],
    ) -> None:
        """Have the work done in a thread of its own: it gives the table in which it has put its columns."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._most, "daeda-operator")
        part = self._resources.part(self.part_bytes, self._resources.arrow_columns.room // (self._most + 1))

        def run() -> ColumnTable:
            try:
                return work(part)
            finally:
                # What it has worked with is free again; its columns have a share of their own.
                part.lent_bytes = 0

        self._started.append(Started(operator, inputs, table, part, self._threads.submit(run)))

    def wait(self) -> None:
        """Wait until all have ended: the memory that they work with is free then."""
        wait([started.future for started in self._started])

    def finish(self, started: Started) -> ColumnTable:
        """Wait for an operator and put its columns into the day; raises what it has raised."""
        # Where this is interrupted, the operator stays among those that `close` ends: its thread has its cursor.
        wait([started.future])
        self._started.remove(started)
        try:
            table = started.future.result()
            columns = started.part.arrow_columns.get(table.name)
        finally:
            self._resources.take_back(started.part)
        assert columns is not None
        self._resources.arrow_columns.add(table.name, columns)
        return table

    def close(self) -> None:
        """End those that are at work."""
        until = time.monotonic() + _CLOSE_SECONDS
        while self.at_work and time.monotonic() < until:
            for started in self._started:
                if not started.future.done():
                    started.part.give_up()
            wait([started.future for started in self._started], _AGAIN_SECONDS)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for started in self:
            if started.future.done():
                self._started.remove(started)
                self._resources.take_back(started.part)

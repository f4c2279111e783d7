"""Several results of DuckDB at once: all of their rows, the error of any, and no thread that is left."""

from __future__ import annotations

import gc
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from beam_pipeline.history.streams import stream_of
from beam_pipeline.session.cursors import Cursors
from daeda.errors import Stopped

ENDLESS = "SELECT range AS a, 'text' AS b FROM range(1_000_000_000_000)"


@dataclass(frozen=True)
class Resources:
    """What a stream needs of the resources of a day."""

    connection: duckdb.DuckDBPyConnection
    stopping: list[bool] = field(default_factory=list)
    cursors: Cursors = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cursors", Cursors(self.connection))

    def check(self) -> None:
        if self.stopping:
            raise Stopped("the run is stopping")

    def beside(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self.cursors.beside()


@pytest.fixture
def resources() -> Iterator[Any]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield Resources(connection)
        assert reading() == [], "a thread is left"


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("history")]


def rows(first: int, count: int) -> str:
    return f"SELECT range AS a, 'text ' || range AS b FROM range({first}, {first + count})"


@pytest.mark.parametrize("sizes", [[5], [0], [0, 0], [3, 4], [70_000, 0, 1], [300_000, 200_000, 100_000, 50_000]])
@pytest.mark.parametrize("batch_rows", [1_000, 122_880])
def test_all_rows_come_once(sizes: list[int], batch_rows: int, resources: Any) -> None:
    stream = stream_of(resources, [rows(number * 1_000_000, size) for number, size in enumerate(sizes)], batch_rows)
    table = pa.Table.from_batches(stream.batches, schema=stream.schema)
    assert table.schema == pa.schema({"a": pa.int64(), "b": pa.string()})
    expected = [number * 1_000_000 + row for number, size in enumerate(sizes) for row in range(size)]
    assert sorted(table.column("a").to_pylist()) == expected
    assert Counter(table.column("b").to_pylist()) == Counter(f"text {row}" for row in expected)


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM nowhere",
        "SELECT CAST(b AS BIGINT) AS a, b FROM (SELECT if(range < 200_000, '1', 'x') AS b FROM range(200_001))",
    ],
)
def test_an_error_of_any_is_raised(failing: int, query: str, resources: Any) -> None:
    """Also beside one that would go on for ever."""
    queries = [ENDLESS, ENDLESS]
    queries[failing] = query
    with pytest.raises(duckdb.Error, match=r"nowhere|Could not convert string 'x'"):
        for _ in stream_of(resources, queries, 1_000).batches:
            pass


# Gives no row for hours.
SILENT = "SELECT range AS a, 'text' AS b FROM range(1_000_000_000_000) WHERE range % 7 = 8"


def test_an_error_ends_one_that_gives_nothing(resources: Any) -> None:
    began = time.monotonic()
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        stream_of(resources, [SILENT, "SELECT a, b FROM nowhere"], 1_000)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("queries", [[ENDLESS, ENDLESS], [ENDLESS, SILENT], [ENDLESS]])
def test_one_that_is_closed_has_ended(queries: list[str], resources: Any) -> None:
    stream = stream_of(resources, queries, 1_000)
    next(stream.batches)
    stream.close()
    assert reading() == []
    assert list(stream.batches) == []
    # The connection is free.
    assert resources.connection.execute("SELECT 1").fetchall() == [(1,)]


def test_one_that_nobody_has_ends(resources: Any) -> None:
    stream = stream_of(resources, [ENDLESS, ENDLESS], 1_000)
    assert next(stream.batches).num_rows in (0, 1_000)
    next(stream.batches)
    assert len(reading()) == 2
    del stream
    gc.collect()
    assert reading() == []


def test_one_of_its_own_threads_may_end_it(resources: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the collector of garbage does, which runs in any thread."""
    put, collected = queue.Queue.put, threading.Event()
    streams: list[Any] = []

    def put_and_collect(self: Any, *given: Any, **more: Any) -> None:
        if streams and threading.current_thread().name.startswith("history"):
            streams.clear()
            gc.collect()
            collected.set()
        put(self, *given, **more)

    monkeypatch.setattr(queue.Queue, "put", put_and_collect)
    stream = stream_of(resources, [ENDLESS, ENDLESS], 1_000)
    next(stream.batches)
    streams.append(stream)
    del stream
    assert collected.wait(60)
    until = time.monotonic() + 60
    while reading() and time.monotonic() < until:
        time.sleep(0.01)
    assert reading() == []


def test_an_interrupt_of_the_day_ends_it(resources: Any) -> None:
    began = time.monotonic()

    def stop() -> None:
        resources.stopping.append(True)
        resources.cursors.interrupt()

    timer = threading.Timer(0.5, stop)
    timer.start()
    # A day says of both that it was given up.
    with pytest.raises((Stopped, duckdb.InterruptException)):
        list(stream_of(resources, [SILENT, SILENT], 1_000).batches)
    timer.join()
    assert time.monotonic() - began < 60

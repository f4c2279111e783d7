"""Tasks that find long lists are not at work beside each other without memory for what they find."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.day import rolling
from beam_pipeline.day.task_share import share_of
from beam_pipeline.history.chunk import Chunk
from beam_pipeline.windows.contract import History, Probes
from daeda.durations import Duration
from daeda.operators.temporal import Aggregate
from tests.beam_pipeline.day.one_day import NOON, Case, in_the_product

ENGINES = ("duckdb", "polars")
ENTITIES, ROWS, PROBES = 16, 100, 200
UNBOUNDED = Duration.parse("unbounded")


class AtWork:
    """How many batches were computed at once; each takes a while longer than it has to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._table = rolling._table
        monkeypatch.setattr(rolling, "_table", self.table)

    def table(self, *given: Any) -> pa.Table:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(0.02)
            return self._table(*given)
        finally:
            with self._lock:
                self._now -= 1


def case(kind: str, engine: str) -> Case:
    """Of each entity 100 rows and 200 probes, a chunk by itself: lists have 160 kB, which is nothing for a history."""
    most = ROWS if kind == "list" else None
    wanted = Aggregate(name="found", kind=kind, column="v", window=UNBOUNDED, max_length=most)
    right = [{"k": e, "then": NOON - 1_000 * n, "v": n} for e in range(ENTITIES) for n in range(1, ROWS + 1)]
    left = [{"k": e, "now": NOON} for e in range(ENTITIES) for _ in range(PROBES)]
    return Case({"k": "int64"}, {"v": "int64"}, (wanted,), left, right, engine=engine, chunk_rows=ROWS, threads=8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("kind", "fewest", "most"), [("sum", 2, 8), ("list", 1, 3)])
def test_as_many_are_at_work_as_there_is_memory_for_results(
    engine: str, kind: str, fewest: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    given = case(kind, engine)
    expected = in_the_product(replace(given, threads=1), tmp_path, connection)
    work = AtWork(monkeypatch)
    # 2 MB for the engine: half of it is for three results of lists, each twice, and for many sums.
    found = in_the_product(given, tmp_path, connection, memory_bytes=5_000_000)
    assert found.equals(expected)
    assert fewest <= work.most <= most


def test_lists_count_by_the_rows_that_there_are() -> None:
    history = History(np.array([0, 1, 1, 1]), np.zeros(4, np.int64), {"v": pa.array([1, 2, 3, 4])}, None)
    chunk = Chunk(history, 0.25)
    probes = Probes(np.array([0, 1, 1, 2**63 - 1]), np.zeros(4, np.int64))
    a_list = Aggregate(name="v", kind="list", column="v", window=UNBOUNDED, max_length=2)
    # Lists of 1, 2, 2 and no values, and 64 bytes for each probe.
    assert share_of(chunk, probes, [a_list], 2_000) == 0.25 + (4 * 64 + 2 * 8 * 5) / 1_000
    counted = Aggregate(name="n", kind="count", window=UNBOUNDED)
    assert share_of(chunk, probes, [counted], 2_000) == 0.25 + (4 * 64 + 2 * 8 * 4) / 1_000
    nobody = Probes(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert share_of(chunk, nobody, [a_list, counted], 2_000) == 0.25

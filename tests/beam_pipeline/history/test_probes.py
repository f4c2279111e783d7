"""The probes of a day, read in batches beside the history."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from beam_pipeline.history.probes import NOBODY, ProbeBatch, ProbeStream, probe_stream
from beam_pipeline.session.probe_tables import ProbeTables
from beam_pipeline.windows.contract import Probes
from daeda.sql.locked import connect


def stream_of(entities: list[int], batch: int, limit: int) -> ProbeStream:
    whole = ProbeBatch(np.arange(len(entities)), Probes(np.array(entities, dtype=np.int64), np.arange(len(entities))))
    batches = [whole.between(first, first + batch) for first in range(0, len(entities), batch)]
    return ProbeStream(iter(batches), len(entities), limit)


def entities_of(batches: list[ProbeBatch]) -> list[list[int]]:
    return [batch.probes.entity.tolist() for batch in batches]


def test_a_piece_holds_whole_entities() -> None:
    stream = stream_of([0, 0, 1, 2, 2, 2, 3, 5], batch=2, limit=3)
    assert entities_of(list(stream.through(2))) == [[0, 0, 1], [2, 2, 2]]
    assert entities_of(list(stream.through(4))) == [[3]]
    assert entities_of(list(stream.through(NOBODY))) == [[5]]


def test_an_entity_is_not_cut_however_many_rows_it_has() -> None:
    stream = stream_of([0, *[1] * 40, 2], batch=2, limit=4)
    assert entities_of(list(stream.through(NOBODY))) == [[0], [*[1] * 40, 2]]


def test_nobody_is_cut_anywhere() -> None:
    batches = list(stream_of([0, *[NOBODY] * 10], batch=2, limit=4).through(NOBODY))
    assert [len(batch) for batch in batches] == [4, 4, 3]


def test_a_day_without_rows_is_one_empty_batch() -> None:
    assert entities_of(list(ProbeStream(iter(()), 0, 4).through(NOBODY))) == [[]]


@pytest.mark.parametrize("limit", [1, 7, 5_000, 1_000_000])
def test_every_row_is_read_once_while_the_connection_streams_something_else(limit: int) -> None:
    rows = 20_000
    with connect() as connection:
        connection.execute(
            "CREATE TABLE probes AS SELECT range AS __row, range // 30 AS __entity, range % 30 AS __time "
            f"FROM range({rows}) WHERE range % 1000 <> 0 ORDER BY 2, 3, 1"
        )
        tables = ProbeTables("entities", "probes", rows - rows // 1000)
        history = connection.execute("SELECT range FROM range(500000)").to_arrow_reader(10_000)
        seen = history.read_next_batch().num_rows
        with probe_stream(connection.cursor(), tables, rows, 2048, limit) as probes:
            batches = [batch for last in (3, 300, NOBODY) for batch in probes.through(last)]
        seen += sum(batch.num_rows for batch in history)
    assert seen == 500_000
    assert sorted(np.concatenate([batch.rows for batch in batches]).tolist()) == list(range(rows))
    entity = np.concatenate([batch.probes.entity for batch in batches])
    assert (np.diff(entity) >= 0).all()
    assert (entity == NOBODY).sum() == rows // 1000
    known = [batch.probes.entity for batch in batches if len(batch) and batch.probes.entity[0] != NOBODY]
    assert all(left[-1] < right[0] for left, right in pairwise(known))

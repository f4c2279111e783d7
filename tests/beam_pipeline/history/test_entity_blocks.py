"""Blocks of entities are taken together as far as there is memory for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.history import entity_blocks
from beam_pipeline.history.entity_blocks import EntityBlocks, Unfinished
from daeda.sql.statements import ENTITY, TIME
from daeda.sql.streamed import Stream

ENTITIES = 6_400
ROW_BYTES = 1_000
ALL_BYTES = ENTITIES * ROW_BYTES


def shares(directory: Path, entity: list[int], engine_bytes: int, chunk_rows: int = 1_000_000) -> list[range] | None:
    """Those of a history with these entities, in blocks of a hundred; each row has ROW_BYTES and a little more."""
    rows = pa.table({ENTITY: entity, TIME: [0] * len(entity), "text": ["x" * ROW_BYTES] * len(entity)})
    with EntityBlocks(directory, ENTITIES, 64) as blocks:
        reader = rows.to_reader(1_000)
        blocks.fill(Unfinished([], Stream(reader.schema, (batch for batch in reader))), 1 << 20, 1)
        taken = blocks.shares(engine_bytes, 3, chunk_rows)
        if taken is not None:
            found = [share.rows.entity + share.first for share in blocks.read(taken)]
            assert np.concatenate(found).tolist() == sorted(entity)
        return taken


def test_many_entities_of_one_wide_row_are_not_taken_at_once(tmp_path: Path) -> None:
    """An entity of one row always fits; a million of them do not."""
    taken = shares(tmp_path, list(range(ENTITIES)), ALL_BYTES // 2)
    assert taken is not None
    assert [len(blocks) for blocks in taken] == [7] * 9 + [1]
    assert 7 * 100 * ROW_BYTES < ALL_BYTES // 2 // 4


def test_blocks_that_fit_are_taken_up_to_the_rows_of_a_chunk(tmp_path: Path) -> None:
    assert shares(tmp_path, list(range(ENTITIES)), 10 * ALL_BYTES) == [range(64)]
    taken = shares(tmp_path, list(range(ENTITIES)), 10 * ALL_BYTES, chunk_rows=1_000)
    assert taken == [*(range(first, first + 10) for first in range(0, 60, 10)), range(60, 64)]


def test_a_block_that_does_not_fit_is_not_taken(tmp_path: Path) -> None:
    block = 100 * ROW_BYTES
    assert shares(tmp_path, list(range(ENTITIES)), 2 * block) is None
    assert shares(tmp_path, list(range(ENTITIES)), 3 * block) == [range(block, block + 1) for block in range(64)]


def test_an_entity_that_does_not_fit_is_not_taken(tmp_path: Path) -> None:
    one = [7] * 1_000
    assert shares(tmp_path, one, 3 * len(one) * ROW_BYTES) is None
    assert shares(tmp_path, one, 6 * len(one) * ROW_BYTES) == [range(1)]


def test_text_of_blocks_that_are_taken_together_fits_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_blocks, "MOST_BYTES", 350 * ROW_BYTES)
    taken = shares(tmp_path, list(range(ENTITIES)), 10 * ALL_BYTES)
    assert taken is not None
    assert {len(blocks) for blocks in taken} == {3, 1}
    monkeypatch.setattr(entity_blocks, "MOST_BYTES", 50 * ROW_BYTES)
    assert shares(tmp_path, list(range(ENTITIES)), 10 * ALL_BYTES) is None

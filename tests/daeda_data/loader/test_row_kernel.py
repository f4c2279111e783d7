"""Rows of matrices by machine code: those that numpy takes, and nothing from outside of a chunk."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daeda_data.loader import row_kernel
from daeda_data.loader.machine_code import Code
from daeda_data.loader.row_kernel import Sources
from tests.budget import examples
from tests.daeda_data.loader.made import publish


@pytest.fixture
def code() -> Code:
    found = row_kernel.kernel()
    assert found is not None, "llvmlite is part of [dev]"
    return found


@pytest.mark.parametrize("kind", [np.bool_, np.float16, np.int32, np.float64])
def test_rows_are_those_of_their_chunks(kind: Any, code: Code) -> None:
    choice = random.Random(str(kind))
    for _ in range(examples(300)):
        width = choice.choice([1, 3, 32, 100])
        chunks = [np.arange(choice.randint(1, 200)).astype(kind) for _ in range(choice.randint(1, 5))]
        rows = choice.randint(0, 30)
        alone = len(chunks) == 1
        numbers = np.array([choice.randrange(len(chunks)) for _ in range(rows)], np.uint16)
        counts = np.array([choice.randint(0, min(width, len(chunks[number]))) for number in numbers], np.int64)
        starts = np.array(
            [choice.randint(0, len(chunks[number]) - count) for number, count in zip(numbers, counts, strict=True)],
            np.int64,
        )
        out = np.full((rows, width), 1, kind)
        row_kernel.copy_rows(code, Sources.of(chunks), None if alone else numbers, starts, counts, out)
        for row, (number, start, count) in enumerate(zip(numbers, starts, counts, strict=True)):
            assert out[row, :count].tolist() == chunks[number][start : start + count].tolist()
            assert not out[row, count:].any()


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1), (0, 5), (1, 4), (4, 1), ((1 << 63) - 1, 1)])
def test_what_a_chunk_does_not_have_is_not_read(start: int, count: int, code: Code) -> None:
    chunks = [np.zeros(100), np.zeros(4)]
    where = np.array([0, start]), np.array([1, count])
    with pytest.raises(IndexError, match="a row has items that its chunk does not have"):
        row_kernel.copy_rows(code, Sources.of(chunks), np.array([0, 1]), *where, np.empty((2, 4)))


def test_batches_are_the_same_by_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = publish(tmp_path, [[9, 2], [0], [5], [30, 7]])

    def epoch(seed: int | None, pad: Any) -> list[Any]:
        columns = ["row", "seen", "vector", "visits"]
        found = []
        for batch in data.batches(4, seed, columns=columns, window_rows=25, pad=pad):
            parts = [batch.arrays, batch.masks, batch.lengths, batch.offsets, batch.present]
            found.append([(name, one.dtype, one.tobytes()) for part in parts for name, one in part.items()])
        return found

    settings = [(seed, pad) for seed in (None, 1) for pad in ({}, {"seen": 3, "visits": 2}, {"vector": 4})]
    by_code = [epoch(*one) for one in settings]
    monkeypatch.setattr(row_kernel, "kernel", lambda: None)
    assert [epoch(*one) for one in settings] == by_code

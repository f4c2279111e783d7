"""The comparison of writers, at a tiny size: it sees whether what was written is what was given."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from bench import vector_pages


def run(result: Path) -> int:
    return vector_pages.main(["--rows", "70", "--dimension", "33", "--rounds", "1", "--result", str(result)])


def test_both_writers_are_compared(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    assert run(result) == 0
    found = json.loads(result.read_text())
    assert found["equal"]
    assert set(found["cpu_seconds"]) == {"pyarrow", "pages"}


def test_vectors_that_differ_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def another(vectors: pa.ListArray, dimension: int) -> bytes:
        return vector_pages.by_pyarrow(vectors.take(pa.array(range(len(vectors) - 1, -1, -1))), dimension)

    monkeypatch.setattr(vector_pages, "by_pages", another)
    assert run(tmp_path / "result.json") == 1

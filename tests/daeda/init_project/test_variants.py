"""Small files of every kind: each becomes a project that accounts for all rows, or one sentence; none is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main
from tests.daeda.init_project.test_quiet_mistakes import project_of
from tests.daeda.init_project.variants import VARIANTS


def test_there_are_many_of_them() -> None:
    assert len(VARIANTS) >= 250


@pytest.mark.some(16)
@pytest.mark.parametrize("name", VARIANTS)
def test_no_row_is_lost(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = VARIANTS[name]
    path, made = one.write(tmp_path / "in"), tmp_path / "made"
    code = main(["init", str(made), "--from", str(path), "--yes", "--no-build"])
    said = capfd.readouterr().err
    assert "Traceback" not in said
    if code == 2:
        assert one.refused, said
        assert not made.exists()
        assert said.splitlines()[-1].startswith("error: ")
        return
    project_of(made)
    data = made / "data"
    files = [file for file in data.rglob("*.parquet") if file.parent.name != "_rejected"] if data.exists() else [path]
    kept = [json.loads(line) for file in data.rglob("_rejected/*.jsonl") for line in file.read_text().splitlines()]
    assert all(row["line"] and row["reason"] for row in kept)
    assert sum(pq.read_metadata(file).num_rows for file in files) + len(kept) == one.rows
    assert len(kept) >= one.aside
    assert code == (1 if kept else 0)

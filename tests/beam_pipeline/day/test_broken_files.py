"""A file whose footer is whole and whose pages are broken is named, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_pipeline.command import main
from tests.projects import TinyProject

SPINE, HISTORY = "events/dt=2024-01-02/part-0.parquet", "events/dt=2024-01-01/part-0.parquet"
LOOKED_UP, STATIC = "prices/dt=2024-01-02/part-0.parquet", "items.parquet"


def break_pages(path: Path) -> None:
    """Header, footer and size stay; the pages are gone."""
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    path.write_bytes(whole[:4] + bytes(footer - 4) + whole[footer:])


@pytest.mark.some(1, cases=8)
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("name", [SPINE, HISTORY, LOOKED_UP, STATIC])
def test_a_file_with_broken_pages_is_named(
    engine: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = TinyProject(tmp_path).without("item_vector")
    project.runtime |= {"compute": {"engine": engine}, "feed_end": "2024-01-02"}
    project.write().write_data()
    path = tmp_path / "data" / name
    break_pages(path)
    monkeypatch.chdir(tmp_path)
    code = main([])
    said = capsys.readouterr().err
    assert f"{path} cannot be read (" in said
    assert said.rstrip().endswith("): write it again")
    assert code == (2 if name == STATIC else 1)
    assert not list(tmp_path.glob("output/ranking/skeleton/dt=*"))

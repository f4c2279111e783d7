"""A view of one file is told by check, and by plan where its growth made days stale; a partitioned one never is."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main
from tests.projects import TinyProject

SENTENCE = (
    "view 'events' has no dt= partitions, so that every day reads all of it and is stale whenever it grows: "
    "`daeda import` makes partitions of it, of which a grown file changes the last ones alone"
)


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    main([*words, "--json"])
    return list(json.loads(capsys.readouterr().out)["notes"])


def test_one_file_is_told_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    project = TinyProject(tmp_path).without_enrichment()
    project.write().write_data(flat=True)
    assert main(["train", "--yes"]) == 0
    assert [note for note in answered(capsys, "check") if note.endswith(SENTENCE)]
    assert not [note for note in answered(capsys, "plan") if "daeda import" in note]
    [path] = sorted((tmp_path / "data/events").glob("*.parquet"))
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    [told] = [note for note in answered(capsys, "plan") if "daeda import" in note]
    assert told == f"feature_views/events.yaml:{told.split(':')[1]}: {SENTENCE}"


def test_partitions_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    TinyProject(tmp_path).without_enrichment().write().write_data()
    assert not [note for note in answered(capsys, "check") if "view 'events'" in note]

"""compile, explain and the hand-edited pipeline, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main
from tests.daeda.cli.test_bad_input import edit_pipeline, everything_below
from tests.projects import TinyProject, moment

GENERATED = "config/pipelines/ranking.generated.yaml"
EDITED = "config/pipelines/ranking.yaml"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without an enrichment, and the working directory."""
    project = TinyProject(tmp_path).without("item_vector")
    project.data["events"] = [*project.data["events"], (1, 12, moment("02 10:00"), 6.0)]
    project.write().write_data()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_compile_writes_the_pipeline_and_echoes_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "compile", "ranking"]) == 0
    told = capsys.readouterr()
    assert told.out == (root / GENERATED).read_text(encoding="utf-8")
    assert told.err == f"written to {GENERATED}\n"
    assert main(["pipeline", "compile", "ranking"]) == 0
    assert capsys.readouterr().out == told.out


def test_compile_can_write_elsewhere_or_nowhere(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything_below(root)
    assert main(["pipeline", "compile", "ranking", "--no-write"]) == 0
    echoed = capsys.readouterr()
    assert echoed.err == ""
    assert everything_below(root) == before
    assert main(["pipeline", "compile", "ranking", "--output-dir", "else/where"]) == 0
    assert capsys.readouterr().err == "written to else/where/ranking.generated.yaml\n"
    assert (root / "else/where/ranking.generated.yaml").read_text(encoding="utf-8") == echoed.out
    written = {root / name for name in ("else", "else/where", "else/where/ranking.generated.yaml")}
    assert everything_below(root) - before == written


def test_compile_tells_of_a_hand_edited_file_and_of_its_mistakes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_pipeline(TinyProject(root).without("item_vector"), {"operators/8/not_null": []})
    assert main(["pipeline", "compile", "ranking", "--no-write"]) == 0
    assert capsys.readouterr().err == (
        f"{EDITED} takes its place: delete or rename it to train what was compiled\n"
        f"warning: {EDITED}:97: operator 'sink' (sink): the service says nullable: false for user_id, item_id, "
        "event_timestamp, events_1d, recent_items: add to not_null\n"
    )


def test_explain_shows_the_hand_edited_pipeline(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_pipeline(TinyProject(root).without("item_vector"), {"operators/6/aggregates/1/max_length": 1})
    assert main(["pipeline", "explain", "ranking"]) == 0
    told = capsys.readouterr()
    assert told.err == f"from {EDITED}, which takes the place of the compiled pipeline\n"
    assert "recent_items = last_distinct(item_id) over 1d, at most 1, newest first" in told.out


def test_explain_shows_the_sql_of_the_day_that_is_asked_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "explain", "ranking", "--sql"]) == 0
    assert capsys.readouterr().out.startswith("-- ranking on 2024-01-02. ")
    assert main(["pipeline", "explain", "ranking", "--sql", "--target-date", "2024-01-03"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("-- ranking on 2024-01-03. ")
    assert "event_timestamp < CAST('2024-01-04 00:00:00' AS TIMESTAMP)" in told


def manifest(root: Path, day: str) -> dict[str, Any]:
    path = root / f"output/ranking/skeleton/dt={day}/_manifest.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def recent_items(root: Path, day: str) -> list[list[int]]:
    path = root / f"output/ranking/skeleton/dt={day}/part-0-0.parquet"
    lists: list[list[int]] = pq.read_table(path, partitioning=None).column("recent_items").to_pylist()
    return lists


def test_train_runs_the_hand_edited_pipeline_and_the_days_before_it_are_stale(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = "2024-01-03"
    words = ["pipeline", "train", "ranking", "--target-date", day]
    assert main(words) == 0
    compiled = manifest(root, day)["fingerprint"]
    assert recent_items(root, day) == [[12, 11], [12, 11]]
    written = edit_pipeline(TinyProject(root).without("item_vector"), {"operators/6/aggregates/1/max_length": 1})
    capsys.readouterr()
    assert main(["pipeline", "plan", "ranking", "--target-date", day]) == 0
    assert "stale: extend" in (told := capsys.readouterr().out)
    assert "rolling_events_by_user" in told
    assert main(words) == 0
    edited = manifest(root, day)["fingerprint"]
    assert [name for name in compiled["operators"] if compiled["operators"][name] != edited["operators"][name]] == [
        "rolling_events_by_user"
    ]
    assert recent_items(root, day) == [[12], [12]]
    written.unlink()
    capsys.readouterr()
    assert main(["pipeline", "plan", "ranking", "--target-date", day]) == 0
    assert "stale: extend" in capsys.readouterr().out

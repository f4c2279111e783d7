"""`daeda catalog`: who uses a view, what makes a column, which days there are; of all services of a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from daeda.cli.main import main
from tests.daeda.catalog.test_find import second_service
from tests.daeda.cli.test_answers import SCHEMAS
from tests.projects import TinyProject


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two services; only `ranking` has a store, and `prices` has no data."""
    TinyProject(tmp_path).write().write_data()
    second_service(tmp_path)
    for path in sorted((tmp_path / "data/prices").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "data/prices").rmdir()
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path


def asked(words: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["catalog", *words.split(), "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMAS["daeda.catalog/1"])
    return document


def test_what_there_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = asked("", capsys)
    views = {view["name"]: view for view in document["views"]}
    assert views["events"]["used_by"] == ["ranking", "clicks"]
    assert (views["events"]["first_day"], views["events"]["last_day"]) == ("2024-01-01", "2024-01-03")
    assert (views["items"]["files"], views["items"]["first_day"], views["items"]["keys"]) == (1, None, ["item_id"])
    assert views["prices"]["files"] is None
    assert f"{project}/data/prices does not exist" in views["prices"]["problem"]
    services = {one["name"]: one for one in document["services"]}
    assert services["clicks"]["runtime"] == "config/training/clicks/runtime.yaml"
    assert (services["clicks"]["last_day"], services["ranking"]["last_day"]) == ("2024-01-02", "2024-01-03")
    [store] = document["stores"]
    assert (store["columns"], store["dimension"]) == (["ranking:item_vector"], 2)


def test_one_column_of_two_services(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = asked("columns events_1d", capsys)
    assert document["views"] is None
    assert {(one["service"], one["dtype"], one["made_by"]) for one in document["columns"]} == {
        ("ranking", "int64", "aggregation_spec events"),
        ("clicks", "bool", "aggregation_spec events"),
    }
    made = {one["name"]: one["made_by"] for one in asked("columns", capsys)["columns"]}
    assert (made["category"], made["user_id"]) == ("items:category", "events:user_id")
    assert made["item_vector"] == "enrichment_spec item_vector"


def test_tables(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["catalog", "views"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["events", "user_id,"] and "2024-01-01 to" in line for line in lines)
    assert f"view 'prices': {project}/data/prices does not exist" in "\n".join(lines)
    assert max(len(line) for line in lines if "does not exist" not in line) <= 80


def test_a_name_that_is_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "views", "item"]) == 2
    assert capsys.readouterr().err == (
        "error: none of the views is 'item': did you mean 'items'? Known: events, items, prices\n"
    )
    assert main(["catalog", "nothing"]) == 2
    assert "invalid choice: 'nothing'" in capsys.readouterr().err

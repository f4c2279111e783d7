"""Schemas for editors: they allow every file that there is, and mark keys and words that do not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from daeda.catalog.schemas import MODELS, Kind, schema_of
from daeda.cli.main import main

ROOT = Path(__file__).parents[3]
FILES: dict[Kind, str] = {
    "runtime": "config/training/runtime.yaml",
    "aggregations": "config/training/aggregations.yaml",
    "view": "feature_views/*.yaml",
    "service": "feature_services/*.yaml",
}
PROJECTS = (ROOT, ROOT / "examples/complete_journey", *sorted((ROOT / "tests/cases").iterdir()))


def mistakes(kind: Kind, text: str) -> list[str]:
    data = json.loads(json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), default=str))
    return [error.message for error in jsonschema.Draft202012Validator(schema_of(kind)).iter_errors(data)]


@pytest.mark.parametrize("kind", MODELS)
def test_a_schema_allows_every_file_that_there_is(kind: Kind) -> None:
    paths = [path for project in PROJECTS for path in project.glob(FILES[kind])]
    assert len(paths) > 10
    validator = jsonschema.Draft202012Validator(schema_of(kind))
    for path in paths:
        data = json.loads(json.dumps(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader), default=str))
        assert [error.message for error in validator.iter_errors(data)] == [], path


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("view", "{name: a, entity: user, source: {path: x}, feilds: []}", "'feilds' was unexpected"),
        ("service", "{columns: [{name: a, kind: statick, dtype: string}]}", "'statick' is not one of"),
        ("aggregations", "{aggregation_specs: [{name: a, entity: user, kind: avg}]}", "'avg' is not one of"),
        ("runtime", "{service: a, output_root: o, compute: {engine: spark}}", "'spark' is not one of"),
    ],
)
def test_a_schema_marks_what_does_not_exist(kind: Kind, text: str, message: str) -> None:
    assert any(message in found for found in mistakes(kind, text))


def test_schemas_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "view"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert main(["schema", "--output-dir", str(tmp_path / "schemas")]) == 0
    assert {path.name for path in (tmp_path / "schemas").iterdir()} == {f"{kind}.schema.json" for kind in MODELS}
    assert json.loads((tmp_path / "schemas/view.schema.json").read_text("utf-8")) == printed
    assert f"# yaml-language-server: $schema={tmp_path}/schemas/service.schema.json" in capsys.readouterr().err

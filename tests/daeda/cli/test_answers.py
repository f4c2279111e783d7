"""What --json answers: a document of the schema in the docs, which agrees with what is printed without."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from daeda.answers.documents import ANSWERS
from daeda.cli.main import main
from daeda_audit.command import main as audit
from tests.projects import TinyProject

SCHEMAS = json.loads((Path(__file__).parents[3] / "docs/reference/answers.schema.json").read_text("utf-8"))


def checked(text: str, name: str) -> dict[str, Any]:
    """The document, which is of this format by the schema."""
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, SCHEMAS[name])
    assert document["format"] == name
    return document


def test_answers_of_a_project_from_its_plan_to_its_audit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    TinyProject(tmp_path).without("item_vector").write().write_data()
    monkeypatch.chdir(tmp_path)

    assert main(["plan", "--json"]) == 0
    planned = checked(capfd.readouterr().out, "daeda.plan/1")
    assert [(day["day"], day["datasets"]) for day in planned["days"]] == [
        (day, {"skeleton": {"action": "build", "reasons": []}}) for day in ("2024-01-02", "2024-01-03")
    ]
    assert planned["sources"]["prices"] == str(tmp_path / "data/prices")

    assert main(["train", "--target-date", "2024-01-03", "--json", "--log-json"]) == 0
    streams = capfd.readouterr()
    trained = checked(streams.out, "daeda.train/1")
    # Of the half, which is another process, and of the driver.
    told = [checked(line, "daeda.log/1") for line in streams.err.splitlines()]
    [progress] = [line for line in told if "done" in line]
    assert re.fullmatch(r"skeleton 2024-01-03: 2 rows in \d+\.\d\d s \(1/1\)", progress["message"])
    seconds = progress.pop("seconds")
    assert isinstance(seconds, float)
    assert {name: progress[name] for name in ("level", "day", "half", "rows", "done", "days")} == {
        "level": "info", "day": "2024-01-03", "half": "skeleton", "rows": 2, "done": 1, "days": 1,
    }  # fmt: skip
    assert told[-2]["message"] == "skeleton 2024-01-03: built"
    assert (told[-2]["day"], told[-2]["half"], told[-2]["seconds"]) == ("2024-01-03", "skeleton", seconds)
    assert (told[-1]["rows"], told[-1]["days"]) == (2, 1)
    assert (trained["service"], trained["location"]) == ("ranking", str(tmp_path / "output/ranking/skeleton"))
    [day] = trained["days"]
    assert (day["day"], day["datasets"]["skeleton"]["outcome"]) == ("2024-01-03", "built")
    assert day["datasets"]["skeleton"]["rows"] == 2

    runtime = ["--runtime-config-path", "config/training/runtime.yaml"]
    assert audit(["ranking", *runtime, "--quick", "--json"]) == 0
    audited = checked(capfd.readouterr().out, "daeda.audit/1")
    assert (audited["passed"], audited["days"], audited["appended"]) == (True, ["2024-01-03"], [])
    assert {"column": "price", "checked": 2, "mismatches": 0, "note": "", "example": []} in audited["recomputed"]


def test_explain_says_types_that_the_service_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = TinyProject(tmp_path)
    del project.column("recent_items")["dtype"]
    project.write()
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--json", "--sql"]) == 0
    explained = checked(capsys.readouterr().out, "daeda.explain/1")
    assert main(["explain", "--sql"]) == 0
    assert f"{explained['sql']}\n" == capsys.readouterr().out
    assert {
        "name": "recent_items",
        "kind": "rolling",
        "dtype": "list<int64>",
        "nullable": False,
        "description": "",
    } in (explained["columns"])
    assert explained["operators"][-1]["op_kind"] == "sink"


def test_a_mistake_is_no_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    TinyProject(tmp_path).write()
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "rankin", "--json"]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == "error: no feature service 'rankin': did you mean 'ranking'? Known: ranking\n"


def test_every_answer_has_its_schema() -> None:
    assert set(SCHEMAS) == {answer.model_fields["format"].default for answer in ANSWERS}

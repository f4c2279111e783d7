"""What is found of a project: sources, output, databases, object storage and stores, with planted faults."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daeda.cli.main import main
from daeda.doctor import machine, software
from daeda.doctor import project as project_probes
from tests.daeda.cli.test_answers import checked
from tests.projects import TinyProject


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    """A project without an enrichment, and the working directory; of this host nothing is looked at."""
    monkeypatch.chdir(tmp_path)
    return TinyProject(tmp_path).without_enrichment()


@pytest.fixture
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host itself has tests of its own."""
    monkeypatch.setattr("daeda.cli.doctor.machine_probes", lambda enriches: [])
    monkeypatch.setattr("daeda.cli.doctor.software_probes", lambda needed: [])


def _found(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["doctor", "--json", *words]) == code
    document = checked(capsys.readouterr().out, "daeda.doctor/1")
    return {finding["what"]: finding for finding in document["findings"]}


pytestmark = pytest.mark.usefixtures("no_host")


def test_a_sound_project(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write().write_data()
    before = sorted(project.root.rglob("*"))
    found = _found(capsys, 0)
    assert {what: finding["state"] for what, finding in found.items()} == {
        "service ranking": "ok", "output_root": "ok", "view events": "ok", "view items": "ok", "view prices": "ok",
    }  # fmt: skip
    assert found["view events"]["seen"] == "3 files, 4 columns, 2024-01-01 to 2024-01-03"
    assert sorted(project.root.rglob("*")) == before


def test_without_a_project_the_host_alone_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = _found(capsys, 0)
    assert found["project"]["seen"].startswith("none here: ")


def test_a_project_with_a_mistake(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.runtime["feed_end"] = "2023-01-01"
    project.write()
    [finding] = _found(capsys, 1).values()
    assert (finding["state"], finding["advice"]) == ("wrong", "`daeda check` tells all mistakes at once")


def test_files_that_are_absent_or_broken_and_an_output_that_is_no_directory(
    project: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write().write_data()
    project.views["items"]["source"]["path"] = "elsewhere"
    project.write()
    (project.root / "data/prices/dt=2024-01-03/part-0.parquet").write_bytes(b"PAR1 no more")
    (project.root / "output").write_text("")
    found = _found(capsys, 1)
    assert found["output_root"]["advice"] == "choose another output_root"
    assert "elsewhere does not exist" in found["view items"]["seen"]
    assert found["view prices"]["state"] == "wrong"
    assert "part-0.parquet cannot be read (" in found["view prices"]["seen"]
    assert found["view events"]["state"] == "ok"


def test_memory_that_this_host_does_not_have(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.runtime["compute"] = {"duckdb_config": {"memory_limit": "9999GiB"}}
    project.write().write_data()
    finding = _found(capsys, 0)["memory of ranking"]
    assert finding["state"] == "warning"
    assert finding["seen"].startswith("memory of the skeleton clamped to this host: 9999.0 GiB -> ")


def test_extras_that_the_project_needs(project: TinyProject) -> None:
    project.views["items"]["source"] = {"ducklake": "lake.ducklake", "table": "items"}
    project.runtime["output_root"] = "s3://lake/features"
    project.runtime["staging_root"] = "staging"
    project.write()
    service = project_probes.Service(project.load(), project.compile())
    assert project_probes.needed_extras([service]) == {"beam", "s3", "ducklake"}
    assert project_probes._buckets(service) == {"lake"}


def test_a_database_that_is_not_there(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write().write_data()
    project.views["items"]["source"] = {"ducklake": "lake.ducklake", "table": "items"}
    project.write()
    finding = _found(capsys, 1, "--seconds", "60")["view items"]
    assert finding["state"] == "wrong"
    assert finding["seen"].startswith("view 'items': ducklake://lake.ducklake cannot be read (")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_object_storage_that_never_answers(
    project: TinyProject, silent_server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTESTS000000001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of tests")
    project.runtime["output_root"] = "s3://lake/features"
    project.runtime["staging_root"] = "staging"
    project.write().write_data()
    found = _found(capsys, 1, "--seconds", "2")
    assert found["s3://lake"]["state"] == "wrong"
    assert found["staging_root"]["seen"].startswith(f"{project.root}/staging")


def test_object_storage_without_credentials(
    project: TinyProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    project.runtime["output_root"] = "s3://lake/features"
    project.runtime["staging_root"] = "staging"
    project.write().write_data()
    assert _found(capsys, 1)["s3://lake"]["seen"].startswith("object storage: no credentials: set AWS_ACCESS_KEY_ID")


def test_stores_are_opened_by_their_own_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[str, list[str]]] = []

    def answer(module: str, words: list[str], state: object, *, output: list[str]) -> int:
        asked.append((module, words))
        output.append(json.dumps(["embedding store 'vectors': it is gone"]))
        return 0

    monkeypatch.setattr(project_probes, "run_subprocess", answer)
    TinyProject(tmp_path).write().write_data()
    finding = _found(capsys, 1)["stores vectors"]
    assert (finding["state"], finding["seen"]) == ("wrong", "embedding store 'vectors': it is gone")
    [(module, words)] = asked
    assert module == "enrich"
    assert words[-2:] == ["--check", "mistakes"]


def test_the_table_fits_eighty_columns_and_tells_what_to_do(
    project: TinyProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daeda.cli.doctor.machine_probes", machine.machine_probes)
    monkeypatch.setattr("daeda.cli.doctor.software_probes", software.software_probes)
    monkeypatch.setenv("COLUMNS", "80")
    project.write().write_data()
    project.views["items"]["source"]["path"] = "elsewhere"
    project.write()
    assert main(["doctor"]) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].endswith(" things looked at: 1 wrong")
    assert any(line.startswith("wrong") and "view items" in line for line in lines)
    assert told.err == ""

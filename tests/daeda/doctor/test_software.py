"""What is found of packages, extensions and Java, with planted faults: absent, broken and of other versions."""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

import duckdb
import pytest

from daeda import installed
from daeda.doctor import software
from daeda.doctor.finding import Finding, run_probes
from daeda.installed import DISTRIBUTION, VERSION, install_command
from daeda.sql import locked

WANTED = ["duckdb<1.6,>=1.5.5", 'ray[data]<2.61,>=2.60; extra == "ray"', 'polars<3,>=2.1; extra == "polars"']
HERE = {"duckdb": "1.5.5", "ray": "2.60.0", "polars": "2.1.0", DISTRIBUTION: VERSION}


def _libraries(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str | None], needed: Collection[str] = ()
) -> dict[str, Finding]:
    installed = HERE | versions

    def version(package: str) -> str:
        found = installed.get(package)
        if found is None:
            raise metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(metadata, "requires", lambda package: WANTED)
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(software, "install_command", lambda extra: f"install {extra or 'it'}")
    return {finding.what: finding for finding in software._libraries(needed)}


def test_what_is_installed_is_shown_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(_libraries(monkeypatch, {}).values()) == [
        Finding("ok", f"daeda {VERSION}", "duckdb 1.5.5"),
        Finding("ok", "extra ray", "ray 2.60.0"),
        Finding("ok", "extra polars", "polars 2.1.0"),
    ]


def test_an_extra_that_is_missing_is_wrong_where_the_project_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _libraries(monkeypatch, {"ray": None}, {"ray"})["extra ray"] == Finding(
        "wrong", "extra ray", "not installed", "this project needs it: `install ray`"
    )
    assert _libraries(monkeypatch, {"ray": None})["extra ray"] == Finding(
        "ok", "extra ray", "not installed", "where it is wanted: `install ray`"
    )


def test_code_without_its_distribution_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _libraries(monkeypatch, {DISTRIBUTION: None}).values()
    seen = f"the code of daeda {VERSION} is in {installed.ROOT}, and daeda-features, which says what it needs, is not"
    assert found == Finding(
        "warning", "libraries", f"{seen} installed", "`install it`, unless all that is needed is here"
    )
    (python,) = software._python()
    assert (python.state, python.what) == ("ok", "Python")


def test_versions_outside_of_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _libraries(monkeypatch, {"duckdb": "1.6.0", "polars": "1.9.0"})
    assert found[f"daeda {VERSION}"] == Finding(
        "wrong", f"daeda {VERSION}", "duckdb 1.6.0 is not <1.6,>=1.5.5", "`install it`"
    )
    assert found["extra polars"] == Finding(
        "warning", "extra polars", "polars 1.9.0 is not <3,>=2.1", "`install polars`"
    )


def test_the_installed_versions_are_within_what_daeda_wants() -> None:
    for finding in software._libraries({"beam", "ray", "polars", "s3", "postgres", "ducklake"}):
        assert finding.state == "ok", finding


def test_python_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.platform, "python_version", lambda: "3.9.1")
    [finding] = software._python()
    assert finding.state == "wrong"
    assert finding.advice.startswith("install daeda in an environment of Python >=3.")


def test_an_extension_of_another_duckdb_is_wrong_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb, "__version__", "9.9.9")
    monkeypatch.setattr(software, "install_command", lambda extra: f"install {extra}")
    monkeypatch.setattr(locked, "install_command", lambda extra: f"install {extra}")
    found = {finding.what: finding for finding in software._extensions({"s3"})}
    assert found["DuckDB extension httpfs"] == Finding(
        "wrong", "DuckDB extension httpfs", "DuckDB 9.9.9 needs its extension httpfs: `install s3`", "`install s3`"
    )
    assert found["DuckDB extension ducklake"].state == "warning"


def _java(folder: Path, text: str) -> None:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [absent] = software._java()
    assert (absent.state, absent.seen) == ("ok", "not there")
    _java(tmp_path, "echo 'openjdk version \"17\"' >&2")
    assert list(software._java()) == [Finding("ok", "Java", f'openjdk version "17", {tmp_path}/java')]
    _java(tmp_path, "exit 3")
    [broken] = software._java()
    assert broken.state == "warning"
    assert broken.seen.startswith(f"{tmp_path}/java does not run (")
    monkeypatch.setattr(software, "_JAVA_SECONDS", 0.05)
    _java(tmp_path, "while :; do :; done")
    [silent] = software._java()
    assert silent.seen.endswith("timed out after 0.05 seconds)")


class _Distribution:
    version = "1"
    requires = ("duckdb>=1.5", 'ray[data] (>=2.60) ; extra == "ray"', "pylance>=14; extra == 'ray'")

    def __init__(self, **files: str) -> None:
        self._files = {"direct_url.json": files.get("origin"), "INSTALLER": files.get("installer")}

    def read_text(self, name: str) -> str | None:
        return self._files[name]


def _origin(url: str, **more: object) -> str:
    return json.dumps({"url": url, **more})


INDEX = "'daeda-features[ray]'"


@pytest.mark.parametrize(
    ("files", "prefix", "command"),
    [
        ({"installer": "pip\n"}, "/venv", f"pip install {INDEX}"),
        ({}, "/venv", f"pip install {INDEX}"),
        ({"installer": "uv"}, "/venv", f"uv pip install {INDEX}"),
        ({"installer": "uv"}, "/home/a/.local/share/uv/tools/daeda", f"uv tool install --force {INDEX}"),
        ({"installer": "pip"}, "/home/a/.local/pipx/venvs/daeda", f"pipx install --force {INDEX}"),
        ({"origin": _origin("file://HERE", dir_info={"editable": True})}, "/venv", "pip install -e 'HERE[ray]'"),
        ({"origin": _origin("file://HERE", dir_info={})}, "/venv", "pip install 'HERE[ray]'"),
        ({"origin": _origin("file://HERE/a%20b.whl", archive_info={})}, "/venv",
         "pip install 'daeda-features[ray] @ file://HERE/a%20b.whl'"),
        ({"origin": _origin("file://HERE/gone.whl", archive_info={})}, "/venv",
         "pip install 'ray[data](>=2.60)' 'pylance>=14'"),
        ({"origin": _origin("https://a.b/daeda.git", vcs_info={"vcs": "git", "commit_id": "c0ffee"})}, "/venv",
         "pip install 'daeda-features[ray] @ git+https://a.b/daeda.git@c0ffee'"),
        ({"origin": _origin("https://a.b/daeda.whl", archive_info={}), "installer": "uv"}, "/venv",
         "uv pip install 'daeda-features[ray] @ https://a.b/daeda.whl'"),
    ],
)  # fmt: skip
def test_the_hint_is_how_daeda_was_installed(
    files: dict[str, str], prefix: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a b.whl").touch()
    files = {name: text.replace("HERE", str(tmp_path)) for name, text in files.items()}
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: _Distribution(**files))
    monkeypatch.setattr(installed.sys, "prefix", prefix)
    monkeypatch.setattr(installed, "ROOT", tmp_path)
    assert install_command("ray") == command.replace("HERE", str(tmp_path))


def test_a_clone_is_installed_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clone = tmp_path / "a b"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    monkeypatch.setattr(installed, "ROOT", clone)
    assert install_command("ray") == f"pip install -e '{clone}[ray]'"


def test_every_probe_of_software_answers() -> None:
    found = run_probes(software.software_probes(()))
    assert {finding.state for finding in found} == {"ok"}
    [extensions] = [finding.seen for finding in found if finding.what == "DuckDB extensions"]
    assert extensions == "httpfs, postgres_scanner, ducklake: loaded from packages, without a network"

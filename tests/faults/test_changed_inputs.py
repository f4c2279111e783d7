"""Inputs that change between the checks and their day: the bytes are right, or the day is not published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from beam_pipeline import transforms
from beam_pipeline.context import DayHandle, RunContext
from beam_pipeline.options import main
from tests.faults.changes import CHANGES, Change
from tests.faults.scene import Days, bytes_of_days, left_in_staging, small_project
from tests.projects import TinyProject


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """A project whose days were built without any change."""
    project = small_project(tmp_path_factory.mktemp("untouched"))
    project.runtime["day_workers"] = 1
    assert main(words(project.write())) == 0
    return project


@pytest.fixture
def project(untouched: TinyProject, tmp_path: Path) -> TinyProject:
    """A copy of it, where nothing is built yet."""
    root = tmp_path / "project"
    shutil.copytree(untouched.root, root, ignore=shutil.ignore_patterns("output"))
    return TinyProject(root)


def words(project: TinyProject, output: str = "output") -> list[str]:
    return ["--runtime-config-path", str(project.runtime_path), "--output-root", str(project.root / output)]


def built(project: TinyProject, output: str = "output") -> Days:
    return bytes_of_days(project.root / output / "ranking")


def strike_once(monkeypatch: pytest.MonkeyPatch, change: Change, data: Path, day: str = "") -> None:
    """Let the change come when the checks are done, before the day (or the first one) begins."""
    begin = transforms.begin
    struck: list[str] = []

    def begin_late(context: RunContext, handle: DayHandle) -> DayHandle:
        if not struck and day in ("", str(handle.day)):
            struck.append(str(handle.day))
            change.strike(data)
        return begin(context, handle)

    monkeypatch.setattr(transforms, "begin", begin_late)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_the_bytes_are_right_or_the_day_is_not_published(
    project: TinyProject,
    untouched: TinyProject,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, wanted = project.root / "data", built(untouched)
    with monkeypatch.context() as patched:
        strike_once(patched, change, data)
        code = main(words(project))
    said = capsys.readouterr().err
    assert left_in_staging(project.root / "output/ranking") == []
    if change.told is None:
        assert code == 0, said
        # As if the change had come before the run, which is also what the next plain run says.
        assert main(words(project, "anew")) == 0
        assert built(project) == built(project, "anew")
        capsys.readouterr()
        assert main(words(project)) == 0
        assert capsys.readouterr().err == "skeleton: all 3 days are there already\n"
    else:
        assert code == 1, said
        assert change.told.format(data=data) in said
        assert "Traceback" not in said
        assert "dt=2024-01-03" not in published(project)
        for day, parts in published(project).items():
            assert parts == wanted[day]
    shutil.rmtree(data)
    shutil.copytree(untouched.root / "data", data)
    assert main(words(project)) == 0
    assert built(project) == wanted


def published(project: TinyProject) -> Days:
    return built(project) if (project.root / "output/ranking/skeleton").exists() else {}

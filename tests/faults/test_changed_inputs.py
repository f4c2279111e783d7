"""Inputs that change between the checks and their day: the bytes are right, or the day is not published."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipeline import transforms
from beam_pipeline.command import main
from beam_pipeline.workers.context import DayHandle, RunContext
from tests.faults.changes import CHANGES, Change
from tests.faults.scene import Days, Scene, bytes_of_days, left_in_staging, small_project
from tests.faults.test_two_runs import claims, wait_for
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
    # No day begins beside the change, for it might look at a file before it changes, and read it behind that.
    one_at_a_time = threading.Lock()

    def begin_late(context: RunContext, handle: DayHandle) -> DayHandle:
        with one_at_a_time:
            if not struck and day in ("", str(handle.day)):
                struck.append(str(handle.day))
                change.strike(data)
        return begin(context, handle)

    monkeypatch.setattr(transforms, "begin", begin_late)


@pytest.mark.some(2, cases=8)
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
        assert capsys.readouterr().err.endswith("skeleton: all 3 days are there already\n")
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


@contextlib.contextmanager
def restored(data: Path) -> Iterator[None]:
    kept = data.with_name("kept")
    shutil.copytree(data, kept)
    try:
        yield
    finally:
        shutil.rmtree(data)
        kept.rename(data)


STOPPED = ("rows of another day", "rows without a time", "removed", "truncated", "two partitions swapped", "other rows")


@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize(
    "change", [change for change in CHANGES if change.name in STOPPED], ids=lambda change: change.name
)
@pytest.mark.parametrize("state", ["empty", "stale"])
def test_a_change_while_the_run_is_stopped(scene: Scene, state: str, change: Change) -> None:
    """The process group is stopped when the checks are done, and goes on in another world."""
    output, data = scene.output(state), scene.root / "project/data"
    with restored(data):
        child = scene.start(output)
        wait_for(lambda: len(claims(output)) == len(scene.wanted))
        os.killpg(child.pid, signal.SIGSTOP)
        change.strike(data)
        os.killpg(child.pid, signal.SIGCONT)
        code = child.wait()
        assert "Traceback" not in child.stderr
        days = bytes_of_days(output / "ranking")
        if change.told is None:
            assert code == 0, child.stderr
            anew = scene.output("empty")
            scene.succeed(anew)
            assert days == bytes_of_days(anew / "ranking") != scene.wanted
        else:
            assert code in (1, 2), child.stderr
            assert "dt=2024-01-03/part-0.parquet" in child.stderr or "dt=2024-01-04/part-0.parquet" in child.stderr
            before = scene.old if state == "stale" else {}
            assert days.get("dt=2024-01-03") == before.get("dt=2024-01-03")
            scene.check_after_fault(output, state)
    scene.check_after_rerun(output)


def published(project: TinyProject) -> Days:
    return built(project) if (project.root / "output/ranking/skeleton").exists() else {}

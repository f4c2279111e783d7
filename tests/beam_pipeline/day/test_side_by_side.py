"""Operators with windows beside others of their day: the same bytes, no row before it is there, and an end for all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.command import main
from beam_pipeline.day import side_by_side
from beam_pipeline.session.started import StartedOperators
from daeda.operators.temporal import WindowOperator
from tests.beam_pipeline.history.test_projected_partitions import DAYS, build, project
from tests.projects import TinyProject


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The thread in which each operator with windows ran, of however small a history."""
    monkeypatch.setattr(side_by_side, "_LEAST_BYTES", 0)
    seen: list[str] = []
    run = side_by_side.run_rolling

    def noted(*given: Any) -> Any:
        seen.append(threading.current_thread().name)
        return run(*given)

    monkeypatch.setattr(side_by_side, "run_rolling", noted)
    yield seen
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("daeda-operator")]


def with_threads(path: Path, count: int) -> TinyProject:
    given = project(path)
    given.runtime["compute"]["duckdb_config"]["threads"] = count
    given.write()
    return given


def alone(given: TinyProject, output: Path) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_by_side, "_LEAST_BYTES", 1 << 62)
        return build(given, output)


def beside(threads: list[str]) -> int:
    return sum(name.startswith("daeda-operator") for name in threads)


@pytest.mark.parametrize(("count", "started"), [(1, 0), (2, DAYS), (3, 2 * DAYS)])
def test_the_bytes_are_those_of_one_after_another(tmp_path: Path, threads: list[str], count: int, started: int) -> None:
    """Two operators: with two threads one of them, or both where the first has ended, run beside the day."""
    given = with_threads(tmp_path / "project", count)
    built = build(given, tmp_path / "beside")
    assert len(threads) == 2 * DAYS
    assert started <= beside(threads) <= 2 * started
    threads.clear()
    assert alone(given, tmp_path / "alone") == built
    assert beside(threads) == 0


def test_one_without_room_runs_again_alone(tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = with_threads(tmp_path / "project", 3)
    wanted = alone(given, tmp_path / "alone")
    threads.clear()
    monkeypatch.setattr(side_by_side, "_fitting", lambda _: 1 << 62)
    monkeypatch.setattr(StartedOperators, "part_bytes", 1 << 10)
    assert build(given, tmp_path / "beside") == wanted
    assert len(threads) == 4 * DAYS
    assert beside(threads) == 2 * DAYS


def test_columns_without_room_run_again_alone(
    tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are spilled then."""
    given = with_threads(tmp_path / "project", 3)
    wanted = alone(given, tmp_path / "alone")
    threads.clear()
    monkeypatch.setattr("beam_pipeline.session.arrow_columns.ArrowColumns.SHARE", 1e-7)
    assert build(given, tmp_path / "beside") == wanted
    assert len(threads) == 4 * DAYS


def test_a_large_history_has_all_of_the_memory(
    tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = with_threads(tmp_path / "project", 3)
    monkeypatch.setattr(side_by_side, "_fitting", lambda _: 0)
    build(given, tmp_path / "beside")
    assert beside(threads) == 0


def run(given: TinyProject, output: Path) -> int:
    return main(["--runtime-config-path", str(given.runtime_path), "--output-root", str(output)])


def test_an_error_beside_names_its_operator_and_day(
    tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = with_threads(tmp_path / "project", 2)
    fails: list[str] = []
    noted = side_by_side.run_rolling

    def refuse(session: Any, operator: WindowOperator, *more: Any) -> Any:
        if threading.current_thread().name.startswith("daeda-operator"):
            fails.append(operator.name)
            raise OSError(28, "No space left on device")
        return noted(session, operator, *more)

    monkeypatch.setattr(side_by_side, "run_rolling", refuse)
    assert run(given, tmp_path / "output") == 1
    said = capsys.readouterr().err
    assert f"operator '{fails[0]}': No space left on device" in said
    assert "internal error" not in said


def test_whoever_fails_ends_those_beside_it(
    tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one beside waits until it is given up; the error is that of the one that failed."""
    given = with_threads(tmp_path / "project", 2)
    ended: list[str] = []

    def wait_or_fail(session: Any, operator: WindowOperator, *_: Any) -> Any:
        if not threading.current_thread().name.startswith("daeda-operator"):
            raise OSError(28, "No space left on device")
        while True:
            try:
                session.resources.check()
            except BaseException as error:
                ended.append(str(error))
                raise

    monkeypatch.setattr(side_by_side, "run_rolling", wait_or_fail)
    assert run(given, tmp_path / "output") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert ended
    assert all("given up" in sentence for sentence in ended)


def test_seconds_are_those_that_the_day_has_waited(tmp_path: Path, threads: list[str]) -> None:
    given = with_threads(tmp_path / "project", 2)
    assert run(given, tmp_path / "output") == 0
    assert beside(threads)
    for path in (tmp_path / "output").rglob("_manifest.json"):
        seconds = json.loads(path.read_text(encoding="utf-8"))["seconds"]
        assert sum(name.startswith("rolling") for name in seconds) == 2

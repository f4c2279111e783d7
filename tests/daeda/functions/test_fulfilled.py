"""Exit code 0 means that every planned day is there, whatever a half has said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daeda.cli import train
from daeda.cli.main import main
from daeda.compiler.compile import compile_runnable
from daeda.errors import DayError
from daeda.planning.days import DayPlan, plan_skeleton
from daeda.planning.fulfilled import require_skeleton
from daeda.planning.sources import find_sources
from tests.daeda.functions.project import FIRST, SECOND, FunctionProject
from tests.projects import moment

SOURCE = "def make(amount):\n    return amount\n"


@pytest.fixture
def made(tmp_path: Path) -> FunctionProject:
    return FunctionProject(tmp_path).calls(SOURCE, "make", ["amount"], "double")


def _plans(made: FunctionProject) -> tuple[DayPlan, ...]:
    project = made.load()
    dag = compile_runnable(project).skeleton()
    return plan_skeleton(project, dag, find_sources(project, dag), project.runtime.days, "rebuild")


def _require(made: FunctionProject, plans: tuple[DayPlan, ...]) -> None:
    project = made.load()
    require_skeleton(project, compile_runnable(project).skeleton(), plans)


def test_days_that_were_built_as_planned_are_there(made: FunctionProject) -> None:
    made.write().write_data()
    plans = _plans(made)
    made.build()
    _require(made, plans)
    _require(made, _plans(made))


def test_days_that_are_missing_are_listed(made: FunctionProject) -> None:
    made.write().write_data()
    plans = _plans(made)
    with pytest.raises(DayError) as told:
        _require(made, plans)
    assert str(told.value) == (
        "skeleton: 2 of 2 planned days are not there: 2024-01-02, 2024-01-03; the first because it was not published: "
        "run again to build them"
    )
    made.build()
    shutil.rmtree(made.root / "output/ranking/skeleton" / SECOND)
    with pytest.raises(
        DayError, match="skeleton: 1 of 2 planned days are not there: 2024-01-03; the first because it was"
    ):
        _require(made, plans)


def test_an_old_day_does_not_pass_for_one_that_was_to_be_rebuilt(made: FunctionProject) -> None:
    made.build()
    made.data["events"] = [*made.data["events"], (7, 10, moment("03 09:00"), 7.0)]
    made.write_data()
    plans = _plans(made)
    assert [plan.builds for plan in plans] == [False, True]
    with pytest.raises(DayError) as told:
        _require(made, plans)
    assert str(told.value) == (
        "skeleton: 1 of 2 planned days are not there: 2024-01-03; the first because what is there is another: input of "
        "scan_events_by_user changed, input of scan_spine changed: run again to build them"
    )


def test_a_day_of_another_configuration_does_not_pass_for_a_new_one(made: FunctionProject) -> None:
    made.write().write_data()
    plans = _plans(made)
    made.runtime["rows_per_part"] = 7
    made.build()
    made.runtime["rows_per_part"] = 8
    made.write()
    with pytest.raises(DayError, match=r"2 of 2 planned .* what is there is another: setting rows_per_part changed"):
        _require(made, plans)


def test_a_part_that_is_missing_again_is_told(made: FunctionProject) -> None:
    made.write().write_data()
    plans = _plans(made)
    made.build()
    (made.root / "output/ranking/skeleton" / FIRST / "part-0-0.parquet").unlink()
    with pytest.raises(
        DayError, match="1 of 2 planned days are not there: 2024-01-02; the first because what is there is"
    ):
        _require(made, plans)


def test_a_half_that_says_it_is_done_and_is_not_is_no_success(
    made: FunctionProject, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made.write().write_data()
    monkeypatch.setattr(train, "run_subprocess", lambda *_, **__: 0)
    assert main(["pipeline", "train", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == (
        "error: skeleton: 2 of 2 planned days are not there: 2024-01-02, 2024-01-03; the first because it was not "
        "published: run again to build them"
    )

"""Days that lack labels: they keep columns, and are extended by a label when it is mature."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from beam_pipeline.day import extend
from daeda.planning.days import Action
from tests.beam_pipeline.extending import build, published
from tests.beam_pipeline.test_versions import content, day_of
from tests.daeda.compiler.test_identity import add, rename
from tests.daeda.planning.test_immature import three_labels
from tests.projects import TinyProject

DAYS = [dt.date(2024, 1, day) for day in (1, 2, 3)]


def compared(project: TinyProject, actions: list[Action]) -> list[tuple[str, ...]]:
    """Build in place and elsewhere; the columns that each day computed."""
    plans = build(project, "output")
    assert [plan.action for plan in plans] == actions
    again = f"again-{len(list(project.root.glob('again-*')))}"
    build(project, again, extend=False)
    assert published(project, "output") == published(project, again)
    return [plan.extension.computed if plan.extension is not None else () for plan in plans]


def made(root: Path) -> TinyProject:
    project = three_labels(root).write().write_data()
    build(project, "output")
    return project


def one_more_partition(project: TinyProject) -> None:
    """The second label of the third day matures, and the last one of the first; no other label reads what comes."""
    project.data["sales"] = [*project.data["sales"], (10, dt.datetime(2024, 1, 5, 12), dt.datetime(2024, 1, 6))]
    project.write_data()


@pytest.mark.parametrize("same", [True, False], ids=["copied", "written anew"])
def test_a_day_is_extended_by_a_label_that_is_mature(
    tmp_path: Path, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extend, "_of_this_software", lambda manifest: same)
    project = made(tmp_path)
    one_more_partition(project)
    computed = compared(project, [Action.EXTEND, Action.SKIP, Action.EXTEND])
    assert computed == [("sold_much_later",), (), ("sold_later", "either")]
    assert [plan.action for plan in build(project, "output")] == [Action.SKIP] * 3


def test_days_that_lack_labels_keep_columns(tmp_path: Path) -> None:
    project = made(tmp_path)
    add(project, {"name": "double_amount", "kind": "derived", "dtype": "double", "expression": "amount * 2"})
    # What is NULL is made of nothing, and kept like all else.
    assert compared(project, [Action.EXTEND] * 3) == [("double_amount",)] * 3
    rename(project, "sold_much_later", "sold_last")
    project.aggregations["label_specs"][2]["name"] = "sold_last"
    assert compared(project, [Action.EXTEND] * 3) == [()] * 3
    # Another label decides no value of a day that lacks it.
    project.aggregations["label_specs"][1]["window"] = "49h"
    # On the second day it is not mature now, and has the NULLs of another label.
    computed = compared(project, [Action.EXTEND, Action.EXTEND, Action.SKIP])
    assert computed == [("sold_later", "either"), (), ()]


def test_a_label_that_is_not_mature_any_more_is_null(tmp_path: Path) -> None:
    project = made(tmp_path)
    one_more_partition(project)
    build(project, "output")
    project.data["sales"] = project.data["sales"][:-1]
    (project.root / "data/sales/dt=2024-01-05").rename(project.root / "away")
    # The third day has the NULLs of the label that it lacked before.
    computed = compared(project, [Action.EXTEND, Action.SKIP, Action.EXTEND])
    assert computed == [("sold_much_later",), (), ()]


def test_a_version_is_made_of_days_that_lack_labels(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.service["version"] = 2
    one_more_partition(project)
    plans = build(project, "output")
    assert [plan.extension is not None and plan.extension.version for plan in plans] == [1, 1, 1]
    assert plans[0].extension is not None
    assert plans[0].extension.computed == ("sold_much_later",)
    build(project, "again", extend=False)
    for day in DAYS:
        assert content(day_of(project, "output", 2, day)) == content(day_of(project, "again", 2, day))

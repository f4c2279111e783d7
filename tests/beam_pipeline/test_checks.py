"""Checks of days as they are built: what fails is not published, and no check changes a byte."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from daeda.compiler.compile import project_dag
from daeda.compiler.pipeline_file import pipeline_text
from daeda.errors import DayError
from daeda.planning.checks import judging_of
from daeda.planning.days import Action
from tests.beam_pipeline.extending import build, manifest, published
from tests.daeda.compiler.test_identity import add
from tests.daeda.planning.test_immature import three_labels
from tests.projects import TinyProject

FIRST, SECOND = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
HIGH = {"column": "amount", "between": [0, 4.5]}


def _project(root: Path, *checks: dict[str, Any]) -> TinyProject:
    project = TinyProject(root).without_enrichment().write_data()
    project.service["checks"] = list(checks)
    return project


def _verdicts(project: TinyProject, day: dt.date) -> list[tuple[str, str]]:
    told = json.loads(manifest(project, "output", day).read_text(encoding="utf-8")).get("checks", [])
    return [(one["check"], one["outcome"]) for one in told]


def test_a_day_that_fails_is_not_published(tmp_path: Path) -> None:
    project = _project(
        tmp_path, {**HIGH, "severity": "fail"}, {"unique": ["grain"], "severity": "fail"}, {"rows": "> 0"}
    )
    with pytest.raises(DayError) as raised:
        build(project, "output")
    assert str(raised.value) == (
        "day 2024-01-03, operator 'sink': not published: the check 'amount: between 0 and 4.5' failed: 2 rows of 2, "
        "the first of them row 0 (user_id 1, item_id 10): 5.0; the check 'unique: user_id, item_id, event_timestamp' "
        "failed: 1 row of 2 repeats another one, the first user_id 1, item_id 10, event_timestamp 2024-01-03 08:00:00: "
        "correct the data or the check, or have it only warn (severity: warn)"
    )
    assert _verdicts(project, FIRST) == [
        ("amount: between 0 and 4.5", "passed"),
        ("unique: user_id, item_id, event_timestamp", "passed"),
        ("rows > 0", "passed"),
    ]
    assert not manifest(project, "output", SECOND).parent.exists()


def test_what_was_published_stays_where_the_day_fails(tmp_path: Path) -> None:
    project = _project(tmp_path)
    build(project, "output")
    before = published(project, "output")
    project.service["checks"] = [{**HIGH, "severity": "fail"}]
    add(project, {"name": "doubled", "kind": "derived", "dtype": "double", "expression": "amount * 2"})
    with pytest.raises(DayError, match=r"not published: the check 'amount: between 0 and 4\.5' failed: 2 rows of 2"):
        build(project, "output")
    second = [name for name in before if f"dt={SECOND}" in name]
    after = published(project, "output")
    assert {name: after[name] for name in second} == {name: before[name] for name in second}
    # The day before was extended, and judged whole: the check is about a column that it kept.
    assert _verdicts(project, FIRST) == [("amount: between 0 and 4.5", "passed")]


def test_checks_change_neither_bytes_nor_fingerprint(tmp_path: Path) -> None:
    project = _project(tmp_path)
    build(project, "plain")
    project.service["checks"] = [HIGH, {"rows": "within 30% of last 7 days"}, {"drift": "psi", "below": 0.2}]
    build(project, "output")
    plain, checked = published(project, "plain"), published(project, "output")
    assert [checked[name].pop("checks")[0]["outcome"] for name in checked if name.endswith("_manifest.json")] == [
        "passed",
        "failed",
    ]
    assert checked == plain
    # What compares days is not judged while days are built.
    assert [check for check, _ in _verdicts(project, FIRST)] == ["amount: between 0 and 4.5"]
    project.service["checks"] = [{"rows": "= 17"}]
    assert [plan.action for plan in build(project, "output")] == [Action.SKIP, Action.SKIP]


def test_an_edited_pipeline_keeps_the_checks_of_its_service(tmp_path: Path) -> None:
    project = _project(tmp_path, {**HIGH, "severity": "fail"})
    project.write()
    path = tmp_path / "config/pipelines/ranking.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pipeline_text(project.compile().to_model()), encoding="utf-8")
    with pytest.raises(DayError, match=r"the check 'amount: between 0 and 4\.5' failed: 2 rows of 2"):
        build(project, "output")


def test_a_label_that_is_not_mature_is_not_judged(tmp_path: Path) -> None:
    project = _project(tmp_path, {"column": "next_1d", "null_share": "= 0", "severity": "fail"})
    spec = {"name": "next", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum"}
    project.aggregations["label_specs"] = [{**spec, "windows": ["1d"], "immature": None}]
    add(project, {"name": "next_1d", "kind": "label", "dtype": "double"})
    with pytest.raises(DayError, match="the check 'next_1d: share of NULLs = 0' failed"):
        build(project, "output")
    project.service["checks"][0]["null_share"] = "<= 50%"
    build(project, "output")
    assert [_verdicts(project, day) for day in (FIRST, SECOND)] == [
        [("next_1d: share of NULLs <= 50%", "passed")],
        [("next_1d: share of NULLs <= 50%", "not judged")],
    ]


def test_a_mature_label_is_judged_beside_one_that_is_not(tmp_path: Path) -> None:
    """Nothing is sold of the items: what is NULL for that is a fault, and what is derived from an unripe label none."""
    project = three_labels(tmp_path)
    project.aggregations["label_specs"][0]["kind"] = "until_first"
    project.data["sales"] = [(77, sold, known) for _, sold, known in project.data["sales"]]
    columns = ("sold", "either", "sold_much_later")
    project.service["checks"] = [{"column": name, "null_share": "= 0"} for name in columns]
    project.write_data()
    build(project, "output")
    first, last = dt.date(2024, 1, 1), dt.date(2024, 1, 3)
    expected = {first: ["failed", "failed", "not judged"], last: ["failed", "not judged", "not judged"]}
    for day, outcomes in expected.items():
        assert [outcome for _, outcome in _verdicts(project, day)] == outcomes
    # So are checks that are changed, of the days that lie there.
    project.service["checks"] = [{"coverage": name, "at_least": "90%"} for name in columns]
    loaded = project.write().load()
    judged = judging_of(loaded, project_dag(loaded)).judge(("skeleton",), [first, last])
    assert {day: [one.outcome for one in found] for day, found in judged.items()} == expected

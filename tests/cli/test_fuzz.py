"""A few seconds of the fuzzer: `python -m bench.fuzz` runs longer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.fuzz import ACTIONS, PROJECTS, Change, Findings, Project, check, main, run
from bench.hostile import DAMAGE, HOSTILE


@pytest.mark.parametrize(("service", "examples"), [("household_ranking", 90), ("dssm_ranking", 40)])
def test_no_yaml_ends_in_a_traceback(service: str, examples: int) -> None:
    findings = Findings()
    run(Project(service, PROJECTS[service]), examples, 7, findings)
    assert findings.examples >= examples
    assert findings.outcomes["exit 2"] > findings.examples // 2
    assert len(findings.actions) >= len(ACTIONS) - 2


def test_the_project_as_it_is_compiles(tmp_path: Path) -> None:
    for service, root in PROJECTS.items():
        findings = Findings()
        check(Project(service, root), [], ["compile", "--no-write"], tmp_path / service, findings)
        assert findings.outcomes == {"exit 0": 1}


def test_every_damage_to_a_text_is_told(tmp_path: Path) -> None:
    """Each piece of damage at the end of a view's file, one after another."""
    project = Project("household_ranking", PROJECTS["household_ranking"])
    view = list(project.texts).index("feature_views/products.yaml")
    findings = Findings()
    for value in range(len(DAMAGE)):
        check(project, [Change(view, 0.9999, "damage", value)], ["compile", "--no-write"], tmp_path, findings)
    # A comment changes nothing, and a few others fit behind a file that is complete.
    assert findings.outcomes["exit 2"] >= len(DAMAGE) - 3


def test_every_hostile_value_is_told_in_place_of_a_whole_file(tmp_path: Path) -> None:
    project = Project("household_ranking", PROJECTS["household_ranking"])
    findings = Findings()
    for value in range(0, len(HOSTILE), 3):
        place = value / len(HOSTILE)
        check(project, [Change(value, place, "replace", value)], ["compile", "--no-write"], tmp_path, findings)
    assert set(findings.outcomes) <= {"exit 0", "exit 2"}


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    result, said = tmp_path / "fuzz.json", []
    assert main(["--examples", "2", "--result", str(result)], said.append) == 0
    report = json.loads(result.read_text())
    assert {name: one["findings"] for name, one in report["projects"].items()} == {name: [] for name in PROJECTS}
    assert [line.partition(":")[0] for line in said] == list(PROJECTS)

"""A few seconds of the fuzzer: `python -m bench.fuzz` runs longer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.fuzz.__main__ import RESULT, STRATEGIES, main
from bench.fuzz.findings import Findings
from bench.fuzz.hostile import DAMAGE, HOSTILE
from bench.fuzz.yaml_files import ACTIONS, PROJECTS, Change, Project, check, run
from tests.budget import by_run


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize(("service", "examples"), [("household_ranking", 90), ("dssm_ranking", 40)])
def test_no_yaml_ends_in_a_traceback(service: str, examples: int) -> None:
    findings = Findings()
    examples //= by_run(3, 1, 1)
    run(service, examples, 7, findings)
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


# What an example of each strategy may come to; each has to be met.
OUTCOMES = {
    "file trees": {"built", "refused by plan"},
    "footers": {"built", "blocked"},
    "manifests": {"skip", "rebuild"},
    "staging": {"published", "refused"},
}


@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize("strategy", OUTCOMES)
def test_a_strategy_finds_nothing_and_meets_both_ends(strategy: str) -> None:
    findings = Findings()
    examples = by_run(20, 40, 40)
    STRATEGIES[strategy](examples, 3, findings)
    assert findings.examples >= examples * 7 // 8
    assert set(findings.outcomes) >= OUTCOMES[strategy]
    assert len(findings.actions) >= 4


def test_the_command_writes_what_it_found(tmp_path: Path) -> None:
    result, said = tmp_path / "fuzz.json", []
    assert main(["--examples", "2", "--result", str(result)], said.append) == 0
    report = json.loads(result.read_text())
    assert {name: strategy["findings"] for name, strategy in report["strategies"].items()} == {
        name: [] for name in STRATEGIES
    }
    assert [line.partition(":")[0] for line in said] == list(STRATEGIES)


def test_at_least_5000_examples_without_a_finding_are_recorded() -> None:
    recorded = json.loads(RESULT.read_text())["strategies"]
    assert set(recorded) == set(STRATEGIES)
    assert [strategy["findings"] for strategy in recorded.values()] == [[]] * len(STRATEGIES)
    assert sum(strategy["examples"] for strategy in recorded.values()) >= 5000

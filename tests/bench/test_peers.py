"""Point-in-time joins side by side: daeda is right in every case, and the peers where semantics agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness import RESULTS, ROOT
from bench.peers.cases import Case, at, every_case
from bench.peers.point_in_time import main, verdict


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return every_case()


@pytest.mark.long
def test_daeda_answers_every_case_by_definition(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    result = tmp_path / "peers.json"
    assert main(["--no-feast", "--result", str(result), "--page", str(tmp_path / "peers.md")]) == 0
    found = json.loads(result.read_text())["cases"]
    assert {one["case"]: one["daeda"]["verdict"] for one in found} == {case.name: "equal" for case in cases}
    pandas = {one["case"]: one["pandas"]["verdict"] for one in found}
    assert pandas["generated 1"] == "equal"
    assert pandas["late correction"] == "differs"
    assert pandas["ties without created"] == "unstable"


def test_recorded_answers_are_of_these_cases(cases: tuple[Case, ...]) -> None:
    recorded = json.loads((RESULTS / "peers.json").read_text())["cases"]
    assert [one["case"] for one in recorded] == [case.name for case in cases]
    lines = (ROOT / "docs" / "peers.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [case.name for case in cases]


def test_definition_of_a_tie() -> None:
    view = [(1, at(-1), at(-1), 5), (1, at(-1), at(-0.5), 3), (1, at(-1), at(1), 9)]
    case = Case("", "", [(1, at())], view, has_created=True)
    assert case.answer() == [3]


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ([[(0, 3), (1, None)]], "equal"),
        ([[(0, 3)]], "differs"),
        ([[(0, 4), (1, None)]], "differs"),
        ([[(0, 3), (1, None)], [(0, 5), (1, None)]], "unstable"),
    ],
)
def test_verdicts(answers: list[list[tuple[int, int | None]]], word: str) -> None:
    case = Case("", "", [(1, at()), (2, at())], [(1, at(-1), None, 3)])
    assert verdict(case, answers).word == word  # type: ignore[arg-type]


def test_a_peer_of_the_loader_needs_nothing_that_its_environment_lacks() -> None:
    code = "import sys; sys.modules['psutil'] = sys.modules['duckdb'] = None; import bench.peers.read_batches"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)

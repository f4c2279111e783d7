"""docs/reliability.md names tests that exist, and figures that were recorded."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "held by" not in line]
    promises = [line for line in rows if "bench/results/" not in line and "| figure |" not in line]
    assert len(promises) > 25
    for line in promises:
        assert "::" in line, line


def test_the_figures_are_those_that_were_recorded() -> None:
    soak = json.loads((REPOSITORY / "bench/results/soak.json").read_text())["totals"]
    assert soak["lost"] == 0
    assert f"| {soak['kills_survived']} |" in PAGE
    assert f"| {soak['bytes_compared']:,} |" in PAGE


def test_the_kills_of_a_ray_cluster_are_those_that_were_recorded() -> None:
    kills = json.loads((REPOSITORY / "bench/results/ray_kills.json").read_text())["totals"]
    assert kills["lost"] == 0
    assert f"| kills of a Ray cluster survived, by seed | {kills['kills']} |" in PAGE


def test_the_kills_on_a_cluster_of_flink_are_those_that_were_recorded() -> None:
    ranges = json.loads((REPOSITORY / "bench/results/engines.json").read_text())["flink"]
    survived = sum(one["kills_survived"] for one in ranges)
    assert f"| kills on a cluster of Flink survived, by seed | {survived} |" in PAGE
    # Whatever else a kill did would be a loss.
    lost = [end for one in ranges for end in one["lost"]]
    ended = [
        end for end in lost if re.match(r"kill \d+ \([\w ]+\): exit code 1: ", end) and "(--worker-timeout)" in end
    ]
    late = [end for end in lost if re.fullmatch(r"kill \d+ \([\w ]+\): an end of Flink's job: not within 10 s", end)]
    assert len(lost) == len(ended) + len(late)
    assert not any("--worker-timeout" in end for one in ranges if "jobs_submitted_anew" in one for end in one["lost"])
    assert re.search(rf"^\| kills there that ended the run, .*\| {len(ended)} \| ", PAGE, re.MULTILINE)
    assert re.search(
        rf"^\| kills there after which a job had not ended within 10 s, .*\| {len(late)} \| ", PAGE, re.MULTILINE
    )
    anew = sum(one.get("jobs_submitted_anew", 0) for one in ranges)
    assert f"| jobs there that were submitted anew, whose runs ended well | {anew} |" in PAGE


def test_the_number_of_wrong_inputs_is_that_of_their_folder() -> None:
    cases = list((REPOSITORY / "tests/daeda/cli/bad_input").glob("*.yaml"))
    (number,) = re.findall(r"wrong inputs in `tests/daeda/cli/bad_input` \(more than (\d+)\)", PAGE)
    assert 0 <= len(cases) - int(number) - 1 < 100


def test_the_figures_of_the_fuzzer_are_those_that_were_recorded() -> None:
    strategies = json.loads((REPOSITORY / "bench/results/fuzz.json").read_text())["strategies"].values()
    assert all(strategy["findings"] == [] for strategy in strategies)
    assert f"| {sum(strategy['examples'] for strategy in strategies):,} |" in PAGE

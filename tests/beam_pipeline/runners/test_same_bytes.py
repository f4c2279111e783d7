"""Every case on the portable runner, in both forms of worker: the bytes of DirectRunner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.art_feed.conftest import DAYS as ART_DAYS
from tests.art_feed.conftest import ArtFeed
from tests.beam_pipeline.runners.conftest import Services, left_in_staging, parts
from tests.cases.case import RUNTIME as RUNTIME_PATH
from tests.cases.jobs import Entry, run_job
from tests.journey.conftest import DAYS, EXAMPLE, RUNTIME, SERVICE
from tests.projects import TinyProject, moment


def _as_it_is(project: TinyProject) -> None:
    """Nothing is changed."""


def _ties_and_corrections(project: TinyProject) -> None:
    project.views["prices"]["fields"].append({"name": "known_at", "dtype": "timestamp[us]"})
    project.views["prices"]["source"] |= {"created_field": "known_at", "missing_partitions": "empty"}
    early, late = moment("02 07:00"), moment("03 12:00")
    project.data["prices"] = [
        (10, moment("02 08:00"), 1.5, early), (10, moment("02 08:00"), 2.5, early), (10, moment("02 09:00"), 9.5, late),
        (11, moment("02 08:00"), None, early),
    ]  # fmt: skip
    project.service["spine"]["filters"] = [{"where": "amount < 5 OR user_id = 1"}]


def _many_parts(project: TinyProject) -> None:
    project.runtime |= {"rows_per_part": 1, "rolling_chunk_rows": 1}
    project.data["events"] = [
        (user, item, moment(f"0{day} {hour:02}:00"), None if item == 3 else item / 10)
        for day in (1, 2, 3) for hour in (3, 4, 21) for user in (1, 2) for item in (1, 3, 10)
    ]  # fmt: skip


def _day_without_rows(project: TinyProject) -> None:
    project.data["events"] = [row for row in project.data["events"] if row[2].day != 3]
    project.views["events"]["source"]["missing_partitions"] = "empty"
    project.views["prices"]["source"]["missing_partitions"] = "empty"


TINY: dict[str, Callable[[TinyProject], None]] = {
    "as_it_is": _as_it_is,
    "ties_and_corrections": _ties_and_corrections,
    "many_parts": _many_parts,
    "day_without_rows": _day_without_rows,
}


@pytest.fixture(scope="module")
def projects(art_feed: ArtFeed, tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Two days each of the example and of the root project, and tiny projects."""
    root = tmp_path_factory.mktemp("cases")
    data = root / "journey"
    subprocess.run([sys.executable, EXAMPLE / "prepare.py", "--data", data], check=True, capture_output=True)
    settings = {"data_root": str(data), "feed_end": DAYS[-1], "rows_per_part": 1500, "day_workers": 2}
    feed = {"feed_end": ART_DAYS[-1], "rows_per_part": 300, "day_workers": 2}
    entries = [
        Entry("household_ranking", RUNTIME, SERVICE, settings),
        Entry("dssm_ranking", art_feed.root / RUNTIME_PATH, "dssm_ranking", feed),
    ]
    for name, change in TINY.items():
        project = TinyProject(root / name)
        change(project)
        entries.append(Entry(name, project.write().write_data().runtime_path, "ranking"))
    return entries


@pytest.fixture(scope="module")
def expected(projects: list[Entry], golden: list[Entry], golden_days: Path) -> dict[str, Path]:
    """The directory of every service as DirectRunner built it, by the name of the entry."""
    run_job(projects, golden_days, ("--runner", "DirectRunner"))
    return {entry.name: golden_days / entry.name / entry.service for entry in (*projects, *golden)}


@pytest.mark.some(1)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_one_job_that_holds_all_cases_gives_the_bytes_of_direct_runner(
    services: Services, projects: list[Entry], golden: list[Entry], expected: dict[str, Path], tmp_path: Path, form: str
) -> None:
    assert {"household_ranking", "dssm_ranking", "own_function_duckdb"} <= set(expected)
    run_job([*projects, *golden], tmp_path, services.forms[form])
    for entry in (*projects, *golden):
        built, wanted = tmp_path / entry.name / entry.service, expected[entry.name]
        assert len(parts(wanted)) >= len(list((wanted / "skeleton").glob("dt=*"))) > 0
        assert parts(built) == parts(wanted), entry.name
        assert manifests(built) == manifests(wanted), entry.name
        assert left_in_staging(built) == []


def manifests(service_dir: Path) -> dict[str, Any]:
    """What the manifests say, without how long it took and when the files were last changed."""
    by_day = {
        path.parent.name: json.loads(path.read_text()) for path in (service_dir / "skeleton").glob("dt=*/_*.json")
    }
    for manifest in by_day.values():
        del manifest["seconds"], manifest["stamps"]
    return by_day

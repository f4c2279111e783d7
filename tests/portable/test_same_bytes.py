"""Every case on the portable runner, in both forms of worker: the bytes of DirectRunner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journey.conftest import DAYS, EXAMPLE, RUNTIME, SERVICE
from tests.portable.conftest import REPOSITORY, Services, left_in_staging, parts, run_skeleton
from tests.projects import TinyProject, moment


@dataclass(frozen=True)
class Case:
    """A project, and what flags would override."""

    name: str
    runtime: Path
    settings: dict[str, Any]
    service: str = "ranking"
    days: int = 2


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
    "as it is": _as_it_is,
    "ties and corrections": _ties_and_corrections,
    "many parts": _many_parts,
    "day without rows": _day_without_rows,
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    root = tmp_path_factory.mktemp("cases")
    data = root / "journey"
    subprocess.run([sys.executable, EXAMPLE / "prepare.py", "--data", data], check=True, capture_output=True)
    settings = {"data_root": str(data), "feed_end": DAYS[-1], "rows_per_part": 1500, "day_workers": 2}
    found = [Case("household ranking", RUNTIME, settings, SERVICE, len(DAYS))]
    for name, change in TINY.items():
        project = TinyProject(root / name.replace(" ", "_"))
        change(project)
        found.append(Case(name, project.write().write_data().runtime_path, {}))
    return found


def output_of(root: Path, case: Case) -> Path:
    return root / case.name.replace(" ", "_")


@pytest.fixture(scope="module")
def expected(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The days of every case as DirectRunner builds them."""
    root = tmp_path_factory.mktemp("direct")
    for case in cases:
        settings = {name.upper(): str(value) for name, value in case.settings.items()}
        words = ("--output-root", output_of(root, case), "--runner", "DirectRunner")
        done = run_skeleton(case.runtime, *words, **settings)
        assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize("form", ["loopback", "external"])
def test_one_job_that_holds_all_cases_gives_the_bytes_of_direct_runner(
    services: Services, cases: list[Case], expected: Path, tmp_path: Path, form: str
) -> None:
    listed = [
        {"runtime": str(case.runtime), "settings": {**case.settings, "output_root": str(output_of(tmp_path, case))}}
        for case in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(listed))
    words = [sys.executable, "-m", "tests.portable.all_cases", tmp_path / "cases.json", *services.forms[form]]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    for case in cases:
        found = output_of(tmp_path, case) / case.service
        wanted = output_of(expected, case) / case.service
        assert len(list((wanted / "skeleton").glob("dt=*"))) == case.days
        assert parts(found) == parts(wanted), case.name
        assert manifests(found) == manifests(wanted), case.name
        assert left_in_staging(found) == []


def manifests(service_dir: Path) -> dict[str, Any]:
    """What the manifests say, without how long it took."""
    found = {path.parent.name: json.loads(path.read_text()) for path in (service_dir / "skeleton").glob("dt=*/_*.json")}
    for one in found.values():
        del one["seconds"]
    return found

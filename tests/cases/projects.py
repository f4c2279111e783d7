"""What every runner builds beside the golden cases: two days of each example, and tiny projects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.art_feed.conftest import DAYS as ART_DAYS
from tests.art_feed.conftest import ArtFeed
from tests.cases.case import RUNTIME as RUNTIME_PATH
from tests.cases.jobs import Entry
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


def project_entries(root: Path, art_feed: ArtFeed) -> list[Entry]:
    """Two days each of the example and of the root project, and tiny projects, their data below `root`."""
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

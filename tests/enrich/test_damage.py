"""A skeleton that is damaged while its stamp says otherwise: the enrichment refuses it, and the next run mends it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.manifest import DayName
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.published import look_at_days
from daeda.dataset.stamps import remember_stamps
from daeda.errors import DayError
from enrich import job
from enrich.job import EnrichRun
from enrich.publish import verify_skeleton
from tests.enrich.tiny_project import DAYS, opened, write_project

PART = "part-3-0.parquet"


def test_a_damaged_skeleton_is_told_and_the_next_plan_builds_it_anew(tmp_path: Path) -> None:
    write_project(tmp_path)
    layout = Layout(tmp_path / "output/likes")
    part = tmp_path / f"output/likes/skeleton/dt={DAYS[0]}/{PART}"
    with part.open("r+b") as file:
        file.seek(100)
        file.write(b"damage")
    # As if the disk had changed it.
    every = {path.name: str(path.stat().st_ctime_ns) for path in part.parent.glob("part-*")}
    remember_stamps(layout, DayName("likes", "skeleton", DAYS[0]), every)
    assert look_at_days(layout, "skeleton", DAYS[:1])[DAYS[0]].damage == ()
    run = EnrichRun(*opened(tmp_path), DAYS)
    with open_staging(layout) as staging:
        work = job._plan_day(run, staging, DAYS[0])
        with pytest.raises(DayError) as raised:
            verify_skeleton(work, layout)
    assert str(raised.value) == (
        f"its skeleton is damaged: {part}: the bytes on disk are not those that were written: run `daeda pipeline "
        "train likes`, which builds the skeleton of the day anew and enriches it"
    )
    assert look_at_days(layout, "skeleton", DAYS[:1])[DAYS[0]].damage == (f"{PART} is not the file that was published",)
    assert os.listdir(layout.staging) == ["staging.lock"]  # noqa: PTH208

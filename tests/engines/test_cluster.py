"""A cluster of Flink on two hosts, each with a pool of its own: the bytes, and how many days are at work at once.

What is killed there, and when, is in `campaign.py`; `make engines` runs both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beam_pipeline.runners.conftest import run_skeleton
from tests.beam_pipeline.runners.test_same_bytes import check_same_bytes
from tests.cases.jobs import Entry, run_job
from tests.engines.meeting import Meeting
from tests.engines.site import SLOTS, Site

pytestmark = pytest.mark.long


@pytest.mark.parametrize("day_workers", [None, 1])
def test_two_hosts_have_their_slots_at_work_and_no_more_than_day_workers(
    two_hosts: Site, tmp_path: Path, day_workers: int | None
) -> None:
    together = day_workers or SLOTS
    meeting = Meeting(tmp_path, 3 * SLOTS, together)
    limit = () if day_workers is None else ("--day-workers", str(day_workers))
    done = run_skeleton(meeting.project.runtime_path, *two_hosts.flags, *limit)
    assert done.returncode == 0, done.stderr
    assert meeting.most_at_once == together
    assert meeting.attempts == 3 * SLOTS


def test_two_hosts_give_the_bytes_of_direct_runner(
    two_hosts: Site, projects: list[Entry], golden: list[Entry], tmp_path: Path
) -> None:
    entries = [*projects, *(entry for entry in golden if entry.name.startswith("own_function"))]
    run_job(entries, tmp_path / "direct", ("--runner", "DirectRunner"))
    check_same_bytes(entries, tmp_path / "direct", tmp_path / "two_hosts", two_hosts.flags)

"""How many days real engines have at work at once: the first days wait for each other, so that time decides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beam_pipeline.runners.conftest import run_skeleton
from tests.engines.meeting import Meeting

pytestmark = pytest.mark.cases

FORMS = ("loopback", "external")


def check_at_once(root: Path, together: int, *words: str) -> None:
    """Of twice as many days exactly `together` are at work at once, and each is built once."""
    meeting = Meeting(root, 2 * together, together)
    done = run_skeleton(meeting.project.runtime_path, *words)
    assert done.returncode == 0, done.stderr
    assert meeting.most_at_once == together
    assert meeting.attempts == 2 * together


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", FORMS)
def test_prism_builds_days_side_by_side(
    prism: tuple[str, ...], forms: dict[str, tuple[str, ...]], tmp_path: Path, form: str
) -> None:
    check_at_once(tmp_path, 3, *prism, *forms[form], "--day-workers", "3")


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("engine", ["flink", "prism"])
def test_more_slots_and_day_workers_than_days_are_of_no_harm(
    request: pytest.FixtureRequest, forms: dict[str, tuple[str, ...]], tmp_path: Path, engine: str
) -> None:
    meeting = Meeting(tmp_path, 2, 2)
    words = (*request.getfixturevalue(engine), *forms["external"], "--parallelism", "5", "--day-workers", "8")
    done = run_skeleton(meeting.project.runtime_path, *words)
    assert done.returncode == 0, done.stderr
    assert (meeting.most_at_once, meeting.attempts) == (2, 2)


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize(
    ("slots", "day_workers"),
    [(3, 2), (1, 3), (2, None), (4, None)],
    ids=["3-for-2", "1-for-3", "2", "4"],
)
@pytest.mark.parametrize("form", ["external", "loopback"])
def test_flink_builds_as_many_days_at_once_as_it_has_slots_within_day_workers(
    flink: tuple[str, ...],
    forms: dict[str, tuple[str, ...]],
    tmp_path: Path,
    form: str,
    slots: int,
    day_workers: int | None,
) -> None:
    words = (*flink, *forms[form], "--parallelism", str(slots))
    limit = () if day_workers is None else ("--day-workers", str(day_workers))
    check_at_once(tmp_path, min(slots, day_workers or slots), *words, *limit)

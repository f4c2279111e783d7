"""Days and calls in other processes that are over their limits, by their status files and the clock of the driver."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipeline.session.status import DayStatus
from beam_pipeline.workers import time_limits
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from beam_pipeline.workers.time_limits import TimeOfOthers
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging

DAY = dt.date(2024, 1, 2)
LATE = "day 2024-01-02, operator 'made': the function has not returned"


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedDaySlots]:
    monkeypatch.setattr(time_limits, "_SLACK_SECONDS", 0.0)
    monkeypatch.setattr(time_limits, "_SELDOM_SECONDS", 0.0)
    with open_staging(Layout(tmp_path / "service")) as staging:
        yield SharedDaySlots(staging.directory, 2).open()


def looks(time_of_others: TimeOfOthers, number: int = 4) -> list[str | None]:
    """What is said at so many looks."""
    found = []
    for _ in range(number):
        found.append(time_of_others.late())
        time.sleep(0.02)
    return found


def test_a_call_that_is_over_its_limit_is_told(slots: SharedDaySlots) -> None:
    slots.enter(DAY, "a", lambda: None)
    DayStatus(slots.status, DAY, "a").report_call("made", LATE, 0.01)
    first, *others = looks(TimeOfOthers(slots, 60))
    assert first is None
    assert LATE in others


def test_a_call_of_a_day_that_was_lost_with_its_worker_has_no_limit(slots: SharedDaySlots) -> None:
    """Its status file stays until the day is tried again, however long the engine takes for that."""
    slots.enter(DAY, "a", lambda: None)
    DayStatus(slots.status, DAY, "a").report_call("made", LATE, 0.01)
    # A killed process gives its slot back and removes nothing.
    slots.leave("a")
    time_of_others = TimeOfOthers(slots, 60)
    assert set(looks(time_of_others)) == {None}
    slots.enter(dt.date(2024, 1, 3), "b", lambda: None)
    assert set(looks(time_of_others)) == {None}
    slots.enter(DAY, "c", lambda: None)
    DayStatus(slots.status, DAY, "c").report_call("made", LATE, 0.01)
    assert LATE in looks(time_of_others)


def test_a_call_within_its_limit_and_what_is_no_status_are_passed_over(slots: SharedDaySlots) -> None:
    slots.enter(DAY, "a", lambda: None)
    DayStatus(slots.status, DAY, "a").report_call("made", LATE, 60.0)
    for name, text in {"b": "", "c": "[]", "d": "{}", "e": '{"attempt": 1, "day": "no", "seconds": "1"}'}.items():
        (slots.status / f"{name}.json").write_text(text)
    assert set(looks(TimeOfOthers(slots, 60))) == {None}


def test_a_day_has_its_minutes_and_another_attempt_has_them_anew(slots: SharedDaySlots) -> None:
    """Whatever it says of itself: it may be stopped before it has said anything, or behind its end."""
    time_of_others = TimeOfOthers(slots, 1 / 600)
    slots.enter(DAY, "a", lambda: None)
    assert time_of_others.late() is None
    slots.leave("a")
    slots.enter(DAY, "b", lambda: None)
    time.sleep(0.15)
    assert time_of_others.late() is None
    time.sleep(0.15)
    assert time_of_others.late() == (
        "day 2024-01-02: not done after 0.00166667 minutes, and its worker does not end it: see there, raise "
        "timeouts.day_minutes, or give the run more memory and threads"
    )
    slots.leave("b")
    assert time_of_others.late() is None


def test_a_slot_that_was_taken_by_a_worker_that_says_nothing_has_its_minutes_too(slots: SharedDaySlots) -> None:
    time_of_others = TimeOfOthers(slots, 1 / 600)
    slots.enter(DAY, "a", lambda: None)
    os.truncate(slots.status.parent / "slots" / "0", 0)
    assert time_of_others.late() is None
    time.sleep(0.15)
    told = time_of_others.late()
    assert told is not None
    assert told.startswith("day that has just begun: not done after")


def test_days_are_looked_for_seldom(slots: SharedDaySlots, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a look through all slots."""
    monkeypatch.setattr(time_limits, "_SELDOM_SECONDS", 60.0)
    looked = [0]

    def look(_slots: SharedDaySlots) -> dict[str, str]:
        looked[0] += 1
        return {}

    monkeypatch.setattr(SharedDaySlots, "attempts_at_work", property(look))
    assert set(looks(TimeOfOthers(slots, 60), 10)) == {None}
    assert looked == [1]

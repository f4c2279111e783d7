"""Two runs on one output root: a day belongs to one of them at a time, and the other waits or says who holds it."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.publish.claims import Claim, claim_days, holds, release
from daeda.dataset.publish.publish import publish_day
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.errors import DayError
from tests.daeda.dataset.test_staging import DAY, manifest_of, prepared, published

DAYS = tuple(dt.date(2024, 1, day) for day in range(1, 8))
FIRST: Claim = ("skeleton", DAYS[0])
SINCE = 1_704_067_200


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output" / "service")


def silent(line: str) -> None:
    raise AssertionError(line)


def claim(staging: RunStaging, *claims: Claim) -> None:
    assert claim_days(staging, claims, "fail", tell=silent) is False


def pretend_to_have_begun(staging: RunStaging) -> None:
    """The lock of a run with a known time; who holds it stays true."""
    text = json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": SINCE + 0.75})
    (staging.directory / "run.lock").write_text(text)


def test_a_day_that_another_run_holds_is_refused_with_who_holds_it(layout: Layout) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        pretend_to_have_begun(first)
        claim(first, *(("skeleton", day) for day in DAYS))
        with pytest.raises(DayError) as caught:
            claim_days(second, [("enriched", DAYS[0]), *(("skeleton", day) for day in DAYS[1:])], "fail", tell=silent)
        assert str(caught.value) == (
            "locked: 2024-01-02 (skeleton), 2024-01-03 (skeleton), 2024-01-04 (skeleton) and 3 more held by process "
            f"{os.getpid()} on {socket.gethostname()} since 2024-01-01 00:00:00 UTC: run again when that run has "
            "ended, or wait for it with --on-locked wait"
        )
        # Who could not have all has none.
        assert not holds(second, "enriched", DAYS[0])
        claim(second, ("enriched", DAYS[0]))
    with open_staging(layout) as third:
        claim(third, *(("skeleton", day) for day in DAYS))


def test_other_days_and_other_datasets_are_free(layout: Layout) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        claim(first, FIRST)
        claim(first, FIRST)
        claim(second, ("skeleton", DAYS[1]), ("enriched", DAYS[0]))
        release(first, [FIRST, ("skeleton", DAYS[5])])
        claim(second, FIRST)


def test_a_run_waits_for_the_day_and_says_so_once(layout: Layout) -> None:
    told: list[str] = []
    checks: list[None] = []
    with open_staging(layout) as first, open_staging(layout) as second:
        pretend_to_have_begun(first)
        claim(first, FIRST)

        def check() -> None:
            checks.append(None)
            if len(checks) == 2:
                release(first, [FIRST])

        assert claim_days(second, [FIRST], "wait", tell=told.append, check=check) is True
        assert holds(second, *FIRST)
    assert told == [
        f"waiting: 2024-01-01 (skeleton) held by process {os.getpid()} on {socket.gethostname()} since 2024-01-01 "
        "00:00:00 UTC (--on-locked fail ends instead)"
    ]


def test_waiting_can_be_interrupted(layout: Layout) -> None:
    def stop() -> None:
        raise DayError("enough")

    with open_staging(layout) as first, open_staging(layout) as second:
        claim(first, FIRST)
        with pytest.raises(DayError, match=r"^enough$"):
            claim_days(second, [FIRST], "wait", tell=lambda line: None, check=stop)


def test_a_published_day_is_free_again(layout: Layout) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        claim(first, ("skeleton", DAY))
        ready = prepared(first, "new")
        publish_day(first, "skeleton", DAY, ready, manifest_of(ready))
        claim(second, ("skeleton", DAY))


HOLDER = """
import datetime as dt, pathlib, sys, time
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
with open_staging(Layout(pathlib.Path(sys.argv[1]))) as staging:
    claim_days(staging, [("skeleton", dt.date(2024, 1, 1))], "fail", tell=print)
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_claims_of_a_killed_run_are_recovered(layout: Layout) -> None:
    words = [sys.executable, "-c", HOLDER, str(layout.service_dir)]
    with subprocess.Popen(words, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with open_staging(layout) as second:
            with pytest.raises(DayError, match=rf"^locked: 2024-01-01 \(skeleton\) held by process {holder.pid} on "):
                claim_days(second, [FIRST], "fail", tell=silent)
            told: list[str] = []
            waiting = threading.Thread(target=claim_days, args=(second, [FIRST], "wait"), kwargs={"tell": told.append})
            waiting.start()
            deadline = time.monotonic() + 240
            while not told:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            holder.send_signal(signal.SIGKILL)
            waiting.join(60)
            assert not waiting.is_alive()
            assert holds(second, *FIRST)
            assert list(layout.staging.glob("run-*")) == [second.directory]


def test_what_a_run_that_was_taken_for_dead_has_written_is_not_published(layout: Layout) -> None:
    """A worker in another process may go on after its driver was killed and another run has cleared it away."""
    with open_staging(layout) as first:
        ready = prepared(first, "late")
        manifest = manifest_of(ready)
        elsewhere = layout.service_dir / "elsewhere"
        ready.rename(elsewhere)
        for path in sorted(first.directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        first.directory.rmdir()
        with pytest.raises(DayError) as caught:
            publish_day(first, "skeleton", DAY, elsewhere, manifest)
        assert str(caught.value) == (
            f"{layout.day_dir('skeleton', DAY)}: not published, because the run {first.directory.name} has ended"
        )
        with pytest.raises(FileNotFoundError):
            prepared(first, "later")
        assert not first.directory.exists()
    assert published(layout) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"host": 1}', '{"host": "h", "process": 1, "since": 1e999}'])
def test_a_lock_that_was_written_over_is_told_without_its_holder(layout: Layout, text: str) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        claim(first, FIRST)
        (first.directory / "run.lock").write_text(text)
        with pytest.raises(DayError) as caught:
            claim_days(second, [FIRST], "fail", tell=silent)
        assert str(caught.value) == (
            "locked: 2024-01-01 (skeleton) held by process 0 on an unknown host since an unknown time UTC: run again "
            "when that run has ended, or wait for it with --on-locked wait"
        )

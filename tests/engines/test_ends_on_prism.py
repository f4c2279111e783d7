"""How runs end on Prism, which begins no failed job again: by a signal, and by killed workers and drivers."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.beam_pipeline.runners.slow_runs import (
    Running,
    check_the_rest_is_built,
    published,
    running,
    slow,
    wait_for,
    worker_processes,
)
from tests.engines.meeting import Meeting
from tests.engines.processes import wait_until

__all__ = ["running", "slow"]

pytestmark = pytest.mark.cases


@pytest.mark.parametrize("how", ["a killed worker", "a killed driver", "a signal"])
def test_a_run_on_prism_ends_and_another_goes_on(
    prism: tuple[str, ...], forms: dict[str, tuple[str, ...]], running: Running, tmp_path: Path, how: str
) -> None:
    """Two days are at work, and wait for a third one, when it ends."""
    meeting = Meeting(tmp_path, 2, 3)
    skeleton = meeting.project.root / "output" / "ranking"
    process = running(*prism, *forms["external"], "--day-workers", "2", project=meeting.project)
    wait_for(process, lambda: meeting.attempts == 2)
    if how == "a killed worker":
        for worker in worker_processes(skeleton):
            worker.kill()
    elif how == "a killed driver":
        process.kill()
    else:
        process.send_signal(signal.SIGINT)
        wait_until("the end of the run", lambda: process.poll() is not None)
    meeting.let_go()
    stdout, stderr = process.communicate(timeout=120)
    wait_until("the end of its days", lambda: not worker_processes(skeleton))
    code, last = {
        "a killed worker": (1, r"error: a worker was lost in the middle of a day: \S+\.log has what .*"),
        "a killed driver": (-signal.SIGKILL, None),
        # Its days were in the middle of a function.
        "a signal": (130, r"error: interrupted by SIGINT( \(a day did not stop within 3 s\))?"),
    }[how]
    assert (process.returncode, stdout) == (code, ""), stderr
    assert last is None or re.fullmatch(last, stderr.splitlines()[-1]), stderr
    assert "Traceback" not in stderr
    assert "it is not known" not in stderr
    if how == "a killed worker":
        assert published(skeleton) == set()
    check_the_rest_is_built(meeting.project, skeleton, 2)

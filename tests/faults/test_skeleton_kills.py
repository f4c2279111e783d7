"""The skeleton is killed before steps from its first to its last, and at random times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.fault import Fault
from tests.faults.scene import STATES, Scene, alive
from tests.faults.warm import REPOSITORY, TAG

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PLACES = 3


@pytest.mark.some(4, cases=12)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("place", range(PLACES))
def test_killed_before_a_step(scene: Scene, state: str, number: signal.Signals, place: int) -> None:
    # 18 kills; the steps are spread over the run, and no two signals strike before the same one.
    strikes = PLACES * len(SIGNALS)
    at = 1 + (scene.steps[state] - 1) * (place * len(SIGNALS) + SIGNALS.index(number)) // (strikes - 1)
    output = scene.output(state)
    child = scene.start(output, fault=Fault(at, "signal", str(int(number))))
    code = child.wait()
    assert code == -9 if number == signal.SIGKILL else code in (0, 130), (code, child.stderr)
    assert "Traceback" not in child.stderr
    scene.check_after_fault(output, state)
    scene.check_after_rerun(output)


@pytest.mark.some(2, cases=6)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_killed_at_a_random_time(scene: Scene, state: str, number: signal.Signals) -> None:
    output = scene.output(state)
    seconds = random.Random(f"{state} {number}").uniform(0.1, 0.6)
    child = scene.start(output)
    time.sleep(seconds)
    os.kill(child.pid, number)
    code = child.wait()
    assert code in (0, 130, -int(number)), (code, child.stderr)
    assert "Traceback" not in child.stderr
    scene.check_after_fault(output, state)
    scene.check_after_rerun(output)


def test_what_a_run_left_that_was_killed_behind_its_last_day_goes_with_the_next_run(scene: Scene) -> None:
    output = scene.output("empty")
    scene.succeed(output)
    (output / "ranking" / "_staging" / "run-dead" / "work").mkdir(parents=True)
    scene.check_after_rerun(output)


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_killed_driver_takes_its_halves_with_it(scene: Scene, number: signal.Signals) -> None:
    """`daeda pipeline train` starts the skeleton as a process of its own, which hears that it has gone."""
    output = scene.output("stale")
    words = [sys.executable, "-m", "daeda", "pipeline", "train", "ranking", *scene.words(output)]
    environment = {**os.environ, TAG: str(output)}
    process = subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 240
    while not list(output.glob("ranking/_staging/run-*/work/dt=*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    # Its supervisor, the driver, and the half.
    assert len(alive(str(output))) == 3
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert "Traceback" not in stderr
    if number == signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 130
        told = [line for line in stderr.splitlines() if line.startswith("error")]
        assert told == ["error: interrupted by SIGTERM: published days stay, run again to go on"]
        assert stderr.splitlines()[-1] == told[0]
    scene.check_after_fault(output, "stale")
    scene.check_after_rerun(output)

"""The example's real data, prepared once, and runs of the commands over it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "complete_journey"
RUNTIME = EXAMPLE / "config" / "training" / "runtime.yaml"
SERVICE = "household_ranking"
DAYS = ("2017-01-29", "2017-01-30", "2017-01-31", "2017-02-01")


@dataclass(frozen=True)
class Journey:
    """The prepared data, and commands over its first days."""

    data: Path

    def environment(self, **settings: str) -> dict[str, str]:
        """Settings of the run: the first days, and small parts, so that a day has several."""
        chosen = {"DATA_ROOT": str(self.data), "FEED_END": DAYS[-1], "ROWS_PER_PART": "1500", **settings}
        return {**os.environ, **{f"DAEDA_{name}": value for name, value in chosen.items()}}

    def command(self, output: Path, *flags: str) -> list[str]:
        """`daeda pipeline train` with the example's configuration."""
        words = [sys.executable, "-m", "daeda", "pipeline", "train", SERVICE]
        return [*words, "--runtime-config-path", str(RUNTIME), "--output-root", str(output), *flags]

    def train(self, output: Path, *flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run to the end; fails the test when the exit code is not 0."""
        done = subprocess.run(
            self.command(output, *flags), env=self.environment(**settings), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done

    def interrupt(self, output: Path, when: Callable[[], bool], *flags: str) -> tuple[int, str]:
        """Run, send SIGINT to the driver as soon as `when` holds, and return the exit code and stderr."""
        process = subprocess.Popen(
            self.command(output, *flags),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 120
            while not when():
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=300)
        finally:
            process.kill()
        return process.returncode, errors


def digests(output: Path, dataset: str) -> dict[str, str]:
    """SHA-256 of every part, by `dt=.../part-N-0.parquet`."""
    base = output / SERVICE / dataset
    parts = sorted(base.glob("dt=*/*.parquet"))
    return {str(path.relative_to(base)): hashlib.sha256(path.read_bytes()).hexdigest() for path in parts}


def published(output: Path, dataset: str) -> list[str]:
    """Days that have a manifest."""
    return sorted(path.parent.name for path in (output / SERVICE / dataset).glob("dt=*/_manifest.json"))


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """The data of the example, prepared as a user would."""
    data = tmp_path_factory.mktemp("journey") / "data"
    subprocess.run([sys.executable, EXAMPLE / "prepare.py", "--data", data], check=True, capture_output=True)
    return Journey(data)


@pytest.fixture(scope="session")
def whole_run(journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of one undisturbed run of both halves."""
    output = tmp_path_factory.mktemp("whole")
    journey.train(output)
    return output

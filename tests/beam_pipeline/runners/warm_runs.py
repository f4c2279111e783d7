"""Runs of `python -m beam_pipeline` out of a process that has imported Beam once for all of them.

Each is a process of its own, with its supervisor, that gets signals, is killed, and starts job servers and stand-ins
like any other; it is forked behind the imports, which cost more than the run. `test_ends.py` and `tests/daeda/cli`
start the command itself, too.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.warm import Warm, warm_process

_LOOK_SECONDS = 0.02


class WarmRun:
    """A run, with the methods of `subprocess.Popen` that tests of ends use."""

    def __init__(self, words: Sequence[str | Path], environment: dict[str, str]) -> None:
        self.returncode: int | None = None
        self._said = Path(tempfile.mkdtemp(prefix="run-", dir=_directory()))
        question = {"words": list(map(str, words)), "directory": str(self._said), "environment": environment}
        self.pid = int(_warm().ask(question)["pid"])

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = _warm().ask({"look": self.pid})["code"]
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to its supervisor, which is what a user has started."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End its supervisor at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 240.0) -> tuple[str, str]:
        """Wait for its end; its stdout and stderr."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"run {self.pid}", timeout, stderr=self._read("stderr").encode())
            time.sleep(_LOOK_SECONDS)
        return self._read("stdout"), self._read("stderr")

    def _read(self, name: str) -> str:
        path = self._said / name
        return path.read_text(errors="replace") if path.exists() else ""


@functools.cache
def _warm() -> Warm:
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(warm_process())


@functools.cache
def _directory() -> str:
    directory = tempfile.mkdtemp(prefix="daeda-runs-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory

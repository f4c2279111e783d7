"""Processes of engines: started with a log of their own, waited for by what they say, and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.beam_pipeline.runners.conftest import kill_family

# A loaded machine takes its time; what takes longer does not come.
SECONDS_TO_START = 120.0
# A run of pytest that hangs is ended without a word, and would leave servers behind. Said by the new process and not
# between fork and exec: to a fork in this process, which may have imported Lance, Lance objects.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Server:
    """A process that serves, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def said(self, pattern: str, seconds: float = SECONDS_TO_START) -> re.Match[str]:
        """What it logs by this pattern, waited for."""
        until = time.monotonic() + seconds
        while True:
            # Asked first: what a process says before its end is read after it.
            alive = self.alive
            found = re.search(pattern, self.log.read_text(errors="replace"))
            if found is not None:
                return found
            assert alive, f"{self.log}: {self.log.read_text(errors='replace')[-3000:]}"
            assert time.monotonic() < until, f"{self.log}: no {pattern!r} within {seconds:g} s"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        kill_family(self.pid)
        self.process.wait()


@contextlib.contextmanager
def serving(
    words: Sequence[str | Path], log: Path, settings: Mapping[str, str] | None = None, directory: Path | None = None
) -> Iterator[Server]:
    """A process that is ended, with all that it started, at the end of the block."""
    server = start(words, log, settings, directory)
    try:
        yield server
    finally:
        server.kill()


def start(
    words: Sequence[str | Path], log: Path, settings: Mapping[str, str] | None = None, directory: Path | None = None
) -> Server:
    """A process in a session of its own, which no signal of a terminal reaches, that whoever starts it has to kill."""
    environment = {**os.environ, **(settings or {})}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", _DIE_WITH_PARENT, *map(str, words)], cwd=directory or log.parent,
            env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    return Server(process, log)


def wait_until(what: str, is_so: object, seconds: float = SECONDS_TO_START) -> None:
    """Wait for a state; `what` names it when it does not come."""
    until = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)

"""Run a command and watch the memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# A sample reads a few files per process of the tree: 20 a second cost about one percent of a core.
_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """Wall seconds, and the greatest sum of memory that was seen, in MiB; what the command wrote to stdout,
    and the CPU time that it and its descendants took.

    Memory is proportional set size (PSS): a page that several processes share counts once in all.
    """

    seconds: float
    peak_mib: float
    output: str = ""
    cpu_seconds: float = 0.0


class CommandFailed(RuntimeError):
    """A command that ended with another code than 0; `said` is all that it wrote."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command)} ended with {code}:\n{said}")
        self.said = said


def run_measured(
    command: Sequence[str], environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Measured:
    """Run a command to its end, with more variables and in a directory; raises CommandFailed when it fails."""
    variables = None if environment is None else {**os.environ, **environment}
    # To files and not to pipes: a pipe that nobody empties would hold the command up.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=variables, cwd=directory)
        peak = [0]
        ended = threading.Event()
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, ended), daemon=True)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        ended.set()
        sampler.join()
        output.seek(0)
        errors.seek(0)
        said = output.read()
        if process.returncode:
            raise CommandFailed(command, process.returncode, said + errors.read())
    return Measured(seconds, peak[0] / 2**20, said, usage.ru_utime + usage.ru_stime)


def _sample(pid: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        peak[0] = max(peak[0], tree_memory(pid))


def tree_memory(pid: int) -> int:
    """Bytes of PSS of a process and all its descendants; processes that end meanwhile count as nothing."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(process_memory(process) for process in processes)


def process_memory(process: psutil.Process) -> int:
    """Bytes of PSS of one process; of RSS where PSS may not be read, and 0 when it has ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return _resident(process)
    except psutil.NoSuchProcess:
        return 0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0

"""The processes below this one, as Linux knows them: found in /proc, adopted when their parents end, and ended.

Ray's agents and workers are children of its node, in process groups of their own. When the node ends, the kernel gives
them to the nearest ancestor that adopts orphans.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

POLL_SECONDS = 0.05
# prctl(2).
_PR_SET_CHILD_SUBREAPER = 36
_ENDED = frozenset("ZX")


def adopt_orphans() -> None:
    """From now on this process is the parent of each of its descendants whose own parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> dict[int, bool]:
    """The processes below `root`, and whether each is alive: what has ended and is not waited for yet is not."""
    children: dict[int, list[int]] = {}
    alive: dict[int, bool] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            # The name of the program stands in brackets and may itself hold some.
            state, parent = (entry / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()[:2]
            children.setdefault(int(parent), []).append(int(entry.name))
            alive[int(entry.name)] = state not in _ENDED
    below: dict[int, bool] = {}
    left = list(children.get(root, ()))
    while left:
        process = left.pop()
        below[process] = alive[process]
        left += children.get(process, ())
    return below


def end_descendants(seconds: float, spared: Iterable[int] = ()) -> list[int]:
    """Kill whatever is below this process but `spared`, until nothing is left; returns what has not ended in time."""
    spared = set(spared)
    until = time.monotonic() + seconds
    while True:
        below = {process: alive for process, alive in descendants(os.getpid()).items() if process not in spared}
        living = [process for process, alive in below.items() if alive]
        if not living or time.monotonic() > until:
            _wait_for(process for process, alive in below.items() if not alive)
            return living
        for process in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _wait_for(processes: Iterable[int]) -> None:
    """Let the kernel forget children that have ended; those of others are theirs."""
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, os.WNOHANG)


def exit_code(process: int) -> int | None:
    """The exit code of a process that has ended and that its parent has not asked yet; None where nobody knows.

    As Python has it: -9 for one that SIGKILL ended.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    except OSError:
        return None
    return os.waitstatus_to_exitcode(int(fields[-1])) if fields[0] in _ENDED else None

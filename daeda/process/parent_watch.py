"""Parent watch: a subprocess notices that the driver which started it is gone, however it ended.

The driver holds the writing end of a pipe and the subprocess reads from it. The kernel closes the writing end when the
driver ends, and the subprocess then interrupts itself.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "DAEDA_LIFELINE_FD"
# An interrupted subprocess stops its workers by itself; after this long it ends without having done so.
_GRACE_SECONDS = 8.0
_driven = False


def watch_parent() -> None:
    """Watch the pipe that the environment names, if it names one, in a daemon thread."""
    descriptor = take_parent_pipe()
    if descriptor is not None:
        threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="parent watch").start()


def take_parent_pipe() -> int | None:
    """The descriptor of the pipe from the driver, for the process that watches it; None without a driver."""
    global _driven
    descriptor = os.environ.pop(VARIABLE, None)
    _driven = descriptor is not None and _is_open(descriptor)
    return int(descriptor) if descriptor is not None and _driven else None


def _is_open(descriptor: str) -> bool:
    """Whether the variable holds an open descriptor; any other value comes from no driver, and nothing is watched."""
    try:
        os.fstat(int(descriptor))
    except (ValueError, OverflowError, OSError):
        return False
    return True


def is_driven() -> bool:
    """Whether a driver started this process: the driver prints the warnings about the project itself."""
    return _driven


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_SECONDS)
    os._exit(130)

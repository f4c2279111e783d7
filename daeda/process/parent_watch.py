"""The lifeline: a half notices that its driver is gone, however it went.

The driver holds the writing end of a pipe and the half reads from it. The kernel closes the writing end when the driver
ends, and the half then interrupts itself.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "DAEDA_LIFELINE_FD"
# An interrupted half stops its workers by itself; one that has not done so by now is ended.
_GRACE_SECONDS = 8.0
_driven = False


def watch_driver() -> None:
    """Watch the pipe named by the environment, if there is one, in a daemon thread."""
    descriptor = take_lifeline()
    if descriptor is not None:
        threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="lifeline").start()


def take_lifeline() -> int | None:
    """The pipe from the driver, for the one process that watches it; None without a driver."""
    global _driven
    descriptor = os.environ.pop(VARIABLE, None)
    _driven = descriptor is not None and _is_open(descriptor)
    return int(descriptor) if descriptor is not None and _driven else None


def _is_open(descriptor: str) -> bool:
    """Whether a driver left it open: what else stands in the variable is of nobody, and nothing is watched then."""
    try:
        os.fstat(int(descriptor))
    except (ValueError, OverflowError, OSError):
        return False
    return True


def is_driven() -> bool:
    """Whether a driver started this process, and has told already what is to be told of the project."""
    return _driven


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_SECONDS)
    os._exit(130)

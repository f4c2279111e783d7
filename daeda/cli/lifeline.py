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


def watch_driver() -> None:
    """Watch the pipe named by the environment, if there is one, in a daemon thread."""
    descriptor = os.environ.pop(VARIABLE, None)
    if descriptor is not None:
        threading.Thread(target=_watch, args=(int(descriptor),), daemon=True, name="lifeline").start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_SECONDS)
    os._exit(130)

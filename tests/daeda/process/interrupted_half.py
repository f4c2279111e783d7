"""`python -m tests.daeda.process.interrupted_half`: a part of a command's work that is sent a signal by itself."""

import os
import signal
import sys
from collections.abc import Sequence

from daeda.process.messages import run_command
from daeda.process.supervision import supervised


def command(words: Sequence[str]) -> int:
    """Be interrupted, or let its driver be."""
    os.kill(os.getppid() if words else os.getpid(), signal.SIGTERM)
    signal.pause()
    return 0


if __name__ == "__main__":
    raise SystemExit(supervised("half", lambda: run_command(command, sys.argv[1:])))

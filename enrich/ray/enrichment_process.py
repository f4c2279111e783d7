"""The child of the supervisor: the process that enriches, and starts Ray."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from daeda.errors import Interrupted
from daeda.process import interrupts
from daeda.process.supervised import report_exit_code
from enrich.ray import channel
from enrich.ray.descendants import adopt_orphans, end_descendants

# How long what was killed may take to be gone; what waits for a dead disk is left to the system.
KILL_SECONDS = 2.0


def run_enrichment(command: Callable[[], int], messages: int, supervisor: int, stderr: int) -> NoReturn:
    """Run the command and end the process, whatever threads of libraries still do.

    Messages are written to the pipe `messages`. Nobody writes to the pipe `supervisor`, which ends when the supervisor
    does. What native code writes on stderr goes to the file `stderr`.
    """
    # A terminal's Ctrl-C reaches the supervisor alone; a process group in the background may write all the same.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    # SIGINT and SIGTERM stay blocked until the command has handlers for them.
    interrupts.unheard_outside_of_commands()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    adopt_orphans()
    channel.connect(messages)
    threading.Thread(target=_end_with_supervisor, args=(supervisor,), daemon=True, name="supervisor watch").start()
    sys.stderr = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    os.dup2(stderr, 2)
    # Ray describes faults of native code on sys.stderr unless a handler of faults is set already.
    faulthandler.enable(file=2, all_threads=False)
    warnings.showwarning = _warn_on_native_stderr
    code = 1
    try:
        code = command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - shown whole, as Python would do
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # The last word of a command that shows its help, or of one that ended as nobody foresaw.
    report_exit_code(code)
    os._exit(code)


def _warn_on_native_stderr(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Warnings of libraries go where their native code writes."""
    with contextlib.suppress(OSError):
        os.write(2, warnings.formatwarning(message, category, filename, lineno, line).encode(errors="replace"))


def _end_with_supervisor(supervisor: int) -> None:
    """Wait for the end of the supervisor, which can only have been killed, and end everything with it."""
    while os.read(supervisor, 1):
        pass
    end_descendants(KILL_SECONDS)
    os._exit(Interrupted.exit_code)

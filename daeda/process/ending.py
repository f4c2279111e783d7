"""How a process ends whose command is done: at once, and the system takes back what it holds.

An interpreter that ends by itself looks for garbage among all of its objects, then takes modules and libraries apart,
which for a command that has imported DuckDB and pyarrow takes as long as importing one of them.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

from daeda.process.supervised import has_run_user_code


def end_process(code: int) -> int:
    """End this process with the exit code of its command; returns it where Python is to end the process.

    That is where user code has run, whose objects may do something when they are taken apart, where another thread is
    to be waited for, and where what was printed cannot be written. What was registered with `atexit` runs in any case.
    """
    this = threading.current_thread()
    if has_run_user_code() or any(thread is not this and not thread.daemon for thread in threading.enumerate()):
        return code
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return code
    os._exit(code)

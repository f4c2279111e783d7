"""Standard streams that a process was started without, as by `>&-` or by a service manager."""

from __future__ import annotations

import os
import sys


def open_streams() -> None:
    """Let each standard stream exist: one that is closed leads nowhere, and is read as empty.

    Otherwise the next file or pipe that is opened has its number, and gets what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as the process

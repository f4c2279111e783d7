"""Files of Python that Arrow reads, kept for a while behind their end: no thread of Arrow is then their last owner.

A thread of Arrow lets go of a file after the read of it has returned. The last owner of a file of Python needs Python's
lock to do so, and where Python is ending by then, the thread is ended within a destructor: the process is aborted.
"""

from __future__ import annotations

import io
from collections import deque

import pyarrow as pa

# More than a scan has at work at a time; each is an address and a client that all share.
_KEPT: deque[pa.PythonFile] = deque(maxlen=1024)


def arrow_file(file: io.IOBase) -> pa.PythonFile:
    """The file as Arrow reads it, at any position and from any thread; closing it closes the file."""
    opened = pa.PythonFile(file, mode="r")
    _KEPT.append(opened)
    return opened

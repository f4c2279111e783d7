"""What other hosts have made in a shared directory, seen at once.

A client of NFS that has found a name missing believes so for up to a minute, whoever makes a file of that name
meanwhile. It asks the server again behind the next opening of the directory. A file that it opens by name is fresh.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def is_there_now(path: Path) -> bool:
    """Whether a file or a directory is there, as its server knows it. Raises OSError."""
    look_anew(path.parent)
    return path.exists()


def look_anew(directory: Path) -> None:
    """Have names of a directory that were missing looked for again; does nothing where there is no directory."""
    with contextlib.suppress(OSError):
        os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

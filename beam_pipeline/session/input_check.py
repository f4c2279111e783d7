"""Files that a day finds in another state than the one that was checked, or that nobody has checked: checked now.

What is wrong with them is what the check before the first day would have said. In a pipeline of one's own there is no
such check, and every file comes here, once per process.
"""

from __future__ import annotations

from threading import Lock

from daeda.errors import InputError
from daeda.operators.relational import Scan
from daeda.planning.file_check import check_file
from daeda.sources.files import SourceFiles
from daeda.storage.state import FileState, InputFile

_lock = Lock()
# Files that were right, by digest of the Scan, path and state.
_right: set[tuple[str, str, FileState]] = set()


def check_input(scan: Scan, digest: str, file: InputFile, files: SourceFiles) -> None:
    """Raise InputError unless the file, in the state in which it was identified, fits its Scan, which has this digest.

    `files` are those of the Scan's view, with the partition of the file among them.
    """
    key = (digest, file.path, file.state)
    with _lock:
        if key in _right:
            return
    looked = check_file([scan], file.path, files.partition_of(file.path), files.versions.get(file.path))
    (problems,) = looked.problems
    if problems:
        raise InputError("; ".join(sentence for _, sentence in problems))
    if looked.state != file.state:
        raise InputError(f"{file.path} changed while it was checked: run again when it is complete")
    with _lock:
        _right.add(key)

"""The log of a job: what Beam, its job server and its engine say, in a file that stays where the run fails.

<service dir>/_logs/<run>.log
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daeda.process.printable import HarmlessFormatter

# Logs of failed runs that are kept; the oldest go first.
_MOST_LOGS = 20
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

log = logging.getLogger("daeda.job")


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """While the block runs, everything that is logged goes into this file; it is removed where the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root, beam = logging.getLogger(), logging.getLogger("apache_beam")
    levels = root.level, beam.level
    for handler in root.handlers:
        # What was not to be logged at all is not for the terminal either.
        handler.setLevel(max(handler.level, root.level))
        handler.addFilter(_is_not_of_beam)
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(HarmlessFormatter(_FORMAT))
    root.addHandler(file)
    root.setLevel(logging.INFO)
    beam.setLevel(logging.INFO)
    try:
        yield
        path.unlink()
    finally:
        root.removeHandler(file)
        file.close()
        root.setLevel(levels[0])
        beam.setLevel(levels[1])
        for handler in root.handlers:
            handler.removeFilter(_is_not_of_beam)
        _remove_old(path.parent)


def _is_not_of_beam(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] != "apache_beam"


def _remove_old(directory: Path) -> None:
    logs = sorted(directory.glob("run-*.log"), key=lambda path: path.name)
    for path in logs[:-_MOST_LOGS]:
        path.unlink(missing_ok=True)
    if not logs:
        directory.rmdir()

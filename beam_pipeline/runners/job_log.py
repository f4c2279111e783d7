"""The log of a job: what Beam, its job server and its engine say, in a file that stays where the run fails.

<service dir>/_logs/run-….log
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daeda.dataset.publish.staging import refuse_stranger
from daeda.errors import InputError, Interrupted, first_line, refusal
from daeda.process.messages import warn
from daeda.process.printable import printable_lines

# Logs of failed runs that are kept; the oldest go first.
_MOST_LOGS = 20

log = logging.getLogger("daeda.job")


@contextmanager
def job_log(path: Path) -> Iterator[None]:
    """While the block runs, everything that is logged goes into this file; it is removed where the block ends well."""
    refuse_stranger(path.parent)
    file = _opened(path)
    file.setFormatter(_LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root, beam = logging.getLogger(), logging.getLogger("apache_beam")
    terminal = [(handler, handler.level) for handler in root.handlers]
    levels = root.level, beam.level
    for handler, level in terminal:
        handler.setLevel(max(level, root.level))
        handler.addFilter(_is_not_of_beam)
    root.addHandler(file)
    root.setLevel(logging.INFO)
    beam.setLevel(logging.INFO)
    # A line for each hint of a type says nothing of the job.
    logging.getLogger("apache_beam.typehints").setLevel(logging.WARNING)
    try:
        yield
        path.unlink(missing_ok=True)
    except Interrupted:
        # Who interrupts a run has nothing to look for in it.
        path.unlink(missing_ok=True)
        raise
    finally:
        root.removeHandler(file)
        file.close()
        root.setLevel(levels[0])
        beam.setLevel(levels[1])
        for handler, level in terminal:
            handler.setLevel(level)
            handler.removeFilter(_is_not_of_beam)
        _remove_old(path.parent)


def _opened(path: Path) -> _LogFile:
    """The log, begun; raises InputError where it cannot be written."""
    try:
        return _begun(path)
    except OSError as error:
        raise InputError(f"the log of the job cannot be written: {refusal(error)}") from error


def _begun(path: Path) -> _LogFile:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another run that ends at this moment takes an empty directory away.
        with suppress(FileNotFoundError):
            return _LogFile(path, mode="x", encoding="utf-8")


class _LogFile(logging.FileHandler):
    """A disk that is full takes no more lines, which is said once; the run says by itself what else it is lacking."""

    def __init__(self, path: Path, mode: str, encoding: str) -> None:
        super().__init__(path, mode, encoding)
        self._has_said = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Stand in for a traceback on the terminal for each line."""
        error = sys.exc_info()[1]
        if not self._has_said:
            self._has_said = True
            reason = refusal(error) if isinstance(error, OSError) else first_line(error or ValueError())
            warn(f"{self.baseFilename} does not have all that the runner said: {reason}")

    def close(self) -> None:
        """Close the file; what could not be written by now is not written."""
        with suppress(OSError):
            super().close()


class _LogFormatter(logging.Formatter):
    """Texts of several lines stay so, harmless and without what is secret."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _is_not_of_beam(record: logging.LogRecord) -> bool:
    """What Beam logs, and what it lets its job server log, is for the file alone."""
    package = record.name.partition(".")[0]
    return package not in ("apache_beam", "grpc", log.name.partition(".")[0]) and not package.endswith("JobServer")


def _remove_old(directory: Path) -> None:
    logs = sorted(directory.glob("run-*.log"))
    for path in logs[:-_MOST_LOGS]:
        path.unlink(missing_ok=True)
    # Another run may begin its log meanwhile, or take the directory away.
    with suppress(OSError):
        directory.rmdir()

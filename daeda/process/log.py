"""Narrative as JSON lines, with --log-json: whatever Python writes on stderr becomes a line of the form `daeda.log/1`.

    {"format": "daeda.log/1", "time": "2025-03-01T00:00:00.000Z", "level": "info", "message": "skeleton 2025-02-28 …"}

The environment hands the form on to the processes that a command starts. Its schema is that of `LogLine` in
`daeda.answers.log`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Literal, TextIO, TypedDict, Unpack

from daeda.process.printable import HarmlessFormatter, printable

FORMAT = "daeda.log/1"
FLAG = "--log-json"
VARIABLE = "DAEDA_LOG"
_JSON = "json"

Level = Literal["info", "hint", "warning", "error"]


class Fields(TypedDict, total=False):
    """What a message is about, as values; those that it has."""

    day: dt.date
    half: str
    rows: int
    seconds: float
    done: int
    days: int
    error: str
    traceback: list[str]


def is_json() -> bool:
    """Whether narrative is written as JSON lines."""
    return os.environ.get(VARIABLE) == _JSON


def follow(words: Sequence[str]) -> None:
    """Write narrative from now on as the words of a command ask for."""
    if FLAG in words[: words.index("--") if "--" in words else None]:
        os.environ[VARIABLE] = _JSON


@contextlib.contextmanager
def narrated(words: Sequence[str]) -> Iterator[None]:
    """While the block runs, narrative is written as the words of a command ask for, by its subprocesses too."""
    before, stderr = os.environ.get(VARIABLE), sys.stderr
    follow(words)
    stream = None
    if is_json() and not isinstance(stderr, JsonStream):
        sys.stderr = stream = JsonStream(stderr)
    try:
        yield
    finally:
        if stream is not None:
            stream.end_line()
            sys.stderr = stderr
        if before is None:
            os.environ.pop(VARIABLE, None)


def log_line(level: Level, message: str, **fields: Unpack[Fields]) -> str:
    """A line of the log: harmless, and without what is secret."""
    now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, object] = {"format": FORMAT, "time": now, "level": level, "message": printable(message), **fields}
    if "traceback" in fields:
        line["traceback"] = [printable(part) for part in fields["traceback"]]
    return json.dumps(line, default=str)


class JsonStream(io.TextIOBase):
    """A stderr whose lines become those of the log: of tables, of warnings, of code of a user."""

    def __init__(self, below: TextIO) -> None:
        self.below = below
        self._begun = ""
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream below."""
        return self.below.encoding

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """That of the stream below: a subprocess writes there by itself."""
        return self.below.fileno()

    def write(self, text: str) -> int:
        """Write what is whole; the begin of a line waits for its end."""
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            for line in whole:
                self._emit(line)
        return len(text)

    def end_line(self) -> None:
        """Write the line that was begun."""
        with self._lock:
            line, self._begun = self._begun, ""
            self._emit(line)

    def flush(self) -> None:
        """Flush the stream below."""
        self.below.flush()

    def _emit(self, line: str) -> None:
        if line.strip():
            self.below.write(log_line("info", line.rstrip()) + "\n")
            self.below.flush()


def write_line(line: str) -> None:
    """Write a line of the log, in one piece."""
    stream = sys.stderr.below if isinstance(sys.stderr, JsonStream) else sys.stderr
    stream.write(f"{line}\n")
    stream.flush()


class NarrativeFormatter(HarmlessFormatter):
    """Records of logging as narrative: harmless lines, or lines of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        text = super().format(record)
        if not is_json():
            return text
        level: Level = "error" if record.levelno >= logging.ERROR else "info"
        if record.levelno == logging.WARNING:
            level = "warning"
        message, *trace = text.split("\n")
        return log_line(level, message, traceback=trace) if trace else log_line(level, message)

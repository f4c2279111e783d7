"""The HTML file that a command writes: where it may lie, and that it is written whole."""

from __future__ import annotations

import os
from pathlib import Path

from daeda.errors import UsageError, refusal


def html_file(flag: str, given: Path) -> Path:
    """The file as an absolute path; raises UsageError, before anything is made, where none can be written there."""
    file = given.absolute()
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{flag} {given}: one HTML file is written: give it a name like {given.stem or 'report'}.html")
    if file.is_dir():
        raise UsageError(f"{flag} {given} is a directory: give the name of a file")
    if not file.parent.is_dir():
        raise UsageError(f"{flag} {given}: there is no directory {file.parent}: make it, or write elsewhere")
    return file


def write_file(flag: str, file: Path, text: str) -> None:
    """Whole or not at all: whoever has the older file open keeps it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise UsageError(f"{flag} {file} cannot be written: {refusal(error)}") from error

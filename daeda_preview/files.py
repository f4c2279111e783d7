"""The files that rows can be written to, by the end of their name."""

from __future__ import annotations

from pathlib import Path

from daeda.errors import UsageError

_ENDS = (".parquet", ".arrow", ".csv", ".json", ".jsonl")


def check_output(path: Path) -> None:
    """Raise UsageError for a file that cannot be written by the end of its name."""
    if path.suffix not in _ENDS:
        raise UsageError(f"--output {path}: files are written by the end of their name: {', '.join(_ENDS)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output {path}: {path.absolute().parent} is no directory: make it first")

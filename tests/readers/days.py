"""The days that `tests.readers.run` has published, and what the page says to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/reading.md"


def output(service: str) -> Path:
    """The output root of `halves` or `floats`."""
    days = os.environ.get("READERS_DAYS")
    if days is None:
        pytest.skip("`make readers` publishes what is read here")
    return Path(days) / service / "output"


def written(library: str, root: Path) -> str:
    """What the page says to write for a library, for days below another output root."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {library} |")]
    return line.split("|")[2].split("`")[1].replace("output/", f"{root}/", 1)

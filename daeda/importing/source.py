"""A file at work: its state, what was read of it, and where what is kept aside of it lies."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from daeda.importing.ledger import REJECTED, ImportedSource
from daeda.importing.parts import Part
from daeda.importing.request import part_name
from daeda.importing.result import SourceResult
from daeda.importing.staging import Staged


@dataclass(eq=False)
class Source:
    """A file at work. `earlier` is its entry in the ledger, `parts` are those that would be published, by day."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    options: str = ""
    staged: Staged | None = None
    parts: dict[dt.date | None, Part] = field(default_factory=dict)
    earlier: ImportedSource | None = None
    result: SourceResult | None = None


def staging_name(name: str) -> str:
    """The directory of a file below that of what is read."""
    return part_name(name).removesuffix(".parquet")


def rejections_of(directory: Path, name: str) -> Path:
    """Where the rows of a file are that are kept aside."""
    return directory / REJECTED / f"{staging_name(name)}.jsonl"

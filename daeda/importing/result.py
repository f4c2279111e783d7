"""What an import did, or would do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# The first and the last one of days that follow each other.
Gap = tuple[dt.date, dt.date]
Outcome = Literal["imported", "unchanged", "would import"]


@dataclass(frozen=True)
class SourceResult:
    """What became of a file. `reasons` are those of the first rows that were kept aside, each with its line.

    Days are those in which the file has rows: `new` ones, those that are `replaced`, with more rows or with
    others, those that are the `same` as they were, and those that were `removed`. `lost` are rows that were published
    and are not in the file any more. A table without a time has one day, None.
    """

    name: str
    outcome: Outcome
    rows: int
    rejected: int
    new: tuple[dt.date | None, ...] = ()
    replaced: tuple[dt.date | None, ...] = ()
    same: tuple[dt.date | None, ...] = ()
    removed: tuple[dt.date | None, ...] = ()
    lost: int = 0
    reasons: tuple[str, ...] = ()
    rejections: Path | None = None


@dataclass(frozen=True)
class ImportResult:
    """An import. `limit` is how many rows of a file may be kept aside; with more, nothing is `published`.

    `columns` are the types by name; `notes` are sentences about what was decided on the way, and `gaps` are days
    without a partition between the first and the last row of a file.
    """

    directory: Path
    columns: dict[str, str]
    sources: tuple[SourceResult, ...]
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    published: bool = True
    limit: int | None = field(default=None)

    @property
    def rows(self) -> int:
        """Rows of the files that are, or would be, in partitions."""
        return sum(source.rows for source in self.sources)

    @property
    def days_without_rows(self) -> int:
        """How many days the gaps have."""
        return sum((last - first).days + 1 for first, last in self.gaps)

    @property
    def rejected(self) -> int:
        """Rows of the files that were kept aside."""
        return sum(source.rejected for source in self.sources)

    @property
    def exit_code(self) -> int:
        """0 where every row is there, or no more are kept aside than was allowed; else 1."""
        return 0 if all(source.rejected <= (self.limit or 0) for source in self.sources) else 1

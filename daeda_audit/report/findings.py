"""What the audit found, column by column."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from daeda.dataset.layout import Dataset
from daeda_audit.rules.visible import Evidence

# Not columns: whether the rows of a day are those of the spine, and in their order.
ROWS, ORDER = "(rows)", "(order)"


@dataclass(frozen=True)
class Mismatch:
    """The first mismatch of a column. `identity` is what names the row; `published` and `recomputed` are as text."""

    dataset: Dataset
    day: dt.date
    row: int
    identity: str
    published: str
    recomputed: str
    evidence: Evidence = field(default_factory=Evidence)
    labels: tuple[str, str] = ("published", "recomputed")


@dataclass
class Finding:
    """One line of the table: how many values were compared, and what came of it."""

    column: str
    note: str = ""
    checked: int = 0
    mismatches: int = 0
    first: Mismatch | None = None

    def count(self, agreed: bool, mismatch: Any = None) -> None:
        """Count one comparison; `mismatch` makes the example, and is called for the first mismatch alone."""
        self.checked += 1
        if not agreed:
            self.mismatches += 1
            if self.first is None:
                self.first = mismatch()


class Findings:
    """The lines of the table, in the order of the columns."""

    def __init__(self) -> None:
        self.lines: dict[str, Finding] = {}

    def of(self, column: str, note: str = "") -> Finding:
        """The line of a column."""
        return self.lines.setdefault(column, Finding(column, note))

    @property
    def mismatches(self) -> int:
        """Of all columns together."""
        return sum(line.mismatches for line in self.lines.values())

"""What an audit found, column by column, and how it is told.

The report is a table on stderr, an example below it for every column that went wrong, and one summary line on stdout.
How far the audit is stands on a terminal in one live line with the time that is left; elsewhere the line of each day
does.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich.live import Live
from rich.text import Text

from daeda.dataset.layout import Dataset
from daeda.errors import counted
from daeda.process.console import HarmlessConsole, plain
from daeda_audit.raw.view import Row
from daeda_audit.rules.visible import Evidence
from daeda_audit.values import shown

# Not columns: whether the rows of a day are those of the spine, and in their order.
ROWS, ORDER = "(rows)", "(order)"
_MOST_ROWS = 6
# The append probe starts the driver once more: about what some days of recomputation take.
_LATER_ROWS_DAYS = 3.0
_PER_SECOND = 4


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


def table(findings: Findings, counted_as: str = "mismatches") -> list[str]:
    """The lines of the table; the third column counts what its head says."""
    lines = [
        (line.column, f"{line.checked:,}", f"{line.mismatches:,}" if line.mismatches else "0", line.note)
        for line in findings.lines.values()
    ]
    return aligned([("column", "checked", counted_as, "note"), *lines])


def aligned(lines: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Columns of text beside each other, numbers to the right."""
    widths = [max(len(line[position]) for line in lines) for position in range(4)]
    return [
        f"{name:<{widths[0]}}  {checked:>{widths[1]}}  {wrong:>{widths[2]}}  {note}".rstrip()
        for name, checked, wrong, note in lines
    ]


def examples(findings: Findings) -> list[str]:
    """A worked example of the first mismatch of each column, each behind an empty line."""
    worked = (list(example(finding)) for finding in findings.lines.values())
    return [line for lines in worked if lines for line in ("", *lines)]


def example(finding: Finding) -> Iterator[str]:
    """A worked example of the first mismatch of a column; nothing where there is none."""
    first = finding.first
    if first is None:
        return
    yield f"{finding.column}: row {first.row} of {first.day} ({first.dataset}): {first.identity}"
    for label, value in zip(first.labels, (first.published, first.recomputed), strict=True):
        yield f"  {label:<11} {value}"
    columns = first.evidence.columns
    if columns:
        counting = first.evidence.counted
        for row in counting[:_MOST_ROWS]:
            yield f"  counts      {_row(row, columns)}"
        if len(counting) > _MOST_ROWS:
            yield f"  counts      and {counted(len(counting) - _MOST_ROWS, 'older row')}"
        if not counting:
            yield "  counts      no row"
        for reason, row in first.evidence.hidden:
            yield f"  not seen    {_row(row, columns)}: {reason}"


def _row(row: Row, columns: Sequence[str]) -> str:
    return ", ".join(f"{name} {shown(row.get(name))}" for name in columns)


class Progress:
    """Counts days that are recomputed, column by column, and the append probe behind them, while the block runs."""

    def __init__(self, days: Sequence[dt.date], *, append: bool) -> None:
        self._days = len(days)
        self._whole = self._days + (_LATER_ROWS_DAYS if append else 0.0)
        self._done = 0.0
        self._finished = 0
        self._at = "starting"
        self._started = time.monotonic()
        self._live = (
            Live(
                get_renderable=self._rendered,
                console=HarmlessConsole(stderr=True),
                transient=True,
                refresh_per_second=_PER_SECOND,
            )
            if sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def column(self, day: dt.date, name: str, share: float) -> None:
        """A column of a day is looked at; `share` of the day is done."""
        self._at = f"{day} {name}"
        self._done = self._finished + share

    def day_done(self) -> None:
        """Everything of a day is done."""
        self._finished += 1
        self._done = float(self._finished)

    def append(self, what: str, share: float) -> None:
        """A step of the append probe begins; `share` of the probe is done."""
        self._at = f"append probe: {what}"
        self._done = self._finished + share * _LATER_ROWS_DAYS

    def line(self) -> str:
        """Days, what is at work, and the time left once there is something to judge by."""
        elapsed = max(0.0, time.monotonic() - self._started)
        left = ""
        if self._done > 0:
            seconds = elapsed / self._done * max(0.0, self._whole - self._done)
            left = f" · about {dt.timedelta(seconds=round(seconds))} left"
        return f"audit {self._finished}/{self._days} days{left} · {self._at}"

    def _rendered(self) -> Text:
        return plain(self.line())

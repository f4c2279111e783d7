"""Tables of days: neighbouring days of which the same is told share a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from daeda.errors import counted

# Fewer are read at a glance.
_LEAST = 4
# Below this width the two days of a row stand below each other.
_WIDE = 100


class DayTable:
    """A table whose first column is the day, and its second how many they are, where a row has several.

    `told` is each day and what is told of it; `spans` are the positions of the days of each row.
    """

    def __init__(self, console: Console, title: str, told: Sequence[tuple[dt.date, object]]) -> None:
        self._console = console
        self._days = [day for day, _ in told]
        self.spans = spans(told)
        self._counts = len(self.spans) < len(told)
        self.table = Table(title=title, title_justify="left")
        self.table.add_column("day", no_wrap=self._counts)
        if self._counts:
            self.table.add_column("days", justify="right", no_wrap=True)

    def add_row(self, span: range, *cells: str | Text) -> None:
        """The row of the days at these positions."""
        first, last = self._days[span[0]], self._days[span[-1]]
        between = " " if self._console.width >= _WIDE else "\n"
        # A text, for a line break in a string is shown as an escape.
        shown = Text(str(first) if first == last else f"{first} …{between}{last}")
        several = str(len(span)) if len(span) > 1 else ""
        self.table.add_row(shown, *([several] if self._counts else []), *cells)

    def add_total(self, *cells: str) -> None:
        """The last row, of all days."""
        self.table.add_section()
        self.table.add_row(counted(len(self._days), "day"), *([""] if self._counts else []), *cells)

    def show(self) -> None:
        """Print the table."""
        self._console.print(self.table)


def spans(told: Sequence[tuple[dt.date, object]]) -> list[range]:
    """The positions of the days, those together that follow each other and are told alike."""
    found: list[range] = []
    for position, (day, what) in enumerate(told):
        before = told[position - 1] if position else None
        # Numbers go on where the calendar ends.
        if before is not None and (before[0].toordinal() + 1, before[1]) == (day.toordinal(), what):
            found[-1] = range(found[-1].start, position + 1)
        else:
            found.append(range(position, position + 1))
    apart = ([span] if len(span) >= _LEAST else [range(one, one + 1) for one in span] for span in found)
    return [span for group in apart for span in group]


def range_cell(numbers: Sequence[int]) -> str:
    """The numbers of several days, from the least to the most.

    >>> range_cell([3, 3]), range_cell([31, 3, 31])
    ('3', '3 … 31')
    """
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} … {most}"

"""An explained row for people: a paragraph for each column, with a table of raw rows that fits the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Table

from daeda.answers.rows import ExplainedRawRow, ExplainedRowAnswer, ExplainedValue
from daeda.errors import counted
from daeda.process.console import HarmlessConsole
from daeda_preview.terminal import shown

_INDENT = 2
_MOST_ROWS, _MOST_VALUES, _MOST_ITEMS = 8, 3, 12
_VALUE_WIDTH, _TIME_WIDTH = 18, 19


def print_reasons(console: HarmlessConsole, answer: ExplainedRowAnswer) -> None:
    """Print what is behind each column; what is longer than a terminal wants is cut, and says by how much."""
    identity = ", ".join(f"{name} {told(value)}" for name, value in answer.identity.items())
    title = f"{answer.service}: row {answer.row} of {answer.rows_of}: {identity}"
    for part in textwrap.wrap(title, console.width, break_on_hyphens=False):
        console.print(part)
    for column in answer.columns:
        console.print()
        _print_column(console, column)


def _print_column(console: HarmlessConsole, column: ExplainedValue) -> None:
    console.print(f"{column.column} = {told(column.value)}", no_wrap=True, overflow="ellipsis")
    for line in _lines(column):
        _print_line(console, line)
    if column.counted:
        _print_rows(console, column.counted[:_MOST_ROWS], with_reasons=False)
    if column.rows > _MOST_ROWS:
        _print_line(console, f"and {counted(column.rows - _MOST_ROWS, 'more row')} in --json")
    if column.missed:
        _print_line(console, "the nearest that do not count:")
        _print_rows(console, column.missed, with_reasons=True)
    if not column.agrees:
        _print_line(console, f"THE AUDIT MAKES {told(column.recomputed)} OF THESE ROWS")


def _print_line(console: HarmlessConsole, line: str) -> None:
    """A sentence, wrapped between its words."""
    for part in textwrap.wrap(line, console.width - _INDENT, break_on_hyphens=False):
        console.print(f"{' ' * _INDENT}{part}")


def _lines(column: ExplainedValue) -> list[str]:
    lines = [f"{column.kind}: {column.made_by}"]
    if column.key:
        lines.append("key " + ", ".join(f"{name} {told(value)}" for name, value in column.key.items()))
    if column.ends:
        lines.append(_times(column))
    if column.sql:
        lines.append(f"SQL {' '.join(column.sql.split())}")
    lines += [f"{name} = {told(value)}" for name, value in column.inputs.items()]
    lines += column.notes
    if column.order:
        lines.append(f"in the order of {', '.join(column.order)}; the greatest comes first")
    if column.key and column.rows:
        lines.append(f"{counted(column.rows, 'row')} of the key {'counts' if column.rows == 1 else 'count'}:")
    elif column.key:
        lines.append("no row of the key counts")
    return lines


def _times(column: ExplainedValue) -> str:
    begin, end = _time(column.begin), _time(column.end)
    if begin and end:
        return f"times {column.ends[0]}{begin}, {end}{column.ends[1]} in UTC"
    return f"times {'up to' if column.ends[1] == ']' else 'before'} {end} in UTC" if end else "at any time"


def _print_rows(console: HarmlessConsole, rows: Sequence[ExplainedRawRow], *, with_reasons: bool) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    table = Table(box=None, pad_edge=False, show_edge=False)
    timed, known = any(row.time for row in rows), any(row.known for row in rows)
    for name, there in (("time", timed), ("known", known)):
        if there:
            table.add_column(name, width=_TIME_WIDTH)
    for name in names[:_MOST_VALUES]:
        table.add_column(name, max_width=_VALUE_WIDTH, no_wrap=True, overflow="ellipsis")
    if with_reasons:
        table.add_column("why not", overflow="fold", min_width=16)
    for row in rows:
        times = [_time(at) for at, there in ((row.time, timed), (row.known, known)) if there]
        values = [told(row.values[name]) if name in row.values else "" for name in names[:_MOST_VALUES]]
        table.add_row(*times, *values, *([row.reason] if with_reasons else []))
    console.print(Padding(table, (0, 0, 0, 2 * _INDENT), expand=False))
    if len(names) > _MOST_VALUES and not with_reasons:
        _print_line(console, f"{counted(len(names) - _MOST_VALUES, 'more column')} in --json")


def _time(text: str | None) -> str:
    return "" if text is None else text.replace("T", " ")


def told(value: Any) -> str:
    """A value in few characters; of a long list the first items, and how many there are."""
    if isinstance(value, list) and len(value) > _MOST_ITEMS:
        return f"{shown(value[:_MOST_ITEMS]).replace(f'{_MOST_ITEMS}:', f'{len(value)}:', 1)} …"
    return shown(value)

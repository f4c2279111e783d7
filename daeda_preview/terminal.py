"""The rows for people: a line per column, and beside each other as many rows as the terminal has room for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
from rich import box
from rich.table import Table

from daeda.dtypes import python_values
from daeda.process.console import HarmlessConsole

_NAME_WIDTH, _LEAST_WIDTH, _MOST_WIDTH = 26, 15, 28
# What a column of the table takes beside its text: a border and the space around it.
_BESIDE = 3


def print_rows(console: HarmlessConsole, table: pa.Table, title: str) -> None:
    """Print all rows, in as many tables below each other as they need; cells that are longer are cut."""
    name_width = min(_NAME_WIDTH, max(map(len, [*table.column_names, "column"])))
    room = max(console.width - name_width - _BESIDE - 1, _LEAST_WIDTH + _BESIDE)
    at_once = max(1, min(table.num_rows, room // (_LEAST_WIDTH + _BESIDE)))
    width = min(_MOST_WIDTH, room // at_once - _BESIDE)
    cells = {name: [shown(value) for value in _values(table.column(name))] for name in table.column_names}
    console.print(title, soft_wrap=True)
    for first in range(0, table.num_rows, at_once):
        numbers = range(first, min(first + at_once, table.num_rows))
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        grid.add_column("column", width=name_width, no_wrap=True, overflow="ellipsis")
        for number in numbers:
            grid.add_column(f"row {number}", width=width, no_wrap=True, overflow="ellipsis")
        for name, texts in cells.items():
            grid.add_row(name, *(texts[number] for number in numbers))
        console.print(grid)


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.timestamp(column.type.unit)).cast(pa.string()).to_pylist())
    return python_values(column)


def shown(value: Any) -> str:
    """A value in few characters.

    >>> shown(None), shown(0.1 + 0.2), shown([3, 1, 2]), shown("a b")
    ('NULL', '0.3', '3: 3 1 2', 'a b')
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case dt.datetime() | dt.date():
            return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
        case list():
            return f"{len(value)}: {' '.join(map(shown, value))}" if value else "0: (empty)"
        case dict():
            return "{" + ", ".join(shown(item) for item in value.values()) + "}"
        case _:
            return f"{float(value):.4g}" if type(value).__name__ == "float16" else str(value)

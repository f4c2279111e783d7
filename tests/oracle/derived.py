"""What the columns of an output show of one row, where they read each other: in slow plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """A column: what it takes of the source's row, or makes of what it reads; and its default."""

    name: str
    reads: tuple[str, ...] = ()
    makes: Callable[..., Any] | None = None
    default: Any = None


def shown(columns: Mapping[str, Shown], name: str, row: Row) -> Any:
    """The value of a column in the output, its default filled; its own name and what is no column are the source's."""
    if name not in columns:
        return row[name]
    column = columns[name]
    if column.makes is None:
        value = row.get(name)
    else:
        value = column.makes(*(row[read] if read == name else shown(columns, read, row) for read in column.reads))
    return column.default if value is None else value

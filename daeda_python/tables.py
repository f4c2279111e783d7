"""Tables of results: as text in 80 columns, as HTML with nothing of a value obeyed, and as frames."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daeda.dtypes import python_values
from daeda.errors import counted
from daeda.process.extras import require
from daeda.process.printable import printable

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

_WIDTH, _LEAST = 80, 8
_MOST_ROWS, _MOST_CHARACTERS = 40, 400


class Tabular:
    """What prints as a table, in a terminal and in a notebook, and becomes a frame."""

    def to_arrow(self) -> pa.Table:
        """The rows as a `pyarrow.Table`."""
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a `pandas.DataFrame`, typed as features are; raises UsageError where pandas is not installed."""
        require("pandas frames")
        import pandas

        from daeda_python.pandas_types import mapper_of

        table = self.to_arrow()
        return table.to_pandas(types_mapper=mapper_of(pandas, table))

    def to_polars(self) -> polars.DataFrame:
        """The rows as a `polars.DataFrame`; raises UsageError where Polars is not installed."""
        require("Polars frames")
        import polars

        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def _title(self) -> str:
        """The line above the table."""
        raise NotImplementedError

    def _remarks(self) -> Sequence[str]:
        """The lines below the table."""
        return ()

    def __repr__(self) -> str:
        return as_text(self._title(), self.to_arrow(), self._remarks())

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return as_html(self._title(), self.to_arrow(), self._remarks())


def as_text(title: str, table: pa.Table, remarks: Sequence[str] = ()) -> str:
    """The table in lines of at most 80 characters; columns that have no room are named below it."""
    head, rows = _cells(table)
    widths = [max([len(name), *(len(row[index]) for row in rows)], default=0) for index, name in enumerate(head)]
    shown = _fitting(widths)
    lines = [printable(title)]
    for row in [head, *rows] if head else []:
        cells = [_cut(row[index], width).ljust(width) for index, width in shown]
        lines.append("  ".join(cells).rstrip())
    lines += _left_out(table, len(rows), [head[index] for index in range(len(shown), len(head))])
    return "\n".join([*lines, *map(printable, remarks)])


def _fitting(widths: Sequence[int]) -> list[tuple[int, int]]:
    """The columns that have room, each with its width: the widest ones are cut first."""
    kept = list(widths)
    while kept and sum(min(width, _LEAST) + 2 for width in kept) - 2 > _WIDTH:
        kept.pop()
    while kept and sum(kept) + 2 * len(kept) - 2 > _WIDTH:
        widest = max(range(len(kept)), key=lambda index: kept[index])
        kept[widest] -= 1
    return list(enumerate(kept))


def as_html(title: str, table: pa.Table, remarks: Sequence[str] = ()) -> str:
    """The table as HTML: every value is escaped, and what it has of markup is text."""
    head, rows = _cells(table)
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    below = [*_left_out(table, len(rows), []), *map(printable, remarks)]
    notes = "".join(f"<div>{html.escape(line)}</div>" for line in below)
    return (
        f"<div><strong>{html.escape(printable(title))}</strong>"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
    )


def _cells(table: pa.Table) -> tuple[list[str], list[list[str]]]:
    """The head, and the first rows as texts."""
    first = table.slice(0, _MOST_ROWS)
    columns = [[shown(value) for value in _values(column)] for column in first.columns]
    return list(map(printable, table.column_names)), [list(row) for row in zip(*columns, strict=True)]


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Python's datetime ends at microseconds.
        return list(column.cast(pa.timestamp(column.type.unit)).cast(pa.string()).to_pylist())
    return python_values(column)


def _left_out(table: pa.Table, rows: int, columns: Sequence[str]) -> list[str]:
    lines = []
    if rows < table.num_rows:
        lines.append(f"… {counted(table.num_rows - rows, 'more row')}")
    if columns:
        lines.append(_cut(f"… {counted(len(columns), 'more column')}: {', '.join(columns)}", _WIDTH))
    return lines


def shown(value: Any) -> str:
    """A value in few characters, on one line.

    >>> shown(None), shown(0.1 + 0.2), shown(["a", None]), shown(True)
    ('', '0.3', '[a, NULL]', 'true')
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case list():
            items = ", ".join("NULL" if item is None else shown(item) for item in value[:12])
            return f"[{items}{', …' if len(value) > 12 else ''}]"
        case Mapping():
            return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in value.items()) + "}"
        case _:
            return printable(_cut(str(value), _MOST_CHARACTERS))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"

"""Tables of results: as text in 80 columns, as HTML with nothing of a value obeyed, and as frames."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daeda.dtypes import python_values
from daeda.errors import counted
from daeda.process.extras import require
from daeda.process.printable import printable

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

# A column that is cut keeps so many characters, one that names what its row is of more.
_WIDTH, _LEAST, _LEAST_NAME = 80, 14, 30
_NAMES = ("name", "column")
_MOST_ROWS, _MOST_CHARACTERS, _MOST_OF_NESTED = 40, 400, 80
# Of a table that stands on its side.
_ROW_WIDTH, _LEAST_ROW_WIDTH = 28, 20


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

    def _shown(self) -> pa.Table:
        """What is printed of the rows."""
        return self.to_arrow()

    def __repr__(self) -> str:
        return as_text(self._title(), self._shown(), self._remarks())

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return as_html(self._title(), self._shown(), self._remarks())


def as_text(title: str, table: pa.Table, remarks: Sequence[str] = ()) -> str:
    """The table in lines of at most 80 characters.

    The last column goes on in further lines. Columns that have no room are named below, and those without a value too.
    """
    head, rows = _cells(table)
    filled = [index for index in range(len(head)) if not rows or any(row[index] for row in rows)]
    shown = _fitting([_Width.of(head[index], [row[index] for row in rows], index) for index in filled])
    lines = [printable(title)]
    for row in [head, *rows] if shown else []:
        lines += _in_lines([row[one.index] for one in shown], [one.width for one in shown])
    there = {one.index for one in shown}
    lines += _left_out(table, len(rows), [name for index, name in enumerate(head) if index not in there])
    return "\n".join([*lines, *_wrapped(remarks)])


def on_its_side(title: str, table: pa.Table, remarks: Sequence[str] = ()) -> str:
    """The table with a line for each column, as many rows beside each other as have room in 80 characters."""
    head, rows = _cells(table, "NULL")
    names = min(max(map(len, ["column", *head])), _LEAST_NAME)
    at_once = max(1, min(len(rows), (_WIDTH - names) // (_LEAST_ROW_WIDTH + 2)))
    width = min(_ROW_WIDTH, (_WIDTH - names) // at_once - 2)
    lines = [printable(title)]
    for first in range(0, len(rows), at_once):
        numbers = range(first, min(first + at_once, len(rows)))
        for index, name in enumerate(["column", *head]):
            cells = [rows[number][index - 1] if index else f"row {number}" for number in numbers]
            beside = [_cut(cell, width).ljust(width) for cell in cells]
            lines.append("  ".join([_cut(name, names).ljust(names), *beside]).rstrip())
    lines += _left_out(table, len(rows), [] if rows else head)
    return "\n".join([*lines, *_wrapped(remarks)])


def _wrapped(sentences: Sequence[str]) -> list[str]:
    """Sentences in lines of at most 80 characters; what begins with spaces keeps them."""
    lines = []
    for sentence in map(printable, sentences):
        begin = sentence[: len(sentence) - len(sentence.lstrip())]
        lines += textwrap.wrap(sentence, _WIDTH, initial_indent="", subsequent_indent=f"{begin}  ") or [""]
    return lines


def _in_lines(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row of the table: its last cell is whole, in as many lines as it takes; the others are cut."""
    before = ["".join(_cut(cell, width).ljust(width) + "  " for cell, width in zip(cells[:-1], widths, strict=False))]
    last = textwrap.wrap(cells[-1], widths[-1]) or [""]
    before += [" " * len(before[0])] * (len(last) - 1)
    return [f"{one}{two}".rstrip() for one, two in zip(before, last, strict=True)]


@dataclass
class _Width:
    """How wide a column is shown, and how wide it is at least where others need room."""

    index: int
    width: int
    least: int

    @staticmethod
    def of(name: str, cells: Sequence[str], index: int) -> _Width:
        width = max(map(len, [name, *cells]))
        return _Width(index, width, min(width, _LEAST_NAME if name in _NAMES else _LEAST))


def _fitting(columns: Sequence[_Width]) -> list[_Width]:
    """The columns that have room: the last ones are left out, and then the widest ones cut."""
    kept = list(columns)
    while len(kept) > 1 and sum(one.least + 2 for one in kept) - 2 > _WIDTH:
        kept.pop()
    while kept and sum(one.width + 2 for one in kept) - 2 > _WIDTH:
        # The last one of the widest: it is the one that goes on in further lines.
        widest = max(
            (one for one in kept if one.width > one.least or len(kept) == 1), key=lambda one: (one.width, one.index)
        )
        widest.width -= 1
    return kept


def as_html(title: str, table: pa.Table, remarks: Sequence[str] = (), *, on_its_side: bool = False) -> str:
    """The table as HTML: every value is escaped, and what it has of markup is text.

    With `on_its_side` it has a line for each column.
    """
    head, rows = _cells(table, "NULL" if on_its_side else "")
    if on_its_side:
        numbered = [["column", *(f"row {number}" for number in range(len(rows)))]]
        head, *rows = [*numbered, *([name, *(row[index] for row in rows)] for index, name in enumerate(head))]
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    below = [*_left_out(table, min(table.num_rows, _MOST_ROWS), []), *map(printable, remarks)]
    notes = "".join(f"<div>{html.escape(line)}</div>" for line in below)
    return (
        f"<div><strong>{html.escape(printable(title))}</strong>"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
    )


def _cells(table: pa.Table, null: str = "") -> tuple[list[str], list[list[str]]]:
    """The head, and the first rows as texts."""
    first = table.slice(0, _MOST_ROWS)
    columns = [[_cell(value, null) for value in _values(column)] for column in first.columns]
    return list(map(printable, table.column_names)), [list(row) for row in zip(*columns, strict=True)]


def _cell(value: Any, null: str) -> str:
    """A value; what is missing as `null`, and nothing of a list without items where that is nothing."""
    return null if value is None or (value == [] and not null) else shown(value)


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Python's datetime ends at microseconds.
        texts = column.cast(pa.timestamp(column.type.unit)).cast(pa.string()).to_pylist()
        return [None if text is None else _without_zeros(text) for text in texts]
    return python_values(column)


def _without_zeros(instant: str) -> str:
    """An instant without the parts of a second that are zero.

    >>> _without_zeros("2025-01-01 10:00:00.000000"), _without_zeros("2025-01-01 10:00:00.250")
    ('2025-01-01 10:00:00', '2025-01-01 10:00:00.25')
    """
    seconds, _, parts = instant.partition(".")
    return ".".join(filter(None, [seconds, parts.rstrip("0")]))


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
            return _cut(f"[{items}{', …' if len(value) > 12 else ''}]", _MOST_OF_NESTED)
        case Mapping():
            items = ", ".join(f"{name}: {'NULL' if item is None else shown(item)}" for name, item in value.items())
            return _cut(f"{{{items}}}", _MOST_OF_NESTED)
        case _:
            return printable(_cut(str(value), _MOST_CHARACTERS))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"

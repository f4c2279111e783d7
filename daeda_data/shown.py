"""How training data is shown: a few lines of text, or a table of its columns in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from daeda.errors import counted
from daeda.process.printable import printable
from daeda_data.choosing import spans

if TYPE_CHECKING:
    from daeda_data.published_data import PublishedData

_MOST_COLUMNS = 40


def as_text(data: PublishedData) -> str:
    """`ranking (skeleton): 2 days (2024-01-02..2024-01-03), 4 rows, 9 columns`, and each column with its type."""
    types = _types(data)
    width = max(len(name) for name in types)
    lines = [f"  {name:<{width}}  {dtype}" for name, dtype in list(types.items())[:_MOST_COLUMNS]]
    more = len(types) - _MOST_COLUMNS
    return "\n".join([_title(data), *lines, *([f"  and {more} more"] if more > 0 else [])])


def as_html(data: PublishedData) -> str:
    """The same as a table, with the kind of each column."""
    kinds = data.kinds
    rows = [
        f"<tr><td>{escape(name)}</td><td>{escape(dtype)}</td><td>{escape(kinds.get(name) or '')}</td></tr>"
        for name, dtype in _types(data).items()
    ]
    head = "<tr><th>column</th><th>type</th><th>kind</th></tr>"
    return f"<div><p>{escape(_title(data))}</p><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"


def _title(data: PublishedData) -> str:
    version = f" v{data.version}" if data.version > 1 else ""
    split = f", split {data.split}" if data.split else ""
    columns = counted(len(data.columns) + bool(data.day_column), "column")
    return printable(
        f"{data.service}{version} ({data.half}{split}): {counted(len(data.days), 'day')} ({spans(data.days)}), "
        f"{counted(data.rows, 'row')}, {columns}"
    )


def _types(data: PublishedData) -> dict[str, str]:
    first = data.manifest(data.days[0])
    types = {column.name: column.dtype for column in first.columns}
    own = {printable(name): types[name] for name in data.columns}
    return {**own, printable(data.day_column): "date"} if data.day_column else own

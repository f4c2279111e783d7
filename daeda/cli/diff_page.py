"""A comparison as one HTML file: nothing is loaded from elsewhere, and what comes from data is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from daeda.answers.difference import AloneRows, DiffAnswer, DifferentColumn
from daeda.cli.diff_text import distance_told, key_told, value_told
from daeda.cli.tags_told import days_told
from daeda.errors import counted

_STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .9em; overflow-wrap: anywhere; } details { background: var(--soft); padding: .3rem .6rem; }
summary { cursor: pointer; } .equal { color: #2a7d2a; } .other { color: #b3261e; }
@media (prefers-color-scheme: dark) { .equal { color: #7fce7f; } .other { color: #ff8a80; } }
@media print { details { display: block; } }
"""
# No script, no image, no address: the page needs nothing, and may do nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(document: DiffAnswer) -> str:
    """The file's text."""
    title = f"{document.here} and {document.there}"
    verdict = ("equal", "Nothing differs.") if document.equal else ("other", "They differ.")
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style></head><body><main>\n",
            f"<h1><code>{_text(document.here)}</code> and <code>{_text(document.there)}</code></h1>\n",
            f'<p class="{verdict[0]}"><strong>{verdict[1]}</strong></p>\n',
            *_summary(document),
            *_schema(document),
            *_alone("here", document.only_here),
            *_alone("there", document.only_there),
            *([f"<p>Why: {_text('; '.join(document.rows_why))}</p>\n"] if document.rows_why else []),
            *_columns("Columns with other values", document.columns),
            *_columns("Columns made otherwise, with the same values", document.made_otherwise),
            *([f"<h2>Notes</h2><ul>{''.join(f'<li>{_text(note)}</li>' for note in document.notes)}</ul>\n"]
              if document.notes else []),
            "</main></body></html>\n",
        ]
    )  # fmt: skip


def _summary(document: DiffAnswer) -> Iterable[str]:
    rows: list[tuple[str, Any]] = [
        ("dataset", document.dataset),
        ("days of both", f"{len(document.days):,} ({days_told(document.days)})"),
        ("of those, the same bytes", f"{len(document.same_bytes):,}"),
        ("days only here", days_told(document.days_only_here)),
        ("days only there", days_told(document.days_only_there)),
        ("rows paired by", ", ".join(document.key)),
        ("rows paired", f"{document.paired:,}"),
        ("of those, with other values", f"{document.changed:,}"),
        ("rows only here", f"{document.only_here.rows:,}"),
        ("rows only there", f"{document.only_there.rows:,}"),
    ]
    cells = "".join(f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in rows)
    yield f"<table>{cells}</table>\n"


def _schema(document: DiffAnswer) -> Iterable[str]:
    if document.schema_changes:
        yield "<h2>Schema</h2>" + _table(
            ("column", "what", "here", "there", "days"),
            [
                (one.column, one.what, one.here or "", one.there or "", days_told(one.days))
                for one in document.schema_changes
            ],
        )


def _alone(side: str, alone: AloneRows) -> Iterable[str]:
    if alone.rows:
        yield f"<h2>Rows only {side}</h2><p>{alone.rows:,}, on {_text(days_told(alone.days))}; for example:</p>"
        yield _table(("day", "row"), [(one.day, key_told(one.key)) for one in alone.examples])


def _columns(title: str, columns: Sequence[DifferentColumn]) -> Iterable[str]:
    if not columns:
        return
    yield f"<h2>{title}</h2>\n"
    for column in columns:
        rows = f": {counted(column.rows, 'row')}{distance_told(column)}" if column.rows else ""
        yield f"<details open><summary><code>{_text(column.column)}</code>{_text(rows)}</summary>"
        yield f"<p>On {_text(days_told(column.days))}. Why: {_text('; '.join(column.why))}</p>"
        if column.examples:
            yield _table(
                ("day", "row", "here", "there"),
                [(one.day, key_told(one.key), value_told(one.here), value_told(one.there)) for one in column.examples],
            )
        yield "</details>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    titles = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(f'<td><code>{_text(cell)}</code></td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>\n'


def _text(value: object) -> str:
    """Escaped, and kept apart from what stands beside it: a name may turn the direction of writing."""
    return f"<bdi>{escape(str(value))}</bdi>"

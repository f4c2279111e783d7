"""A comparison as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daeda.answers.difference import AloneRows, DiffAnswer, DifferentColumn
from daeda.cli.tags_told import days_told
from daeda.errors import counted, shortened

_MOST = 6


def text(document: DiffAnswer) -> str:
    """The text; lists of days and columns are cut, which --json has whole."""
    return "\n".join(_lines(document))


def _lines(document: DiffAnswer) -> Iterator[str]:
    yield f"here: {document.here}"
    yield f"there: {document.there}"
    same = f", {len(document.same_bytes)} of them the same bytes" if document.same_bytes else ""
    yield f"{document.dataset}: {counted(len(document.days), 'day')} of both{same}"
    for side, days in (("here", document.days_only_here), ("there", document.days_only_there)):
        if days:
            yield f"{counted(len(days), 'day')} only {side}: {days_told(days)}"
    yield from _schema(document)
    yield from _rows(document)
    if document.columns:
        yield f"{counted(len(document.columns), 'column')} with other values:"
        for column in document.columns:
            yield from _column(column, document.paired)
    if document.made_otherwise:
        names = shortened([column.column for column in document.made_otherwise], _MOST)
        yield f"made otherwise, with the same values: {names}"
        for column in document.made_otherwise[:_MOST]:
            yield f"  {column.column}: {'; '.join(column.why)}"
    for note in document.notes:
        yield f"note: {note}"
    yield "nothing differs" if document.equal else "they differ"


def _schema(document: DiffAnswer) -> Iterator[str]:
    if not document.schema_changes:
        return
    yield f"{counted(len(document.schema_changes), 'change')} of the schema:"
    for one in document.schema_changes:
        on = "" if len(one.days) == len(document.days) else f" (on {days_told(one.days)})"
        match one.what:
            case "only here":
                told = f"{one.column}: only here, {one.here}"
            case "only there":
                told = f"{one.column}: only there, {one.there}"
            case "renamed":
                told = f"{one.here}: called {one.there} there"
            case _:
                told = f"{one.column}: {one.what} {one.here} here, {one.there} there"
        yield f"  {told}{on}"


def _rows(document: DiffAnswer) -> Iterator[str]:
    by = f" by {', '.join(document.key)}" if document.key else ""
    yield f"{counted(document.paired, 'row')} paired{by}, {document.changed:,} of them with other values"
    for side, alone in (("here", document.only_here), ("there", document.only_there)):
        yield from _alone(side, alone)
    if document.rows_why:
        yield f"  why: {'; '.join(document.rows_why)}"


def _alone(side: str, alone: AloneRows) -> Iterator[str]:
    if alone.rows:
        yield f"{counted(alone.rows, 'row')} only {side}, on {days_told(alone.days)}"
        for example in alone.examples:
            yield f"  {example.day}  {key_told(example.key)}"


def _column(column: DifferentColumn, paired: int) -> Iterator[str]:
    share = f" ({column.rows / paired:.2%})" if paired else ""
    yield f"  {column.column}: {counted(column.rows, 'row')}{share}{distance_told(column)}, on {days_told(column.days)}"
    yield f"    why: {'; '.join(column.why)}"
    for one in column.examples:
        yield f"    {one.day}  {key_told(one.key)}: {value_told(one.here)} here, {value_told(one.there)} there"


def distance_told(column: DifferentColumn) -> str:
    """`, at most 2.5 apart, 1.2 in the mean; 3 NULL here`; empty where nothing can be told."""
    told = ""
    if column.greatest is not None and column.mean is not None:
        told += f", at most {column.greatest:.6g} apart, {column.mean:.6g} in the mean"
    nulls = [
        f"{count:,} NULL {side}" for side, count in (("here", column.null_here), ("there", column.null_there)) if count
    ]
    return f"{told}; {', '.join(nulls)}" if nulls else told


def key_told(key: Mapping[str, Any]) -> str:
    """`user_id=1 at=2024-01-02 03:00:00`."""
    return " ".join(f"{name}={value_told(value)}" for name, value in key.items())


def value_told(value: Any) -> str:
    """A value for people: a text as it is, NULL for null, a list as JSON."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return value if value and value == value.strip() else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence | Mapping):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)

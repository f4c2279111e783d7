"""Tables that come in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")


def passed_on(kept: list[T], following: Iterable[T]) -> Iterator[T]:
    """What was kept, each of which is let go of, and what follows."""
    while kept:
        yield kept.pop(0)
    yield from following


def tables_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The batches as tables, behind one without rows, so that there is one."""
    yield schema.empty_table()
    yield from (pa.Table.from_batches([batch]) for batch in batches)


def gathered(tables: Iterable[pa.Table], nbytes: int) -> Iterator[pa.Table]:
    """The tables, several together until they have so many bytes."""
    pending: list[pa.Table] = []
    size = 0
    for table in tables:
        pending.append(table)
        size += table.nbytes
        if size >= nbytes:
            yield pa.concat_tables(pending)
            pending, size = [], 0
    if pending:
        yield pa.concat_tables(pending)

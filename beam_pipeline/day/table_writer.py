"""Tables of the day that Python writes from Arrow, batch by batch, while the day's connection streams what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb
import pyarrow as pa

from daeda.sql.handle import quoted_name

_BATCH = "daeda_batch"


@contextmanager
def table_writer(
    cursor: AbstractContextManager[duckdb.DuckDBPyConnection], name: str
) -> Iterator[Callable[[pa.Table], None]]:
    """Gives a function that appends rows to the table, in order; the first call creates it.

    A connection answers one statement at a time, so the rows go in through a cursor of it. For that the table is not a
    temporary one, which only the connection that created it would see; DuckDB spills both alike.
    """
    target = f"CREATE TABLE {quoted_name(name)} AS"

    def append(batch: pa.Table) -> None:
        nonlocal target
        beside.register(_BATCH, batch)
        beside.execute(f"{target} SELECT * FROM {_BATCH}")
        beside.unregister(_BATCH)
        target = f"INSERT INTO {quoted_name(name)}"

    with cursor as beside:
        yield append

"""Tables of the day that Python fills with Arrow, piece by piece, while the day's connection streams what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from daeda.sql.handle import quoted_name

_PIECE = "daeda_piece"


@contextmanager
def filling(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[Callable[[pa.Table], None]]:
    """Gives a function that appends rows to the table, in order; the first call makes it.

    A connection answers one statement at a time, so the rows go in through a second one. For that the table is not a
    temporary one, which only the connection that made it would see; DuckDB spills both alike.
    """
    quoted = quoted_name(name)
    made = False

    def add(piece: pa.Table) -> None:
        nonlocal made
        beside.register(_PIECE, piece)
        into = f"INSERT INTO {quoted}" if made else f"CREATE TABLE {quoted} AS"
        beside.execute(f"{into} SELECT * FROM {_PIECE}")
        beside.unregister(_PIECE)
        made = True

    with connection.cursor() as beside:
        yield add

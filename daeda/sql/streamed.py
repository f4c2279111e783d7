"""A result of DuckDB in Arrow's batches, whose errors are those of DuckDB: Arrow has one class for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

_BEGIN = re.compile(r"([A-Z][A-Za-z]*(?: [A-Za-z]+)* Error): ")
_STATUS = re.compile(r"\(HTTP (\d{3})\)")
# Those that somebody tells apart, by the beginning of their texts.
_KINDS: dict[str, type[duckdb.Error]] = {
    "Conversion Error": duckdb.ConversionException,
    "FATAL Error": duckdb.FatalException,
    "HTTP Error": duckdb.HTTPException,
    "INTERNAL Error": duckdb.InternalException,
    "INTERRUPT Error": duckdb.InterruptException,
    "IO Error": duckdb.IOException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Not implemented Error": duckdb.NotImplementedException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "Out of Range Error": duckdb.OutOfRangeException,
    "Permission Error": duckdb.PermissionException,
    "Serialization Error": duckdb.SerializationException,
}


@dataclass(frozen=True)
class Stream:
    """Batches of one schema; they come once. Who does not read them to their end closes it."""

    schema: pa.Schema
    batches: Generator[pa.RecordBatch]

    def close(self) -> None:
        """Give no more batches, and end what makes them."""
        self.batches.close()


def stream(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    batch_rows: int = 1_000_000,
    check: Callable[[], None] | None = None,
) -> Stream:
    """The rows of a query, in its order, so many at a time.

    Raises duckdb.Error, of the class that the statement would have raised, for what goes wrong in a later batch, too.
    `check` raises where the statement may have been interrupted by somebody.
    """

    def tell_cause() -> None:
        """A thread of DuckDB's that fails interrupts the others, of which one may be told of in its place."""
        if check is not None:
            check()
            connection.execute(f"EXPLAIN ANALYZE {query}")

    try:
        reader = connection.execute(query).to_arrow_reader(batch_rows)
    except duckdb.InterruptException:
        tell_cause()
        raise

    def batches() -> Generator[pa.RecordBatch]:
        try:
            yield from reader
        except MemoryError:
            raise
        except (OSError, pa.ArrowException) as raised:
            error = error_of_stream(str(raised))
            if isinstance(error, duckdb.InterruptException):
                tell_cause()
            raise error from raised

    return Stream(reader.schema, batches())


def error_of_stream(text: str) -> duckdb.Error:
    """The error that a statement would have raised, where a stream says so much.

    >>> error_of_stream("Out of Memory Error: failed to allocate 1 MiB")
    OutOfMemoryException('Out of Memory Error: failed to allocate 1 MiB')
    """
    begin = _BEGIN.match(text)
    found = (duckdb.Error if begin is None else _KINDS.get(begin[1], duckdb.Error))(text)
    status = _STATUS.search(text)
    if isinstance(found, duckdb.HTTPException) and status is not None:
        found.status_code = int(status[1])
    return found

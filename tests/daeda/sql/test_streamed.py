"""What goes wrong while a result is streamed is what the statement would have raised."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from daeda.errors import Stopped
from daeda.sql.streamed import error_of_stream, stream
from daeda.sql.unreadable import is_of_the_network
from tests.budget import examples

LAST_FAILS = "SELECT CAST(if(range < 300_000, '1', 'x') AS BIGINT) AS a FROM range(300_001)"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_later_batch_fails_as_the_first_one_does(threads: int) -> None:
    """Of several threads each time: some say that they were interrupted."""
    with duckdb.connect(config={"threads": threads}) as connection:
        for _ in range(examples(200) if threads > 1 else 1):
            with pytest.raises(duckdb.ConversionException, match="Could not convert string 'x' to INT64"):
                list(stream(connection, LAST_FAILS, 1_000, lambda: None).batches)


@pytest.mark.parametrize("batch_rows", [1, 1_000])
def test_all_rows_come_in_their_order(batch_rows: int) -> None:
    with duckdb.connect() as connection:
        found = stream(connection, "SELECT range AS a FROM range(5_000) ORDER BY a DESC", batch_rows)
        table = pa.Table.from_batches(found.batches, schema=found.schema)
        assert table.column("a").to_pylist() == list(range(4_999, -1, -1))
        empty = stream(connection, "SELECT 1 AS a WHERE false", batch_rows)
        assert (empty.schema.names, list(empty.batches)) == (["a"], [])


def test_who_stops_the_run_is_told_so() -> None:
    def check() -> None:
        raise Stopped("given up")

    with duckdb.connect() as connection:
        found = stream(connection, "SELECT range AS a FROM range(1_000_000_000_000)", 1_000, check)
        next(found.batches)
        connection.interrupt()
        with pytest.raises(Stopped, match="given up"):
            list(found.batches)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Out of Memory Error: could not allocate block", duckdb.OutOfMemoryException),
        ("IO Error: No files found", duckdb.IOException),
        ("Invalid Input Error: No magic bytes", duckdb.InvalidInputException),
        ("Out of Range Error: overflow in addition", duckdb.OutOfRangeException),
        ("TProtocolException: Invalid data", duckdb.Error),
        ("Something Else Error: text", duckdb.Error),
        ("", duckdb.Error),
    ],
)
def test_an_error_has_the_class_of_its_text(text: str, kind: type[duckdb.Error]) -> None:
    error = error_of_stream(text)
    assert (type(error), str(error)) == (kind, text)


def test_an_answer_of_a_server_says_whether_it_may_be_asked_again() -> None:
    assert is_of_the_network(error_of_stream("HTTP Error: HTTP GET error on 'http://a/b' (HTTP 503)"))
    assert not is_of_the_network(error_of_stream("HTTP Error: HTTP GET error on 'http://a/b' (HTTP 404)"))
    assert is_of_the_network(error_of_stream("IO Error: Connection reset by peer (timeout)"))

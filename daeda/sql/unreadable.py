"""Which file a statement could not read: DuckDB names it or not, so each is read alone once a statement has failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import duckdb

from daeda.errors import first_line
from daeda.operators.relational import Scan
from daeda.sql.locked import AllowedPaths, Setting, connect
from daeda.sql.scan import narrowing
from daeda.storage.access import without_secrets

_OF_FILES = (
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.InternalException,
    duckdb.FatalException,
    duckdb.SerializationException,
    duckdb.NotImplementedException,
)

# What a server says that is asked too much, or what is said where it says nothing.
_LATER = frozenset({408, 429, 500, 502, 503, 504})
_NO_ANSWER = re.compile(
    r"timed? ?out|timeout|connection (?:was )?(?:reset|refused|aborted|closed)|(?:could not|couldn't|failed to) connect"
    r"|could not establish connection|temporary failure in name resolution|stale file handle",
    re.IGNORECASE,
)


def is_of_the_network(error: duckdb.Error) -> bool:
    """Whether a statement failed because a server did not answer, or asked to be asked later: it may answer again.

    >>> is_of_the_network(duckdb.IOException("IO Error: Could not establish connection error for HTTP GET"))
    True
    """
    if getattr(error, "status_code", None) in _LATER:
        return True
    return isinstance(error, duckdb.IOException) and _NO_ANSWER.search(str(error)) is not None


def may_be_of_a_file(error: BaseException) -> bool:
    """Whether an error of DuckDB can come from the bytes of a file; its reader of Parquet throws plain Errors."""
    return type(error) is duckdb.Error or isinstance(error, _OF_FILES)


def unreadable_file(
    scanned: Iterable[tuple[Scan, Iterable[str]]],
    allowed: AllowedPaths,
    config: Mapping[str, Setting] | None = None,
    check: Callable[[], None] = lambda: None,
) -> str | None:
    """The first file of which DuckDB cannot read what its Scan takes, and why; None where it reads them all.

    `check` is called before each file, and may raise.
    """
    with connect(allowed, config) as connection:
        for scan, paths in scanned:
            for path in dict.fromkeys(paths):
                check()
                try:
                    connection.execute(f"SELECT max(hash(t)) FROM ({narrowing(scan, path)}) AS t").fetchone()
                except duckdb.Error as error:
                    if may_be_of_a_file(error):
                        return f"{path} cannot be read ({without_secrets(first_line(error))}): write it again"
    return None

"""Training data as a relation of DuckDB, on a connection of the user's."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from daeda.sql.files import file_list
from daeda.sql.locked import reach_object_storage
from daeda.storage.access import find_access
from daeda.storage.location import is_object
from daeda_data.readers.named_days import days_are_named

if TYPE_CHECKING:
    from daeda_data.published_data import PublishedData


def as_duckdb(data: PublishedData, connection: Any = None) -> Any:
    """The parts in their order, or the days one after another where their names are not all that a path says.

    With names, DuckDB opens no day that a filter on the column of the day leaves out. A connection that reads days on
    object storage gets the extension httpfs and the access of the environment.
    """
    own = duckdb.default_connection() if connection is None else connection
    if is_object(data.path):
        reach_object_storage(own, find_access())
    names = ", ".join(map(_quoted, data.columns))
    if days_are_named(data):
        files = file_list(part.path for part in data.parts()).sql("duckdb")
        hive = "hive_partitioning = true, hive_types = {'dt': DATE}"
        return own.sql(f"SELECT {names}, dt FROM read_parquet({files}, {hive})")
    return own.sql(" UNION ALL ".join(_one_day(data, day, names) for day in data.days))


def _one_day(data: PublishedData, day: dt.date, names: str) -> str:
    files = file_list(part.path for part in data.parts() if part.day == day).sql("duckdb")
    more = f", DATE '{day}' AS {_quoted(data.day_column)}" if data.day_column else ""
    return f"(SELECT {names}{more} FROM read_parquet({files}, hive_partitioning = false))"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")

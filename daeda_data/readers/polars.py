"""Training data as a lazy frame of Polars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daeda.process.extras import require
from daeda.storage.access import find_access
from daeda.storage.location import is_object
from daeda_data.parts import DayPart
from daeda_data.readers.named_days import days_are_named

if TYPE_CHECKING:
    import polars as pl

    from daeda_data.published_data import PublishedData


def as_polars(data: PublishedData) -> pl.LazyFrame:
    """A scan of the parts in their order, or one of each day where its name is not all that a path says.

    With names, Polars opens no day that a filter on the column of the day leaves out.
    """
    require("Polars frames")
    import polars as pl

    parts = data.parts()
    options = _storage_options() if is_object(data.path) else None
    if days_are_named(data):
        frame = pl.scan_parquet(
            _paths(parts), glob=False, hive_partitioning=True, hive_schema={"dt": pl.Date}, storage_options=options
        )
    else:
        frame = pl.concat([_one_day(data, day, options) for day in data.days])
    wanted = [*data.columns, *([data.day_column] if data.day_column else [])]
    return frame.select(wanted)


def _one_day(data: PublishedData, day: dt.date, options: dict[str, str] | None) -> pl.LazyFrame:
    import polars as pl

    parts = [part for part in data.parts() if part.day == day]
    frame = pl.scan_parquet(_paths(parts), glob=False, hive_partitioning=False, storage_options=options)
    return frame.with_columns(pl.lit(day, pl.Date).alias(data.day_column)) if data.day_column else frame


def _paths(parts: Sequence[DayPart]) -> list[str]:
    return [part.path for part in parts]


def _storage_options() -> dict[str, str]:
    access = find_access()
    options = {
        "aws_access_key_id": access.key_id,
        "aws_secret_access_key": access.secret,
        "aws_region": access.region,
    }
    if access.token:
        options["aws_session_token"] = access.token
    if access.endpoint:
        options |= {"aws_endpoint_url": access.endpoint, "aws_allow_http": str(not access.secure).lower()}
    return options

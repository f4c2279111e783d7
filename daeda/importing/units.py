"""Whether whole numbers count what is said: in a coarser unit than they do, all of them would lie in 1970."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from daeda.errors import InputError
from daeda.importing.request import ImportRequest
from daeda.importing.staging import Staged

_EPOCH = dt.date(1970, 1, 1)
_DAYS_OF_1970 = 365


def refuse_other_unit(request: ImportRequest, path: Path, staged: Staged) -> None:
    """Raise InputError where all times of a file are numbers that lie in 1970, unless --days says so.

    Seconds of today as milliseconds lie in January 1970, milliseconds as microseconds too, and 20240131 as seconds in
    August. Numbers of a finer unit than is said lie behind all years, and are kept aside.
    """
    days = [day for day in staged.days if day is not None]
    if request.timestamp_unit is None or request.rules.days is not None or not days:
        return
    if all(0 <= day < _DAYS_OF_1970 for day in days):
        first, last = (_EPOCH + dt.timedelta(days=day) for day in (min(days), max(days)))
        raise InputError(
            f"{path}: with --timestamp-unit {request.timestamp_unit} all of its times lie in 1970, from {first} to "
            f"{last}, as numbers of a coarser unit or written dates do: say what '{request.timestamp_field}' counts "
            "(s, ms, us, ns), or --time-format where 20240131 is a date; where its rows are of 1970, say "
            "--days 1970-01-01..1970-12-31"
        )

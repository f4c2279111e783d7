"""What an operator raises becomes an error that names the day and the operator, once."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from beam_pipeline.session.record import DayRecord
from beam_pipeline.session.timed import timed
from daeda.errors import (
    ConfigurationError,
    DaedaError,
    DayError,
    InputError,
    Interrupted,
    Late,
    StorageError,
    UserError,
)

DAY = dt.date(2024, 1, 2)


def a_session(closed: list[str], stopping: bool = False, failures: Sequence[Exception] = ()) -> Any:
    return SimpleNamespace(
        day=DAY,
        meter=None,
        busy=False,
        record=DayRecord(),
        status=SimpleNamespace(report=lambda operator, rows: None),
        resources=SimpleNamespace(stopping=stopping, arrow_columns=SimpleNamespace(failures=failures)),
        close=lambda: closed.append("closed"),
    )


def raised_by(error: BaseException, stopping: bool = False) -> BaseException:
    closed: list[str] = []
    session = a_session(closed, stopping)
    kind = DayError if isinstance(error, UserError | duckdb.Error) else type(error)
    with pytest.raises(kind) as raised, timed(session, "sink"):
        raise error
    assert closed == ["closed"]
    assert session.record.seconds == {}
    return raised.value


@pytest.mark.parametrize(
    "error", [DayError("no"), Late("no"), ConfigurationError("no"), InputError("no"), StorageError("no")]
)
def test_an_error_gets_its_day_and_operator(error: DaedaError) -> None:
    raised = raised_by(error)
    assert str(raised) == "day 2024-01-02, operator 'sink': no"
    assert type(raised) is (DayError if isinstance(error, UserError) else type(error))
    assert raised.__cause__ is error
    assert getattr(raised, "day", DAY) == DAY


def test_an_error_that_names_its_day_stays() -> None:
    error = DayError("day 2024-01-02 cannot begin: no", day=DAY)
    assert raised_by(error) is error


def test_an_error_is_not_recognised_by_its_words() -> None:
    """A file may be called like a day."""
    raised = raised_by(DayError("day 1/part.parquet is gone"))
    assert str(raised) == "day 2024-01-02, operator 'sink': day 1/part.parquet is gone"


def test_other_errors_of_daeda_keep_their_class() -> None:
    raised = raised_by(Interrupted("by SIGINT"))
    assert (type(raised), str(raised)) == (Interrupted, "day 2024-01-02, operator 'sink': by SIGINT")


def test_a_statement_that_was_interrupted_is_given_up() -> None:
    raised = raised_by(duckdb.InterruptException("INTERRUPT"), stopping=True)
    assert str(raised) == "day 2024-01-02: given up, the run is stopping"


def test_what_broke_in_a_stream_is_told_and_not_what_duckdb_says_of_it() -> None:
    failures = [OSError(errno.EIO, "Input/output error", "/spill/0.arrow")]
    with pytest.raises(DayError) as raised, timed(a_session([], failures=failures), "sink"):
        raise duckdb.InvalidInputException("arrow_scan: get_next failed(): IOError: Traceback (most recent call last):")
    assert str(raised.value) == (
        "day 2024-01-02, operator 'sink': /spill/0.arrow: Input/output error: see what is wrong with that file system"
    )


def test_what_is_not_foreseen_stays() -> None:
    error = KeyError("missing")
    assert raised_by(error) is error

"""Errors that cross processes: by an explicit table of classes, with their sentence and their day."""

from __future__ import annotations

import datetime as dt
import json
import pickle

from daeda import errors
from daeda.errors import ERROR_CLASSES, DaedaError, DayError, Late, deserialised, serialised


def test_an_error_crosses_processes_with_its_class_sentence_and_day() -> None:
    for kind in ERROR_CLASSES.values():
        error = kind("first", "second")
        if isinstance(error, DayError):
            error.day = dt.date(2024, 1, 2)
        again = deserialised(json.loads(json.dumps(serialised(error))))
        assert type(again) is kind
        assert str(again) == "first\nsecond"
        assert getattr(again, "day", None) == getattr(error, "day", None)
        copied = pickle.loads(pickle.dumps(error))
        assert (type(copied), copied.args, vars(copied)) == (kind, error.args, vars(error))


def test_every_error_that_can_cross_is_in_the_table() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DaedaError)]
    defined = {kind.__name__ for kind in classes}
    assert defined - {"SubprocessFailed"} == set(ERROR_CLASSES)


def test_a_class_that_is_not_in_the_table_is_a_day_that_failed() -> None:
    again = deserialised({"kind": "SumOverflow", "message": "too much"})
    assert (type(again), str(again), again.day) == (DayError, "too much", None)  # type: ignore[attr-defined]


def test_an_error_keeps_its_class_and_day_with_another_sentence() -> None:
    error = Late("no", day=dt.date(2024, 1, 2)).with_sentence("no, late")
    assert (type(error), str(error), error.day) == (Late, "no, late", dt.date(2024, 1, 2))

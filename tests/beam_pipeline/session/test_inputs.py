"""What the Scans of a day read, seen by operators that run beside them."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from beam_pipeline.session import inputs
from daeda.sources.files import SourceFiles


def test_who_goes_through_what_was_read_is_not_disturbed_by_the_next_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator in a thread of its own looks at the files of the day while the chain goes on to another Scan."""
    monkeypatch.setattr(inputs, "files_needed", lambda *_: ())
    monkeypatch.setattr(inputs.DayInputs, "_list_files", lambda *_: SourceFiles("events", {}, ()))
    checked = SimpleNamespace(listed={}, vanished=lambda *_: [])
    context: Any = SimpleNamespace(extending=None, checked=lambda: checked)
    of_day = inputs.DayInputs(context, dt.date(2024, 1, 2))
    first, second = (SimpleNamespace(name=name) for name in ("first", "second"))
    of_day.read(first, "digest")  # type: ignore[arg-type]
    going_through = iter(of_day.scanned.items())
    of_day.read(second, "digest")  # type: ignore[arg-type]
    assert [name for name, _ in going_through] == ["first"]
    assert list(of_day.scanned) == ["first", "second"]

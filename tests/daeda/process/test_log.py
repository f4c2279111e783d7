"""Narrative as JSON lines: of the form of the schema whoever writes it, harmless, and switched off again."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from rich.table import Table

from daeda.cli.main import main
from daeda.errors import DayError
from daeda.process.console import HarmlessConsole
from daeda.process.log import VARIABLE, JsonStream, NarrativeFormatter, is_json, narrated
from daeda.process.messages import run_command, say, warn
from tests.daeda.cli.test_answers import checked


def _told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [checked(line, "daeda.log/1") for line in capsys.readouterr().err.splitlines()]


def test_a_message_has_its_level_and_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    with narrated(["--log-json"]):
        say("skeleton 2024-01-02: 3 rows", day=dt.date(2024, 1, 2), half="skeleton", rows=3, seconds=0.25)
        warn("one", "two", half="enriched")
        say("a column may leak", "hint")
    first, *others = _told(capsys)
    moment = dt.datetime.fromisoformat(first.pop("time"))
    assert abs((dt.datetime.now(tz=dt.UTC) - moment).total_seconds()) < 60
    assert first == {
        "format": "daeda.log/1", "level": "info", "message": "skeleton 2024-01-02: 3 rows", "day": "2024-01-02",
        "half": "skeleton", "rows": 3, "seconds": 0.25,
    }  # fmt: skip
    assert [(line["level"], line["message"]) for line in others] == [
        ("warning", "one"), ("warning", "two"), ("hint", "a column may leak"),
    ]  # fmt: skip


def test_without_the_flag_it_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    with narrated(["train", "--", "--log-json"]):
        say("skeleton 2024-01-02: 3 rows", day=dt.date(2024, 1, 2), rows=3)
        warn("one")
        say("a column may leak", "hint")
    assert capsys.readouterr().err == "skeleton 2024-01-02: 3 rows\nwarning: one\nhint: a column may leak\n"


def test_it_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    before = sys.stderr
    with narrated(["--log-json"]):
        assert isinstance(sys.stderr, JsonStream)
        # What a subprocess inherits.
        assert os.environ[VARIABLE] == "json"
        with narrated(["--log-json"]):
            pass
        assert is_json()
    assert sys.stderr is before
    assert VARIABLE not in os.environ


def test_a_mistake_in_the_flags_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--log-json", "--nonsense"]) == 2
    [line] = _told(capsys)
    assert line["level"] == "error"
    assert line["message"].startswith("daeda pipeline train: unknown flag '--nonsense': ")


def _run(words: Sequence[str], error: BaseException) -> int:
    def command(_: Sequence[str]) -> int:
        raise error

    return run_command(command, words)


def test_errors_that_are_foreseen_and_those_that_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["--log-json"], DayError("one\nline", "and another")) == 1
    assert [(line["level"], line["message"]) for line in _told(capsys)] == [
        ("error", "one\\nline"), ("error", "and another"),
    ]  # fmt: skip
    assert _run(["--log-json"], ZeroDivisionError("division by zero")) == 1
    [line] = _told(capsys)
    assert line["message"] == "ZeroDivisionError: division by zero"
    assert line["traceback"][0] == "Traceback (most recent call last):"
    assert line["traceback"][-1] == "ZeroDivisionError: division by zero"


def test_whatever_python_writes_on_stderr_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with narrated(["--log-json"]):
        table = Table("day", "rows")
        table.add_row("2024-01-02", "3")
        HarmlessConsole(stderr=True).print(table)
        print("half of a ", end="", file=sys.stderr)
        say("between")
        print("line\n\nand \x1b[31manother", file=sys.stderr)
        print("begun", end="", file=sys.stderr)
    told = [line["message"] for line in _told(capsys)]
    assert "│ 2024-01-02 │ 3    │" in told
    assert told.index("between") < told.index("half of a line") < told.index("and \\x1b[31manother")
    assert told[-1] == "begun"


def test_records_of_logging_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = NarrativeFormatter("%(name)s: %(message)s")
    try:
        raise ValueError("bad")
    except ValueError:
        record = logging.LogRecord("lib", logging.ERROR, __file__, 1, "it %s", ("failed\n",), sys.exc_info())
    assert formatter.format(record).startswith("lib: it failed\\n\nTraceback")
    monkeypatch.setenv(VARIABLE, "json")
    line = checked(formatter.format(record), "daeda.log/1")
    assert (line["level"], line["message"]) == ("error", "lib: it failed\\n")
    assert line["traceback"][-1] == "ValueError: bad"
    warning = checked(formatter.format(logging.makeLogRecord({"levelno": logging.WARNING, "msg": "w"})), "daeda.log/1")
    assert warning["level"] == "warning"


def test_no_secret_is_in_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENG")
    with narrated(["--log-json"]):
        say("refused for wJalrXUtnFEMIK7MDENG")
        print("refused for wJalrXUtnFEMIK7MDENG", file=sys.stderr)
    text = capsys.readouterr().err
    assert "wJalr" not in text
    assert len([json.loads(line) for line in text.splitlines()]) == 2

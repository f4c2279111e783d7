"""The way in: help that fits a screen, versions, short words for commands, and days that are relative to today."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from daeda.cli.main import build_parser, main
from daeda.flags.days import joined, parse_day_flag
from daeda.flags.parser import StrictParser
from daeda.process.messages import Shown
from tests.projects import TinyProject

COMMANDS = ("pipeline train", "pipeline plan", "pipeline explain", "pipeline compile", "audit leakage")


def printed(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints that shows something and ends."""
    code: object = 0
    try:
        code = main(words.split())
    except Shown as shown:
        code = shown.code
    assert code == 0
    streams = capsys.readouterr()
    assert streams.err == ""
    return streams.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("--version", capsys) == f"daeda {version('daeda-features')}\n"


@pytest.mark.parametrize("group", ["", "pipeline", "audit"])
def test_a_group_without_a_command_shows_what_there_is(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(group, capsys)
    assert shown == printed(f"{group} --help", capsys)
    assert shown.startswith(f"usage: daeda {group}".rstrip())
    assert "COMMAND" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ("--help", "--help-all"):
        if words == "--help-all" and command == "pipeline compile":
            continue  # all of its flags fit
        shown = printed(f"{command} {words}", capsys)
        assert max(map(len, shown.splitlines())) <= 80
        assert "None" not in shown
        if words == "--help":
            assert len(shown.splitlines()) <= 40


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from every_parser(command)


def test_help_of_every_command_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    helped = {parser.prog: parser.format_help() for parser in every_parser(build_parser())}
    assert len(helped) > 20
    assert {prog for prog, text in helped.items() if max(map(len, text.splitlines())) > 80} == set()


def test_sentences_of_a_help_fill_the_width_and_examples_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "52")
    told = "One sentence that is\nlonger than what a line of this help holds.\n\n  daeda x   # as it is\n  daeda y"
    text = StrictParser(prog="daeda", description=told, add_help=False).format_help()
    assert text == (
        "usage: daeda\n\nOne sentence that is longer than what a line of\nthis help holds.\n\n"
        "  daeda x   # as it is\n  daeda y\n"
    )


@pytest.mark.parametrize("command", ["train", "plan", "explain", "audit leakage"])
def test_help_begins_with_examples_and_says_how_many_flags_are_left(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    short, whole = printed(f"{command} --help", capsys), printed(f"{command} --help-all", capsys)
    flags = {word for word in whole.split() if word.startswith("--") and word.strip("-").replace("-", "").isalpha()}
    assert f"  daeda {command} ranking" in short.split("arguments:")[0]
    assert "--runtime-config-path" in flags
    assert "--runtime-config-path" not in short
    assert "--help-all shows " in short


def test_a_command_of_the_pipeline_needs_no_pipeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    TinyProject(tmp_path).write()
    monkeypatch.chdir(tmp_path)
    assert printed("explain ranking", capsys) == printed("pipeline explain ranking", capsys)


@pytest.mark.parametrize(
    ("text", "day"),
    [("today", "2025-03-01"), ("yesterday", "2025-02-28"), ("-7d", "2025-02-22"), ("-0d", "2025-03-01"),
     ("2024-02-29", "2024-02-29")],
)  # fmt: skip
def test_days_in_words(text: str, day: str) -> None:
    assert parse_day_flag(text, dt.date(2025, 3, 1)) == day


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7d", "'7d' is not a day: write YYYY-MM-DD, today, yesterday, or days back like -7d (UTC)"),
        ("2025-02-30", "'2025-02-30' is not a day: day is out of range for month"),
        ("-999999d", "'-999999d' is before the first day that there is"),
    ],
)
def test_what_is_no_day(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="day") as caught:
        parse_day_flag(text, dt.date(2025, 3, 1))
    assert message in str(caught.value)


def test_days_back_are_no_flag() -> None:
    words = joined(["pipeline", "train", "ranking", "--start", "-7d", "--end", "yesterday"], ("--start", "--end"))
    arguments = build_parser().parse_strictly(words)
    today = dt.datetime.now(dt.UTC).date()
    near = [{str(day - dt.timedelta(days=back)) for day in (today, today - dt.timedelta(days=1))} for back in (7, 1)]
    assert arguments.start in near[0]
    assert arguments.end in near[1]
    assert joined(["--rows", "-7d"], ("--start",)) == ["--rows", "-7d"]


def test_plan_of_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The range of the flags takes the place of runtime.yaml's, which also runs before it."""
    project = TinyProject(tmp_path).without("item_vector").write().write_data()
    monkeypatch.chdir(project.root)
    assert main(["plan", "ranking", "--start", "2024-01-01", "--end", "2024-01-02"]) == 0
    shown = capsys.readouterr().out
    assert "2024-01-01" in shown
    assert "2024-01-02" in shown
    assert "2024-01-03" not in shown.split("why")[1].split("events:")[0]

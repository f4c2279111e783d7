"""A command whose last words cannot be written keeps its exit code: the terminal was closed, or the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import os, signal, sys
from daeda.errors import DayError, UsageError
from daeda.process.messages import run_command

def command(words):
    if words[0] == "interrupted":
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    if words[0] == "unforeseen":
        raise ValueError("unforeseen")
    raise {"usage": UsageError, "day": DayError}[words[0]]("a sentence")

code = run_command(command, sys.argv[1:])
# Python would flush both streams once more, and has to find nothing there.
sys.exit(code)
"""
CODES = {"usage": 2, "day": 1, "interrupted": 130, "unforeseen": 1}


def ended(word: str, stderr: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, word], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
        check=False, timeout=300,
    ).returncode  # fmt: skip


@pytest.mark.parametrize(("word", "code"), CODES.items())
def test_on_a_full_device(word: str, code: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert ended(word, full) == code
    finally:
        os.close(full)


@pytest.mark.parametrize(("word", "code"), CODES.items())
def test_on_a_terminal_that_was_closed(word: str, code: int) -> None:
    terminal, ours = os.openpty()
    os.close(terminal)
    try:
        assert ended(word, ours) == code
    finally:
        os.close(ours)


TABLE = """
import sys
from rich.table import Table
from daeda.process.console import HarmlessConsole
from daeda.process.messages import run_command

def command(words):
    table = Table("day")
    table.add_row("2024-01-01")
    HarmlessConsole().print(table)
    return 0

sys.exit(run_command(command, []))
"""


def test_a_table_that_nobody_reads_ends_the_command_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", TABLE], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=300
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_table_is_shown_on_a_terminal_without_a_size() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TABLE], cwd=ROOT, env={**os.environ, "COLUMNS": "0"}, capture_output=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0
    assert b"2024-01-01" in ended.stdout

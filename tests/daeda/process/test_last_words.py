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

"""A process that ends at once has done all that it had to, and does not end at once where it might not have."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# An object that says when it is taken apart, and a function that is registered for the end.
SCRIPT = """
import atexit, sys, threading, time
from daeda.process.ending import end_process
from daeda.process.supervised import user_code

class Kept:
    def __del__(self):
        sys.stdout.write("taken apart\\n")

kept = Kept()
kept.itself = kept
atexit.register(lambda: sys.stdout.write("registered\\n"))
"""


def ended(lines: str, stdout: str = "") -> tuple[int, str, str]:
    """The exit code and what was printed by a script that ends with the exit code 3; to a file where one is named."""
    code = f"{SCRIPT}\n{lines}\nraise SystemExit(end_process(3))\n"
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Path(stdout).open("w")) if stdout else subprocess.PIPE
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=target, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    return done.returncode, done.stdout or "", done.stderr


def test_what_was_printed_is_written_and_what_was_registered_runs() -> None:
    assert ended("sys.stdout.write('done\\n'); sys.stderr.write('told')") == (3, "done\nregistered\n", "told")


@pytest.mark.parametrize(
    "lines",
    [
        "with user_code('function', code=1, seconds=None): pass",
        "threading.Thread(target=lambda: (time.sleep(0.2), sys.stdout.write('thread\\n'))).start()",
    ],
)
def test_objects_of_user_code_and_threads_that_are_waited_for_have_their_time(lines: str) -> None:
    code, stdout, stderr = ended(lines)
    assert (code, stderr) == (3, "")
    assert stdout.splitlines() == [*(["thread"] if "thread" in lines else []), "registered", "taken apart"]


def test_output_that_cannot_be_written_is_told_as_python_tells_it() -> None:
    code, _, stderr = ended("sys.stdout.write('lost')", stdout="/dev/full")
    assert (code, "No space left on device" in stderr) == (120, True)

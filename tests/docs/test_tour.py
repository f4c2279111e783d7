"""The tour is what its script writes, and its commands are read by the command line."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs import tour
from tests.docs.test_commands import parsed


@pytest.mark.parametrize("name", ["docs.site", "docs.tour"])
def test_examples_print_what_they_say(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_the_page_has_the_commands_of_the_script_and_nothing_of_a_machine() -> None:
    text = tour.PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^```console\n\$ (.*)$", text, re.MULTILINE) == [step.command for step in tour.STEPS]
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|var)/|Traceback", text)
    for step in tour.STEPS:
        words = shlex.split(step.command)
        if words[0] == "daeda":
            parsed(" ".join(words[1:]))


@pytest.mark.long
def test_the_page_is_what_the_commands_answer(tmp_path: Path) -> None:
    subprocess.run([sys.executable, tour.JOURNEY / "prepare.py"], check=True, capture_output=True)
    assert tour.toured(tmp_path) == tour.PAGE.read_text(encoding="utf-8")

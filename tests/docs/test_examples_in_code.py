"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.packages import PACKAGES

REPOSITORY = Path(__file__).parents[2]
# Their examples need a project or published days: tests/daeda_python/test_project.py and tests/daeda_data try them.
OF_A_PROJECT = {"daeda_python.project", "daeda_data.opening"}
MODULES = sorted(
    str(path.relative_to(REPOSITORY).with_suffix("")).replace("/", ".")
    for package in ("bench", *PACKAGES, "sample_data")
    for path in (REPOSITORY / package).rglob("[a-z]*.py")
    if ">>> " in path.read_text() and not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OF_A_PROJECT])
def test_examples_print_what_they_say(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0
    assert tried.failed == 0

"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("bench", "beam_pipeline", "daeda", "daeda_audit", "daeda_preview", "enrich", "sample_data")
MODULES = sorted(
    str(path.relative_to(REPOSITORY).with_suffix("")).replace("/", ".")
    for package in PACKAGES
    for path in (REPOSITORY / package).rglob("[a-z]*.py")
    if ">>> " in path.read_text() and not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0
    assert tried.failed == 0

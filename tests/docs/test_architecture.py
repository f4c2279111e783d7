"""The pages about the code name modules, folders and functions that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packages import PACKAGES

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
PATH = re.compile(r"`((?:daeda|beam_pipeline|enrich|daeda_audit|tests|bench|docs|sample_data)/[\w./-]*)`")
FUNCTION = re.compile(r"`(\w+)` (?:in|of) `([\w./]+\.py)`")


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = PATH.findall(text)
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []
    for name, path in FUNCTION.findall(text):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), f"{name} in {path}"


def test_every_folder_of_the_product_has_its_place_in_the_picture() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for package in PACKAGES:
        for folder in sorted(path.parent.name for path in (ROOT / package).glob("*/__init__.py")):
            assert f"`{folder}`" in text, f"{package}/{folder}"

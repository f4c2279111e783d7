"""Drawn pictures are what their script draws, tell in words what they show, and are readable on a phone."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.drawn import pictures
from docs.pictures import PICTURES

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"!\[([^\]]*)\]\((?:docs/)?pictures/([\w-]+)\.svg\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", pictures())
def test_a_picture_is_what_the_script_draws(name: str) -> None:
    text = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert text == pictures()[name].svg()
    root = ElementTree.fromstring(text)
    sizes = [int(size) for size in re.findall(r"font:(\d+)px|font-size:(\d+)px", text)[0] if size]
    assert min(sizes) >= 12
    width = float(root.attrib["viewBox"].split()[2])
    assert width <= 360
    for piece in root.iter("{http://www.w3.org/2000/svg}text"):
        # What is anchored at its end reaches to the left.
        reach = (6 if "small" in piece.attrib["class"] else 7) * len(piece.text or "")
        x, anchor = float(piece.attrib["x"]), piece.attrib["text-anchor"]
        left = x - {"start": 0, "middle": reach / 2, "end": reach}[anchor]
        assert 0 <= left <= left + reach <= width, piece.text


def test_each_picture_is_shown_with_its_words() -> None:
    drawn = pictures()
    shown: set[str] = set()
    for page in PAGES:
        for text, name in SHOWN.findall(page.read_text(encoding="utf-8")):
            assert text == drawn[name].text, f"{page.name}: {name}"
            shown.add(name)
    assert shown == set(drawn)

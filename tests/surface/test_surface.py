"""What users could name in an earlier version and cannot any more is told in the changelog, by its whole name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from daeda.installed import VERSION
from tests.surface.listing import surface

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def section(version: str) -> str:
    """What the changelog says of a version."""
    found = re.search(rf"^## {re.escape(version)}\b.*?(?=^## |\Z)", CHANGELOG, re.MULTILINE | re.DOTALL)
    assert found is not None, f"CHANGELOG.md says nothing of {version}"
    return found[0]


@pytest.mark.parametrize("earlier", [path.stem for path in sorted(HERE.glob("*.json"))])
def test_what_went_is_told(earlier: str) -> None:
    before, now = json.loads((HERE / f"{earlier}.json").read_text(encoding="utf-8")), surface()
    gone = [name for part, names in before.items() for name in names if name not in now[part]]
    # The lists are of users' names, and a walk that finds none would tell of nothing that goes.
    assert all(len(names) > 10 for names in (*before.values(), *now.values()))
    told = section(VERSION)
    assert [name for name in gone if f"`{name}`" not in told] == []
    assert gone or earlier != "0.1.0"


def test_the_newest_section_is_of_this_version() -> None:
    assert re.findall(r"^## (\S+)", CHANGELOG, re.MULTILINE)[0] == VERSION

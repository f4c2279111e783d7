"""The site has every page, and no link in it leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs import site
from tests.environments import python_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in site.DOCS.rglob("*.md") if path.parent.name != "decisions")


def named(entries: Any) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else named(value)


def test_each_page_stands_once_in_the_navigation() -> None:
    pages = [str(site.site_path(path.relative_to(site.DOCS))) for path in PAGES]
    navigation = list(named(tomllib.loads(site.CONFIG.read_text())["project"]["nav"]))
    assert sorted(navigation) == sorted([*pages, "decisions/index.md"])


def test_the_first_page_leads_to_every_other_one() -> None:
    text = (site.DOCS / "README.md").read_text()
    missing = [path.name for path in PAGES if f"({path.relative_to(site.DOCS)})" not in text]
    assert missing == ["README.md"]


def test_links_that_leave_the_guide_say_where_they_lead(tmp_path: Path) -> None:
    site.copy(tmp_path)
    assert "slow oracle (`tests/oracle`)" in (tmp_path / "semantics.md").read_text()
    left = [
        (path.name, target)
        for path in sorted(tmp_path.rglob("*.md"))
        for target in re.findall(r"\]\(([^)\s#]+)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert left == []
    assert "](0003-exact-sums.md)" in (tmp_path / "decisions/index.md").read_text()


@pytest.mark.cases
def test_the_site_is_built_and_a_broken_link_is_refused(tmp_path: Path) -> None:
    python = python_of(".venv-site", "docs/requirements.txt", "make site")
    zensical = python.with_name("zensical")
    build = tmp_path / "site"
    command = [sys.executable, "-m", "docs.site", zensical, "--build", build]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stdout.endswith("html/index.html\n")
    for path in PAGES:
        assert (build / "html" / site.site_path(path.relative_to(site.DOCS)).with_suffix(".html")).exists()
    # Nothing is loaded from elsewhere.
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', (build / "html/index.html").read_text())
    page = build / "pages/why.md"
    page.write_text(page.read_text() + "\n[nowhere](labels.md#nowhere)\n")
    again = [zensical, "build", "--strict", "--config-file", build / site.CONFIG.name]
    broken = subprocess.run(again, cwd=build, capture_output=True, text=True)
    assert broken.returncode != 0
    assert "anchor does not exist" in broken.stdout + broken.stderr

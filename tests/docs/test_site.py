"""The site has every page, and no link in it leads nowhere."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs import site
from tests.environments import python_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the site was built."""
    build = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, "-m", "docs.site", zensical(), "--build", build]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("html/index.html\n")
    return build


def zensical() -> Path:
    return python_of(".venv-site", "docs/requirements.txt", "make site").with_name("zensical")


@pytest.mark.cases
def test_the_site_is_built_and_a_broken_link_is_refused(built: Path, tmp_path: Path) -> None:
    for path in PAGES:
        assert (built / "html" / html_of(path)).exists()
    text = (built / "html/index.html").read_text()
    # Nothing is loaded from elsewhere.
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', text)
    assert "site.css" in text
    copy = shutil.copytree(built, tmp_path / "site")
    page = copy / "pages/why.md"
    page.write_text(page.read_text() + "\n[nowhere](labels.md#nowhere)\n")
    again = [zensical(), "build", "--strict", "--config-file", copy / site.CONFIG.name]
    broken = subprocess.run(again, cwd=copy, capture_output=True, text=True)
    assert broken.returncode != 0
    assert "anchor does not exist" in broken.stdout + broken.stderr


def html_of(path: Path) -> Path:
    return site.site_path(path.relative_to(site.DOCS)).with_suffix(".html")


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address of a server of these files."""
    handler = functools.partial(Silent, directory=str(directory))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Silent(SimpleHTTPRequestHandler):
    """A server of files that writes nothing on stderr."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.cases
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_no_page_is_moved_sideways_and_no_picture_is_lost(
    built: Path, browser: Browser, width: int, scheme: Any
) -> None:
    """A wide table or block is moved by itself. Nothing is asked of another server, and nothing complains."""
    complaints: list[str] = []
    with served(built / "html") as address:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        page = context.new_page()
        page.on("console", lambda one: complaints.append(one.text))
        page.on("request", lambda one: None if one.url.startswith((address, "data:")) else complaints.append(one.url))
        for path in PAGES:
            page.goto(f"{address}/{html_of(path).as_posix()}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            lost = "[...document.images].filter(one => !one.complete || !one.naturalWidth || !one.alt).length"
            assert page.evaluate(lost) == 0, path
        context.close()
    assert complaints == []


@pytest.mark.cases
def test_the_site_is_searched(built: Path, browser: Browser) -> None:
    with served(built / "html") as address:
        page = browser.new_page()
        page.goto(f"{address}/index.html", wait_until="networkidle")
        page.keyboard.press("Control+k")
        page.locator("input:focus").type("matures_after")
        page.get_by_text("A day waits until its labels are known").first.wait_for(timeout=20_000)
        page.close()


def test_each_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((site.DOCS / "decisions").glob("0*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert len(set(numbers)) == len(numbers)
    for number, path in zip(numbers, decisions, strict=True):
        assert path.read_text().startswith(f"# {number}. "), path

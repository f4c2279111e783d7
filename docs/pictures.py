"""The pictures of the user guide, in docs/pictures/: `python -m docs.pictures [REPORT.html [CATALOG.html]]`.

Without a file it draws those of docs/drawn.py anew. With one it takes those of docs/report.md, too: of the report of
examples/complete_journey, in which a price is in another unit from one day on:

    daeda report household_ranking --output report.html
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from docs.drawn import pictures

PICTURES = Path(__file__).parent / "pictures"
DESK: dict[str, Any] = {"viewport": {"width": 1000, "height": 680}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 680}, "color_scheme": "dark"}
# Each picture: the part of the address behind '#', what is scrolled to, and the browser that it is seen in.
OF_REPORT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "overview": ("overview", "main", DESK),
    "days": ("days/2017-02-03", "main", DESK),
    "pipeline": ("pipeline", "main", DESK),
    "column": ("column/price", "main", DESK),
    "compared": ("column/price", "#compared", DESK),
    "drift": ("drift", "main", DESK),
    "phone": ("overview", "main", PHONE),
}


def draw(directory: Path = PICTURES) -> None:
    """Write what is drawn."""
    for name, picture in pictures().items():
        (directory / f"{name}.svg").write_text(picture.svg(), encoding="utf-8")


def take(report: Path, catalog: Path | None) -> None:
    """Write what is taken of a report and of a catalog, by a browser."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for name, (address, seen, options) in OF_REPORT.items():
            page = browser.new_context(offline=True, **options).new_page()
            page.goto(f"{report.absolute().as_uri()}#/{address}")
            _save(page, name, seen)
        if catalog is not None:
            page = browser.new_context(offline=True, **DESK).new_page()
            page.goto(f"{catalog.absolute().as_uri()}#/search/price")
            _save(page, "catalog", "main")
        browser.close()


def _save(page: Any, name: str, seen: str) -> None:
    page.wait_for_selector("html[data-ready]")
    if seen != "main":
        page.locator(seen).scroll_into_view_if_needed()
        page.evaluate("seen => document.querySelector(seen).scrollIntoView()", seen)
        page.evaluate("window.scrollBy(0, -60)")
    page.wait_for_timeout(800)
    page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    draw()
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)

"""The pictures of the user guide, in docs/pictures/: `python -m docs.pictures [--report]`.

Those of docs/drawn.py are drawn anew. With `--report` those of docs/report.md are taken, too: of two weeks of
examples/complete_journey, whose data `prepare.py` has made, with prices in cents from one day on. That takes a minute
or two, and a browser.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from docs.drawn import pictures

PICTURES = Path(__file__).parent / "pictures"
JOURNEY = Path(__file__).parents[1] / "examples" / "complete_journey"
# Taken as wide as that, a text of a page is read in a column of a phone, and is not small on a desk.
WIDE: dict[str, Any] = {"viewport": {"width": 520, "height": 640}, "device_scale_factor": 1.5}
TALL = WIDE | {"viewport": {"width": 520, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 680}, "color_scheme": "dark"}
# Each picture: the part of the address behind '#', what is scrolled to, and the browser that it is seen in.
OF_REPORT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "overview": ("overview", "main", WIDE),
    "days": ("days/2017-02-03", "main", TALL),
    "pipeline": ("pipeline", "main", TALL),
    "column": ("column/price", "main", WIDE),
    "compared": ("column/price", "#compared", TALL),
    "drift": ("drift", "main", WIDE),
    "phone": ("overview", "main", PHONE),
}
DAYS = ("--start", "2017-01-29", "--end", "2017-02-11")
IN_CENTS_FROM = "2017-02-04"


def main() -> int:
    """Draw, and take what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--report", action="store_true", help="take those of a report, too")
    options = parser.parse_args()
    draw()
    if options.report:
        with tempfile.TemporaryDirectory() as directory:
            take(*reported(Path(directory)))
    return 0


def draw(directory: Path = PICTURES) -> None:
    """Write what is drawn."""
    for name, picture in pictures().items():
        (directory / f"{name}.svg").write_text(picture.svg(), encoding="utf-8")


def reported(folder: Path) -> tuple[Path, Path]:
    """A report and a catalog of the example, made in an empty folder."""
    project = folder / "project"
    for name in ("config", "feature_views", "feature_services"):
        shutil.copytree(JOURNEY / name, project / name)
    data = project / "data"
    data.mkdir()
    for path in (JOURNEY / "data").iterdir():
        (data / path.name).symlink_to(path)
    prices = data / "product_prices"
    prices.unlink()
    shutil.copytree(JOURNEY / "data" / prices.name, prices)
    for path in sorted(prices.glob("dt=*/*.parquet")):
        if path.parent.name.removeprefix("dt=") >= IN_CENTS_FROM:
            relation = duckdb.sql(
                f"SELECT * REPLACE (price * 100 AS price) FROM read_parquet('{path}', hive_partitioning = false)"
            )
            relation.write_parquet(f"{path}.new")
            Path(f"{path}.new").replace(path)
    bin_first = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for words in (
        ("train", "household_ranking", *DAYS, "--profile"),
        ("report", "household_ranking", *DAYS, "--output", "report.html"),
        ("catalog", "--html", "catalog.html"),
    ):
        subprocess.run(["daeda", *words], cwd=project, env={**os.environ, "PATH": bin_first}, check=True)
    return project / "report.html", project / "catalog.html"


def take(report: Path, catalog: Path) -> None:
    """Write what is taken of a report and of a catalog, by a browser."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        shown = [(name, report, *seen) for name, seen in OF_REPORT.items()]
        for name, file, address, seen, options in (*shown, ("catalog", catalog, "search/price", "main", WIDE)):
            page = browser.new_context(offline=True, **options).new_page()
            page.goto(f"{file.absolute().as_uri()}#/{address}")
            page.wait_for_selector("html[data-ready]")
            if seen != "main":
                page.locator(seen).scroll_into_view_if_needed()
                page.evaluate("seen => document.querySelector(seen).scrollIntoView()", seen)
                page.evaluate("window.scrollBy(0, -60)")
            page.wait_for_timeout(800)
            page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

"""The report of the root project in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.art_feed.conftest import SERVICE, ArtFeed
from tests.browser import tour

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.cases
def test_its_report_is_walked_through(browser: Browser, trained: ArtFeed, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    trained.run("daeda", "report", SERVICE, "--output", str(file))
    tour(browser, file, tmp_path, "like_aes_score_mean_7d")

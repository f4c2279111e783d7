"""The report of the example in a real browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import tour
from tests.journey.conftest import RUNTIME, SERVICE, Journey

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.cases
def test_its_report_is_walked_through(browser: Browser, journey: Journey, whole_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    words = [sys.executable, "-m", "daeda", "report", SERVICE, "--runtime-config-path", str(RUNTIME)]
    words += ["--output-root", str(whole_run), "--output", str(file)]
    done = subprocess.run(words, env=journey.environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    tour(browser, file, tmp_path, "price")

"""What golden cases need, made once: their projects with data, and their days as DirectRunner builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.jobs import Entry, golden_entries, run_job


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Every golden case with every engine."""
    return golden_entries(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="session")
def golden_days(golden: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where DirectRunner built them, as one job."""
    root = tmp_path_factory.mktemp("golden_days")
    run_job(golden, root, ("--runner", "DirectRunner"))
    return root

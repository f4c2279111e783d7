"""Projects that every runner builds, made once: with their data, and their days as DirectRunner builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.art_feed.conftest import ArtFeed, art_feed
from tests.budget import LONG
from tests.cases.case import engines
from tests.cases.jobs import Entry, golden_entries, run_job
from tests.cases.projects import project_entries

__all__ = ["art_feed", "direct_days", "golden", "golden_days", "golden_once", "projects"]


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Every golden case with every engine."""
    return golden_entries(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="session")
def golden_once(golden: list[Entry]) -> list[Entry]:
    """Every golden case with one engine, the one and the other in turn; in `make long` with every one."""
    number = len(engines())
    return golden if LONG else [entry for at, entry in enumerate(golden) if at % number == at // number % number]


@pytest.fixture(scope="session")
def golden_days(golden: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where DirectRunner built them, as one job."""
    root = tmp_path_factory.mktemp("golden_days")
    run_job(golden, root, ("--runner", "DirectRunner"))
    return root


@pytest.fixture(scope="session")
def projects(art_feed: ArtFeed, tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Both examples, and tiny projects."""
    return project_entries(tmp_path_factory.mktemp("projects"), art_feed)


@pytest.fixture(scope="session")
def direct_days(projects: list[Entry], golden: list[Entry], golden_days: Path) -> Path:
    """Where DirectRunner built the projects and the golden cases, below the name of each."""
    run_job(projects, golden_days, ("--runner", "DirectRunner"))
    return golden_days

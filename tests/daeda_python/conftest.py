"""A tiny project, and features of it made in this process, as the process that computes them would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daeda_python.here import compute_here
from tests.projects import TinyProject, moment

ENGINES = ("duckdb", "polars")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_here(monkeypatch)


def shop(root: Path, engine: str = "duckdb") -> TinyProject:
    """Events with a NULL key, an unknown item, ties and duplicates, below `root`."""
    project = TinyProject(root)
    project.runtime["compute"] = {"engine": engine}
    project.column("user_id")["nullable"] = True
    project.data["events"] = [
        *project.data["events"], (None, 12, moment("02 10:00"), 6.0), (7, None, moment("03 08:00"), None),
        (1, 10, moment("02 09:00"), 3.5), (1, 11, moment("03 23:59"), 3.5),
    ]  # fmt: skip
    project.column("item_id")["nullable"] = True
    return project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with vectors."""
    shop(tmp_path).write().write_data().write_store()
    return tmp_path

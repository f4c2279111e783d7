"""A tiny project, and features of it made in this process, as the process that computes them would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from daeda_python import features, worker
from daeda_python.driver import Ended
from daeda_python.told import Progress
from tests.projects import TinyProject, moment

ENGINES = ("duckdb", "polars")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are computed in this process, and errors are raised in it: a process costs two seconds."""

    def run(words: Sequence[str], progress: Progress) -> Ended:
        assert words[0] == "features"
        worker._command(words[1:2])
        return Ended()

    monkeypatch.setattr(features, "run", run)
    monkeypatch.setattr(worker, "without_pandas", lambda project: None)


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

"""One training set for all tests of its report."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daeda_report.command import main
from tests.daeda_report.published import Training
from tests.projects import TinyProject

HOSTILE = "<script>alert('x')</script> & \"quoted\" \u202etxet \u05d0\u05d1"


def hostile(project: TinyProject) -> None:
    """Texts of YAML that are no HTML."""
    project.service |= {"description": HOSTILE, "owner": "team <b>x</b>"}
    project.column("price")["description"] = HOSTILE
    project.service["splits"] = {"train": "2024-01-01..2024-01-14", "valid": "2024-01-15..2024-01-20"}


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Twenty days, of which one is not published and nothing stands out."""
    root = tmp_path_factory.mktemp("training")
    return Training(root, changed=hostile, left_out=frozenset({5})).publish()


@pytest.fixture(scope="session")
def report(training: Training) -> Path:
    """Its report."""
    return write_report(training.root)


def write_report(root: Path, *words: str) -> Path:
    before = Path.cwd()
    os.chdir(root)
    try:
        assert main(["ranking", "--output", "report.html", *words]) == 0
    finally:
        os.chdir(before)
    return root / "report.html"


@pytest.fixture
def content() -> Callable[[], dict[str, Any]]:
    """What the driver hands over for a catalog."""

    def made() -> dict[str, Any]:
        column = {
            "name": "price", "service": "ranking", "kind": "point_in_time", "dtype": "double",
            "made_by": "prices:price",
            "description": HOSTILE, "sources": [["prices", "price", True, False], ["events", "item_id", False, False]],
        }  # fmt: skip
        view = {
            "name": "prices", "description": "", "keys": ["item_id"], "timestamp_field": None, "source": "prices",
            "fields": {"price": "double"}, "stored": {"price": "price"}, "used_by": ["ranking"], "files": 1,
            "first_day": None, "last_day": None, "problem": None,
        }  # fmt: skip
        service = {
            "name": "ranking", "version": 1, "owner": "", "description": "", "spine": "events",
            "runtime": "runtime.yaml",
            "first_day": "2024-01-01", "last_day": "2024-01-02", "columns": 1,
        }  # fmt: skip
        return {"title": "project", "columns": [column], "views": [view], "services": [service], "stores": []}

    return made

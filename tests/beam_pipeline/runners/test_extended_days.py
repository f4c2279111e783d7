"""Days that are extended on the portable runner: the bytes of a rebuild."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.beam_pipeline.extending import build, manifest, published
from tests.beam_pipeline.runners.conftest import LOOPBACK, left_in_staging, run_skeleton
from tests.beam_pipeline.runners.services import Services
from tests.beam_pipeline.test_extend_immature import DAYS, made, one_more_partition
from tests.daeda.compiler.test_identity import add
from tests.projects import TinyProject


def edited(root: Path) -> TinyProject:
    """Days that are to be extended: by a column, and two of them by a label that is mature by now."""
    project = made(root)
    one_more_partition(project)
    add(project, {"name": "double_amount", "kind": "derived", "dtype": "double", "expression": "amount * 2"})
    shutil.copytree(root / "output", root / "portable")
    build(project, "again", extend=False)
    project.runtime["output_root"] = "portable"
    project.write()
    return project


def without_kinds(project: TinyProject, output: str) -> dict[str, Any]:
    """What is published, without what the days that are built in this process do not say of columns."""
    found = published(project, output)
    for name, written in found.items():
        if name.endswith(".json"):
            for column in written["columns"]:
                column.pop("kind", None)
    return found


def extended_there(project: TinyProject, flags: tuple[str, ...]) -> None:
    run = run_skeleton(project.runtime_path, *flags)
    assert run.returncode == 0, run.stderr
    assert without_kinds(project, "portable") == without_kinds(project, "again")
    assert left_in_staging(project.root / "portable/ranking") == []
    for day in DAYS:
        assert "extend" in json.loads(manifest(project, "portable", day).read_text())["seconds"]


def test_extended_days_in_workers_of_the_driver(job_service: str, tmp_path: Path) -> None:
    project = edited(tmp_path)
    extended_there(project, ("--runner", "PortableRunner", "--job_endpoint", job_service, *LOOPBACK))


@pytest.mark.cases
def test_extended_days_in_workers_of_a_pool(services: Services, tmp_path: Path) -> None:
    extended_there(edited(tmp_path), services.forms["external"])

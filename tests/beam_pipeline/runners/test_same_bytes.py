"""Cases on the portable runner, in both forms of worker: the bytes of DirectRunner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.beam_pipeline.runners.conftest import left_in_staging, parts
from tests.beam_pipeline.runners.services import Services
from tests.budget import LONG
from tests.cases.jobs import Entry, run_job


@pytest.mark.long
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_one_job_that_holds_all_cases_gives_the_bytes_of_direct_runner(
    services: Services, projects: list[Entry], golden_once: list[Entry], direct_days: Path, tmp_path: Path, form: str
) -> None:
    entries = [*(projects if LONG else ()), *each_sixth(golden_once, 0)]
    check_same_bytes(entries, direct_days, tmp_path, services.forms[form])


def each_sixth(golden: list[Entry], first: int) -> list[Entry]:
    """Each sixth golden case, from number `first`, and those with functions; in `make long` all of them."""
    return [
        entry
        for number, entry in enumerate(golden)
        if LONG or number % 6 == first or entry.name.startswith("own_function")
    ]


def check_same_bytes(entries: list[Entry], direct_days: Path, root: Path, flags: Sequence[str]) -> None:
    """One job with these flags of Beam gives the parts and the manifests of DirectRunner, and leaves nothing."""
    names = {entry.name for entry in entries}
    assert names & {"own_function_duckdb", "own_function_polars"}
    run_job(entries, root, flags)
    for entry in entries:
        built, wanted = root / entry.name / entry.service, direct_days / entry.name / entry.service
        assert len(parts(wanted)) >= len(list((wanted / "skeleton").glob("dt=*"))) > 0
        assert parts(built) == parts(wanted), entry.name
        assert manifests(built) == manifests(wanted), entry.name
        assert left_in_staging(built) == []


def manifests(service_dir: Path) -> dict[str, Any]:
    """What the manifests say, without how long it took and when the files were last changed."""
    by_day = {
        path.parent.name: json.loads(path.read_text()) for path in (service_dir / "skeleton").glob("dt=*/_*.json")
    }
    for manifest in by_day.values():
        del manifest["seconds"], manifest["stamps"]
    return by_day

"""What `daeda doctor` finds of servers that are there: object storage, its clock, and a DuckLake."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from daeda.doctor import project as project_probes
from daeda.doctor.finding import Finding
from daeda.storage import client as storage_client
from daeda.storage.client import S3Client
from tests.clocks import set_clock
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return TinyProject(tmp_path).without("item_vector").write().write_data()


def test_object_storage_that_answers(client: S3Client) -> None:
    [finding] = project_probes._bucket(BUCKET.bucket, 10)
    assert (finding.state, finding.what) == ("ok", "s3://lake")
    assert finding.seen.startswith("answers in ")
    assert "clock" not in finding.seen
    assert client.listing(BUCKET) == []


def test_a_server_whose_clock_is_an_hour_behind(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, storage_client, time=lambda: time.time() + 3600)
    [finding] = project_probes._bucket(BUCKET.bucket, 10)
    assert finding.state == "warning"
    assert finding.seen.partition("; ")[2] in [f"its clock is {n} s behind this host" for n in (3599, 3600, 3601)]


def test_a_view_in_a_ducklake(project: TinyProject, lake: Path) -> None:
    project.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "ducklake": "lake.ducklake", "table": "prices",
    }  # fmt: skip
    loaded = project.write().load()
    before = sorted(project.root.rglob("*"))
    [finding] = project_probes._database(loaded, loaded.views["prices"], 60)
    seen = "ducklake://lake.ducklake/prices answers, and has the declared columns"
    assert finding == Finding("ok", "view prices", seen)
    assert sorted(project.root.rglob("*")) == before

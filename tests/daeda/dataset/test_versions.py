"""Versions of a service stand side by side, each whole in a directory of its own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout, layout_of, layout_of_run, version_of
from daeda.dataset.publish.staging import check_writable, open_staging
from daeda.dataset.versions import days_of_lower_versions, versions_there
from daeda.storage.location import ObjectPath
from tests.daeda.dataset.test_staging import publish
from tests.projects import TinyProject

DAY = dt.date(2024, 1, 2)


def test_places_of_a_version_on_a_disk_and_on_object_storage() -> None:
    local, far = Layout(Path("/out/ranking")), Layout(ObjectPath("lake", "out/ranking"), Path("/scratch/ranking"))
    assert str(local.day_dir("skeleton", DAY)) == "/out/ranking/skeleton/dt=2024-01-02"
    assert str(local.of_version(2).day_dir("enriched", DAY)) == "/out/ranking/v2/enriched/dt=2024-01-02"
    assert str(far.of_version(12).day_dir("skeleton", DAY)) == "s3://lake/out/ranking/v12/skeleton/dt=2024-01-02"
    assert str(far.of_version(12).staging) == "/scratch/ranking/v12/_staging"
    assert [layout.title for layout in (local, far.of_version(2))] == ["ranking", "ranking v2"]
    # A service may be called as a version is: its name is no guess at the directory.
    assert (Layout(Path("/out/v2")).service, Layout(Path("/out/v2"), version=3).service) == ("v2", "v2")
    for layout in (local, local.of_version(2), far, far.of_version(2)):
        run_dir = layout.staging / "run-1"
        worker = layout_of_run(layout.service_dir, layout.version, run_dir)
        assert (worker.staging, worker.version_dir, worker.service) == (layout.staging, layout.version_dir, "ranking")


@pytest.mark.parametrize(
    ("name", "version"),
    [("v2", 2), ("v10", 10), ("v1", None), ("v02", None), ("v0", None), ("v", None), ("V2", None), ("v2x", None)],
)
def test_names_of_versions(name: str, version: int | None) -> None:
    assert version_of(name) == version


def test_the_contract_chooses_the_place(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.service["version"] = 3
    assert layout_of(made.write().load()).version_dir == tmp_path / "output/ranking/v3"


def test_a_day_is_taken_from_the_greatest_lower_version_that_has_it(tmp_path: Path) -> None:
    first = Layout(tmp_path / "output/service")
    assert versions_there(first) == ()
    for version in (1, 2, 10, 11):
        publish(first.of_version(version), f"version {version}")
    (first.service_dir / "v03").mkdir()
    (first.service_dir / "v4").write_text("no directory")
    assert versions_there(first) == (1, 2, 10, 11)
    days = [DAY, DAY + dt.timedelta(days=1)]
    for asked, found in {1: None, 2: 1, 10: 2, 11: 10, 99: 11}.items():
        lower = days_of_lower_versions(first.of_version(asked), "skeleton", days)
        assert {day: layout.version for day, (layout, _) in lower.items()} == ({DAY: found} if found else {})
    (first.of_version(10).day_dir("skeleton", DAY) / "_manifest.json").unlink()
    assert days_of_lower_versions(first.of_version(11), "skeleton", days)[DAY][0].version == 2


def test_a_run_of_one_version_leaves_the_others_alone(tmp_path: Path) -> None:
    first = Layout(tmp_path / "output/service")
    second = first.of_version(2)
    publish(first, "old")
    before = {path: path.read_bytes() for path in first.dataset_dir("skeleton").rglob("*") if path.is_file()}
    with open_staging(first) as one, open_staging(second) as two:
        assert one.directory.parent == tmp_path / "output/service/_staging"
        assert two.directory.parent == tmp_path / "output/service/v2/_staging"
    publish(second, "new")
    assert {path: path.read_bytes() for path in first.dataset_dir("skeleton").rglob("*") if path.is_file()} == before
    check_writable(second)

"""Statistics and checks of days on object storage, kept beside them there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from daeda.checks.published import Judging
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import DayName, read_manifest
from daeda.settings.checks import Check
from daeda.statistics.kept import forget_outdated, forget_statistics, kept_statistics, statistics_of, statistics_path
from daeda.statistics.of_day import statistics_of_day
from daeda.storage.client import S3Client
from daeda.storage.location import ObjectPath
from tests.daeda.statistics.oracle import DAY, publish
from tests.storage.conftest import BUCKET, empty_bucket


def test_statistics_and_verdicts_of_objects(client: S3Client, tmp_path: Path) -> None:
    empty_bucket(client)
    local, remote = Layout(tmp_path / "ranking"), Layout(BUCKET / "ranking", tmp_path / "scratch")
    manifest = publish(local, pa.table({"user_id": [7, 8, 9], "price": [1.0, None, 900.0]}), 2)
    directory, there = local.day_dir("skeleton", DAY), remote.day_dir("skeleton", DAY)
    assert isinstance(directory, Path)
    assert isinstance(there, ObjectPath)
    for path in sorted(directory.iterdir()):
        client.put(there / path.name, path)
    made = statistics_of(remote, manifest)
    assert made.columns == statistics_of_day(directory).columns
    assert kept_statistics(remote, manifest) == made
    path = statistics_path(remote, "skeleton", DAY)
    assert isinstance(path, ObjectPath)
    assert [stored.path for stored in client.listing(BUCKET / "ranking" / "_statistics")] == [path]
    client.put(path.parent / f".{path.name}.17-140", b"")
    client.put(path.parent / "dt=2024-01-09.json", b"of a day that is gone")
    client.put(path.parent / "notes.txt", b"of somebody else")
    assert forget_outdated(remote) == 2
    left = [stored.path.name for stored in client.listing(BUCKET / "ranking" / "_statistics")]
    assert left == ["dt=2024-01-02.json", "notes.txt"]
    forget_statistics(remote, "skeleton", DAY)
    assert kept_statistics(remote, manifest) is None

    checks = [Check.model_validate(one) for one in ({"column": "price", "between": [0, 500]}, {"unique": "user_id"})]
    found = Judging(remote, checks, ("user_id",)).judge(("skeleton",), [DAY])
    assert [(one.outcome, one.found) for one in found[DAY]] == [
        ("failed", "1 row of 3, the first of them row 2 (user_id 9): 900.0"),
        ("passed", ""),
    ]
    kept = read_manifest(there, DayName("ranking", "skeleton", DAY))
    assert kept is not None
    assert kept.checks == found[DAY]

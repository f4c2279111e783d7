"""Tags on object storage: copied by the server, whole or not there, whenever an attempt was lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from daeda.dataset.layout import DATASETS, Layout
from daeda.dataset.publish.tag_removal import delete_tag
from daeda.dataset.publish.tagging import make_tag
from daeda.dataset.published import look_at_days
from daeda.dataset.tags import read_tag, tag_names, tagged
from daeda.dataset.verified import verified_days
from daeda.errors import ChangedMeanwhile, InputError
from daeda.storage.client import S3Client
from daeda.storage.location import ObjectPath
from tests.daeda.dataset.tables import publish_table
from tests.storage.conftest import BUCKET

DAY = dt.date(2024, 1, 2)
TAG = BUCKET / "out/ranking/_tags/first"


class Lost(BaseException):
    """The process of an attempt was killed at this point."""


@pytest.fixture
def layout(client: S3Client, tmp_path: Path) -> Layout:
    made = Layout(BUCKET / "out/ranking", tmp_path / "scratch")
    for dataset in DATASETS:
        publish_table(made, DAY, pa.table({"id": [1, 2, 3]}), dataset=dataset, rows_per_part=2)
    return made


def problems(layout: Layout) -> list[tuple[str, ...]]:
    return [one.problems for one in verified_days(*tagged(layout, "first")) if one.problems]


def names(client: S3Client, below: ObjectPath) -> list[str]:
    return [stored.path.key.removeprefix(below.prefix) for stored in client.listing(below)]


def test_the_server_copies_and_the_days_stay(layout: Layout, client: S3Client) -> None:
    tag, copies = make_tag(layout, "first", [DAY])
    assert (copies, tag.rows, read_tag(layout.of_tag("first"))) == (4, 3, tag)
    days = ["_manifest.json", "part-0-0.parquet", "part-1-0.parquet"]
    assert names(client, TAG) == [
        "_tag.json",
        *(f"{half}/dt=2024-01-02/{name}" for half in ("enriched", "skeleton") for name in days),
    ]
    assert problems(layout) == []
    publish_table(layout, DAY, pa.table({"id": [4]}))
    assert problems(layout) == []
    client.put(TAG / "skeleton/dt=2024-01-02/part-1-0.parquet", b"x")
    assert problems(layout) == [("part-1-0.parquet is not the file that was published",)]
    client.put(TAG / "notes.txt", b"x")
    with pytest.raises(InputError, match=r"^not removed: s3://lake/out/ranking/_tags/first/notes.txt was not written"):
        delete_tag(layout, "first")
    client.delete(TAG / "notes.txt")
    delete_tag(layout, "first")
    assert (tag_names(layout), names(client, TAG)) == ([], [])
    assert look_at_days(layout, "enriched", [DAY], verify=True)[DAY].damage == ()


def test_an_attempt_that_was_lost_at_any_request_is_gone_on_with(
    layout: Layout, client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, calls = 0, 0

    def counting(request: Callable[..., object]) -> Callable[..., object]:
        def run(*words: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == limit:
                raise Lost
            return request(*words, **named)

        return run

    # The process that held a lease is dead.
    monkeypatch.setattr("daeda.dataset.publish.objects._runs", lambda process: False)
    for name in ("copy", "put", "delete"):
        monkeypatch.setattr(S3Client, name, counting(getattr(S3Client, name)))
    while True:
        limit, calls = limit + 1, 0
        try:
            make_tag(layout, "first", [DAY])
        except Lost:
            assert look_at_days(layout, "skeleton", [DAY])[DAY].damage == ()
            step, limit = limit, 0
            if step % 5 == 0:
                delete_tag(layout, "first")
            limit = step
            continue
        break
    assert problems(layout) == []
    assert [name for name in names(client, BUCKET / "out/ranking/_staging") if "probe" not in name] == []


def test_a_part_that_changes_under_the_copy_is_told(layout: Layout, client: S3Client) -> None:
    part = BUCKET / "out/ranking/skeleton/dt=2024-01-02/part-0-0.parquet"
    with pytest.raises(ChangedMeanwhile, match="changed while it was copied: run again"):
        client.copy(part, TAG / "x", "0" * 32)
    assert read_tag(layout.of_tag("first")) is None

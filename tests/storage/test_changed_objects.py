"""Objects that change between the checks and their day: the bytes are right, or the day is not published."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from beam_pipeline import command, transforms
from daeda.errors import DayError
from daeda.sources.identity import Identities, check_unchanged
from daeda.sources.listing import find_files
from daeda.storage.client import S3Client
from daeda.storage.location import ObjectPath
from tests.faults.changes import moved
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET, put_tree

FEATURES = BUCKET / "features"
EVENTS = FEATURES / "events/dt=2024-01-03/part-0.parquet"
ITEMS = FEATURES / "items.parquet"
SKELETON = BUCKET / "out/ranking/skeleton"


@pytest.fixture
def project(tmp_path: Path, client: S3Client) -> TinyProject:
    """Views and days in a bucket."""
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3}
    made.runtime |= {"data_root": "s3://lake/features", "output_root": "s3://lake/out", "day_workers": 1}
    made.write().write_data()
    put_tree(client, made.root / "data", FEATURES)
    return made


def build(project: TinyProject) -> int:
    return command.main(["--runtime-config-path", str(project.runtime_path)])


def days_of(client: S3Client) -> dict[str, bytes]:
    bodies = {}
    for stored in client.listing(SKELETON):
        answer = client.read(stored.path)
        assert answer is not None
        bodies[stored.path.key.removeprefix(SKELETON.prefix)] = answer[0]
    return {name: body for name, body in bodies.items() if name.endswith(".parquet")}


def rewritten(path: ObjectPath, name: str, change: Callable[[pa.ChunkedArray], Any]) -> Callable[[S3Client], object]:
    """A change of a column of an object."""

    def strike(client: S3Client) -> object:
        answer = client.read(path)
        assert answer is not None
        rows = pq.read_table(io.BytesIO(answer[0]))
        rows = rows.set_column(rows.column_names.index(name), name, change(rows.column(name)))
        written = io.BytesIO()
        pq.write_table(rows, written)
        return client.put(path, written.getvalue())

    return strike


def half(client: S3Client) -> object:
    answer = client.read(EVENTS)
    assert answer is not None
    return client.put(EVENTS, answer[0][: len(answer[0]) // 2])


def renamed(client: S3Client) -> object:
    answer = client.read(EVENTS)
    assert answer is not None
    client.put(EVENTS.parent / "x.parquet", answer[0])
    return client.delete(EVENTS)


def with_another(client: S3Client) -> object:
    answer = client.read(EVENTS)
    assert answer is not None
    return client.put(EVENTS.parent / "part-1.parquet", answer[0])


CHANGES: list[tuple[str, Callable[[S3Client], object], str | None]] = [
    (
        "rows of another day",
        rewritten(EVENTS, "event_timestamp", lambda times: moved(times, 1)),
        f"view 'events': {EVENTS} has rows outside of 2024-01-03",
    ),
    (
        "rows without a time",
        rewritten(EVENTS, "event_timestamp", lambda times: pa.nulls(len(times), times.type)),
        f"view 'events': {EVENTS} has 2 rows without 'event_timestamp'",
    ),
    (
        "another type",
        rewritten(ITEMS, "category", lambda names: pa.array([1] * len(names), "int64")),
        f"view 'items': in {ITEMS} the column 'category' is int64",
    ),
    ("cut", half, f"view 'events': {EVENTS} is not a readable Parquet file"),
    ("deleted", lambda client: client.delete(EVENTS), f"{EVENTS} vanished after the run had begun"),
    ("renamed", renamed, f"{EVENTS} vanished after the run had begun: run again when the input is complete"),
    ("a static table is deleted", lambda client: client.delete(ITEMS), f"view 'items': {ITEMS} does not exist"),
    ("a new object", with_another, None),
    ("other rows", rewritten(EVENTS, "amount", lambda amounts: pc.multiply(amounts, 2.0)), None),
    ("other rows of a static table", rewritten(ITEMS, "category", lambda names: pc.utf8_upper(names)), None),
]


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize(("change", "told"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES])
def test_the_bytes_are_right_or_the_day_is_not_published(
    project: TinyProject,
    client: S3Client,
    change: Callable[[S3Client], object],
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin, struck, first = transforms.begin, [], threading.Lock()

    def begin_late(*given: Any) -> Any:
        with first:  # days begin side by side
            if not struck:
                struck.append(change(client))
        return begin(*given)

    with monkeypatch.context() as patched:
        patched.setattr(transforms, "begin", begin_late)
        code = build(project)
    said = capsys.readouterr().err
    assert struck
    if told is None:
        assert code == 0, said
        built = days_of(client)
        # As if the change had come before the run.
        for stored in client.listing(SKELETON):
            client.delete(stored.path)
        assert build(project) == 0
        assert days_of(client) == built
        return
    assert code == 1, said
    assert told in said
    assert "Traceback" not in said
    assert "dt=2024-01-03/part-0-0.parquet" not in days_of(client)
    for stored in client.listing(EVENTS.parent):
        client.delete(stored.path)
    put_tree(client, project.root / "data", FEATURES)
    assert build(project) == 0
    right = days_of(client)
    for stored in client.listing(SKELETON):
        client.delete(stored.path)
    assert build(project) == 0
    assert days_of(client) == right
    assert sorted(right) == ["dt=2024-01-02/part-0-0.parquet", "dt=2024-01-03/part-0-0.parquet"]


def test_an_object_that_is_replaced_and_put_back_has_changed(client: S3Client) -> None:
    """The ETag is that of before, and the time of the put is not."""
    client.put(BUCKET / "v/a.parquet", b"one")
    files = find_files("s3://lake/v", "v")
    file = Identities().of("scan", files.flat[0], files)
    check_unchanged([file])
    with pytest.raises(DayError) as raised:
        check_unchanged([replace(file, mtime_ns=file.mtime_ns - 10**9)])
    assert str(raised.value) == "s3://lake/v/a.parquet changed while the day was built: run again when it is complete"
    # A server that does not say when an object was put has its ETag.
    check_unchanged([replace(file, mtime_ns=0)])

"""Sources and days on object storage: the same bytes as on a local disk, whatever the server does meanwhile."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from beam_pipeline import command
from beam_pipeline.public_run import open_run
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.workers.context import DayHandle
from daeda.dataset.layout import MANIFEST_NAME
from daeda.storage.client import RetryPolicy, S3Client
from tests.projects import TinyProject, moment
from tests.storage.conftest import BUCKET, KEY_ID, SECRET, put_tree
from tests.storage.server import Proxy

DAYS = ("2024-01-02", "2024-01-03")
SKELETON = BUCKET / "out/ranking/skeleton"
MISBEHAVIOUR = ("500", "503", "hang up", "truncate", "slow")


@pytest.fixture
def project(tmp_path: Path, client: S3Client) -> TinyProject:
    """A project whose views are below s3://lake/features, with its twin on disk below `data`."""
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3, "features": "s3://lake/features"}
    made.write().write_data()
    put_tree(client, made.root / "data", BUCKET / "features")
    return made


def train(project: TinyProject, **settings: str) -> int:
    project.runtime |= settings
    project.write()
    words = ["--runtime-config-path", str(project.runtime_path), "--runner", "DirectRunner", "--day-workers", "2"]
    return command.main(words)


def on_object_storage(project: TinyProject) -> int:
    return train(project, data_root="features", output_root="s3://lake/out")


def parts_of(client: S3Client) -> dict[str, bytes]:
    bodies = {}
    for stored in client.listing(SKELETON):
        answer = client.read(stored.path)
        assert answer is not None
        bodies[stored.path.key.removeprefix(SKELETON.prefix)] = answer[0]
    return {name: body for name, body in bodies.items() if name.endswith(".parquet")}


def local_parts(project: TinyProject) -> dict[str, bytes]:
    root = project.root / "output/ranking/skeleton"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.parquet")}


def manifest_of(client: S3Client, day: str) -> dict[str, object]:
    answer = client.read(SKELETON / f"dt={day}" / MANIFEST_NAME)
    assert answer is not None
    return dict(json.loads(answer[0]))


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_same_bytes_while_the_server_misbehaves(
    project: TinyProject, client: S3Client, proxy: Proxy, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train(project, data_root="data", output_root="output") == 0
    # Many requests are on their way at once, so that one of them may meet several faults in a row.
    client.retry_policy = RetryPolicy(attempts=12, timeout=5, pause=0.01)
    faults = [
        proxy.fail(kind, 3, lambda method, path, n=number: len(proxy.seen) % 11 == 2 * n, seconds=0.3)
        for number, kind in enumerate(MISBEHAVIOUR)
    ]
    assert on_object_storage(project) == 0
    assert all(fault.hits for fault in faults)
    assert parts_of(client) == local_parts(project)
    assert sorted(parts_of(client)) == [f"dt={day}/part-0-0.parquet" for day in DAYS]
    inputs = manifest_of(client, DAYS[0])["inputs"]
    assert isinstance(inputs, list)
    assert all(file["path"].startswith("s3://lake/features/") for file in inputs)
    assert all(file["etag"] and not file["sha256"] for file in inputs)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    kept = [held[0] for stored in client.listing(BUCKET) if (held := client.read(stored.path))]
    told = capfd.readouterr()
    for secret in (SECRET, KEY_ID):
        assert not [body for body in (*written, *kept) if secret.encode() in body]
        assert secret not in told.out + told.err
    assert told.out.splitlines()[-1] == "s3://lake/out/ranking/skeleton"
    assert not list((project.root / "staging/ranking/_staging").glob("run-*"))
    assert not client.listing(BUCKET / "out/ranking/_staging")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_days_are_skipped_until_an_object_changes(
    project: TinyProject, client: S3Client, proxy: Proxy, capfd: pytest.CaptureFixture[str]
) -> None:
    assert on_object_storage(project) == 0
    before = manifest_of(client, DAYS[1])
    capfd.readouterr()
    proxy.seen.clear()
    assert on_object_storage(project) == 0
    assert "skeleton: all 2 days are there already" in capfd.readouterr().err
    assert [method for method, _ in proxy.seen if method not in ("GET", "HEAD")] == []
    project.data["prices"] = [*project.data["prices"][:-1], (10, moment("03 07:30"), 9.5)]
    project.write_data()
    changed = "prices/dt=2024-01-03/part-0.parquet"
    client.put(BUCKET / "features" / changed, project.root / "data" / changed)
    assert on_object_storage(project) == 0
    assert "skeleton 2024-01-03: 2 rows" in capfd.readouterr().err
    assert manifest_of(client, DAYS[1])["parts"] != before["parts"]


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_publication_that_was_cut_off_leaves_no_day_and_is_cleared(
    project: TinyProject, client: S3Client, proxy: Proxy, capfd: pytest.CaptureFixture[str]
) -> None:
    assert on_object_storage(project) == 0
    whole = parts_of(client)
    stray = SKELETON / "dt=2024-01-02/part-7-0.parquet"
    client.put(stray, b"of a day that had more parts")
    project.runtime["rows_per_part"] = 1
    proxy.fail("403", 99, lambda method, path: method == "PUT" and "/part-1-0" in path)
    assert on_object_storage(project) == 1
    assert "part-1-0.parquet: the server answered 403 AccessDenied" in capfd.readouterr().err
    cut = [day for day in DAYS if client.look(SKELETON / f"dt={day}" / MANIFEST_NAME) is None]
    assert cut
    assert {f"dt={day}/part-0-0.parquet" for day in cut} <= set(parts_of(client))
    proxy.faults.clear()
    del project.runtime["rows_per_part"]
    assert on_object_storage(project) == 0
    assert parts_of(client) == whole


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_run_that_was_killed_while_it_put_its_parts_is_made_good(
    project: TinyProject, client: S3Client, proxy: Proxy
) -> None:
    project.runtime["rows_per_part"] = 1
    assert on_object_storage(project) == 0
    whole = parts_of(client)
    for stored in client.listing(BUCKET / "out"):
        client.delete(stored.path)
    slow = proxy.fail("slow", 99, lambda method, path: method == "PUT" and "/part-1-0" in path, seconds=1.2)
    words = ["--runtime-config-path", str(project.runtime_path), "--runner", "DirectRunner"]
    process = subprocess.Popen([sys.executable, "-m", "beam_pipeline", *words], stderr=subprocess.DEVNULL)
    while not slow.hits and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    # The lease of the dead, and a part without a manifest.
    assert [stored.path.name for stored in client.listing(BUCKET / "out/ranking/_staging")] != []
    assert {stored.path.name for stored in client.listing(SKELETON)} >= {"part-0-0.parquet"}
    proxy.faults.clear()
    time.sleep(slow.seconds + 0.3)  # what the proxy still holds arrives late, as it may on any network
    assert on_object_storage(project) == 0
    assert parts_of(client) == whole
    assert client.listing(BUCKET / "out/ranking/_staging") == []
    assert not list((project.root / "staging/ranking/_staging").glob("run-*"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        ({"data_root": "s3://lake/nothing"}, "feature_views/events.yaml:6: view 'events': s3://lake/nothing/events "
         "holds no Parquet file and no dt=YYYY-MM-DD directory (of 0 objects below it in s3://lake): correct the path, "
         "or put the data there"),
        ({"data_root": "s3://pond/features"}, "s3://pond/features/events: the server answered 404 NoSuchBucket: "
         "correct the address, or create the bucket"),
        ({"output_root": "s3://pond/out"}, "s3://pond/out/ranking/_staging: the server answered 404 NoSuchBucket: "
         "correct the address, or create the bucket"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_before_the_first_day(
    project: TinyProject, capfd: pytest.CaptureFixture[str], prepare: dict[str, str], sentence: str
) -> None:
    assert train(project, **{"data_root": "features", "output_root": "s3://lake/out", **prepare}) == 2
    assert f"error: {sentence}" in capfd.readouterr().err.splitlines()


def test_a_pipeline_of_ones_own_works_on_addresses_too(project: TinyProject, client: S3Client, tmp_path: Path) -> None:
    roots = {"data_root": "s3://lake/features", "source_directories": ["s3://lake/more"]}
    with open_run("s3://lake/own", "mine", staging_root=tmp_path / "scratch", **roots) as run:  # type: ignore[arg-type]
        assert run.source_path("events") == "s3://lake/features/events"
        assert run.staging.layout.service_dir == BUCKET / "own/mine"
        assert run.staging.layout.scratch_dir == tmp_path / "scratch/mine"
        session = session_of(begin(run, DayHandle(dt.date(2024, 1, 2))))
        try:
            query = "SELECT count(*) FROM read_parquet('s3://lake/features/items.parquet')"
            assert session.resources.connection.execute(query).fetchall() == [(2,)]
            with pytest.raises(duckdb.PermissionException):
                session.resources.connection.execute("SELECT * FROM read_text('s3://lake/other/x')")
        finally:
            session.close()

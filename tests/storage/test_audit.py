"""The audit of days and views on object storage: what it finds, what it leaves behind, and what it says of faults."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from sqlglot import exp

import beam_pipeline.day.look_up
import daeda.sql.statements
import daeda_audit.inputs.later_rows
from beam_pipeline import command
from daeda.dataset.layout import MANIFEST_NAME
from daeda.errors import ChangedMeanwhile, InputError
from daeda.operators.temporal import PointInTimeJoin
from daeda.settings.aggregations import EmbeddingStore
from daeda.sql.template import forget_statements
from daeda.storage.client import RetryPolicy, S3Client
from daeda_audit.command import main
from daeda_audit.raw.listing import read_listing
from daeda_audit.raw.local_copies import LocalCopies
from daeda_audit.rules.vectors import load_vectors
from tests.projects import TinyProject, moment
from tests.storage.conftest import BUCKET, KEY_ID, SECRET, put_tree
from tests.storage.server import Proxy

PARTS = BUCKET / "out/ranking/skeleton"
WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def project(tmp_path: Path, client: S3Client) -> TinyProject:
    """A project whose views and days are in the bucket; an item changes its price at the very time of an event."""
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3, "features": "s3://lake/features"}
    made.runtime |= {"data_root": "features", "output_root": "s3://lake/out"}
    made.data["prices"] = [*made.data["prices"], (11, moment("02 09:00"), 9.0)]
    made.write().write_data()
    put_tree(client, made.root / "data", BUCKET / "features")
    return made


def words(project: TinyProject, *more: str) -> list[str]:
    return ["ranking", "--runtime-config-path", str(project.runtime_path), *more]


def train(project: TinyProject) -> None:
    assert command.main([*words(project)[1:], "--runner", "DirectRunner"]) == 0


def inclusive(operator: PointInTimeJoin, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """`>=` where a row is to lie strictly before."""
    return exp.GTE(this=left, expression=right)


@contextlib.contextmanager
def leaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A look-up sees rows at its own moment while the block runs, whether it is joined or searched."""
    forget_statements()
    with monkeypatch.context() as broken:
        broken.setattr(daeda.sql.statements, "_seen", inclusive)
        broken.setattr(beam_pipeline.day.look_up, "_first_unseen", lambda operator, time: time + 1)
        yield
    forget_statements()


def everything(client: S3Client) -> dict[str, str]:
    return {str(stored.path): stored.etag for stored in client.listing(BUCKET)}


@WARNINGS
def test_days_and_views_in_a_bucket_pass_both_probes_and_nothing_stays(
    project: TinyProject, client: S3Client, proxy: Proxy, tmp_path: Path
) -> None:
    project.service["version"] = 2
    project.write()
    train(project)
    assert {stored.path.key.split("/")[2] for stored in client.listing(BUCKET / "out/ranking")} == {"v2"}
    before = everything(client)
    proxy.seen.clear()
    faults = [
        proxy.fail(kind, 1, lambda method, path, part=part: method == "GET" and part in path)
        for kind, part in (
            ("500", MANIFEST_NAME),
            ("truncate", "part-0-0"),
            ("503", "items.parquet"),
            ("hang up", "prices"),
        )
    ]
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "daeda", "audit", "leakage", *words(project, "--rows", "20")],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(fault.hits for fault in faults)
    assert done.stdout.startswith("leakage audit of ranking, 2 days: ")
    assert done.stdout.endswith(
        " values recomputed, 0 mismatches; 2 rows rebuilt with later rows added, 0 changes\n"
    ), done.stdout
    assert "rows added after 2024-01-03 08:00:00 (events 12, prices 6): 2 rows up to then compared" in done.stderr
    assert {method for method, _ in proxy.seen} == {"GET", "HEAD"}
    assert everything(client) == before
    for secret in (SECRET, KEY_ID):
        assert secret not in done.stdout + done.stderr
    # It worked in the staging area, and cleared it.
    assert list((tmp_path / "temporary").iterdir()) == []
    assert [path.name for path in (project.root / "staging").rglob("*") if path.is_file()] == ["staging.lock"]


@pytest.mark.cases
@WARNINGS
def test_a_leak_in_a_bucket_is_found_while_the_server_misbehaves(
    project: TinyProject,
    client: S3Client,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with leaking(monkeypatch):
        train(project)
    capsys.readouterr()
    client.retry_policy = RetryPolicy(attempts=12, timeout=5, pause=0.01)
    faults = [proxy.fail(kind, 3, lambda method, path: method == "GET") for kind in ("503", "429", "truncate")]
    assert main(words(project, "--probe", "recompute", "--days", "2024-01-02")) == 1
    told = capsys.readouterr()
    assert all(fault.hits == 3 for fault in faults)
    assert told.out.endswith(" values recomputed, 1 mismatch in price\n")
    assert "\nprice: row 0 of 2024-01-02 (skeleton): user_id 1, item_id 11, event_timestamp" in told.err
    assert "\n  published   9.0\n  recomputed  2.5\n" in told.err
    assert SECRET not in told.out + told.err


@pytest.mark.cases
@WARNINGS
def test_what_changed_in_the_bucket_and_what_cannot_be_read_is_told(
    project: TinyProject,
    client: S3Client,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train(project)
    client.put(BUCKET / "features/items.parquet", (project.root / "data/items.parquet").read_bytes() + b" ")
    capsys.readouterr()
    arguments = words(project, "--probe", "recompute", "--days", "2024-01-02")
    assert main(arguments) == 2
    assert (
        "warning: 2024-01-02 was built from other bytes of s3://lake/features/items.parquet: mismatches may come from "
        "that; build the day again\n"
    ) in capsys.readouterr().err
    project.write_data()
    client.put(BUCKET / "features/items.parquet", project.root / "data/items.parquet")
    part = PARTS / "dt=2024-01-02/part-0-0.parquet"
    answer = client.read(part)
    assert answer is not None
    client.put(part, answer[0] + b" ")
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {part} is not the file that was published: build the day again"
    )
    client.put(part, answer[0])
    usage = shutil.disk_usage("/")
    with monkeypatch.context() as full:
        full.setattr(daeda_audit.inputs.later_rows.shutil, "disk_usage", lambda path: usage._replace(free=1000))
        assert main(words(project, "--probe", "append")) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: append probe: the 5 objects that 2024-01-03 read have ")
    assert told.endswith(
        "/data has room for 1,000: name another staging_root, or leave the probe out with --probe recompute"
    )
    proxy.fail("503", 99, lambda method, path: "prices" in path)
    assert main(arguments) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: s3://lake/features/prices/dt=2024-01-0")
    assert told.endswith("/part-0.parquet: the server answered 503: asked 4 times: run again later")


def test_copies_keep_to_their_bytes_and_to_the_version_that_was_listed(
    client: S3Client, proxy: Proxy, tmp_path: Path
) -> None:
    for name in "abc":
        client.put(BUCKET / f"v/{name}.parquet", name.encode() * 400)
    listed = read_listing("x", "s3://lake", "v").flat
    copies = LocalCopies(tmp_path / "copies", most_bytes=1000)
    proxy.seen.clear()
    for file in (listed[0], listed[1], listed[0], listed[2], listed[0]):
        assert copies.local(file).read_bytes() == file.path.name[0].encode() * 400
    # Two fit; the second was not read for longest when the third came.
    assert [path.rpartition("/")[2] for _, path in proxy.seen] == ["a.parquet", "b.parquet", "c.parquet"]
    assert sum(path.stat().st_size for path in (tmp_path / "copies").iterdir()) == 800
    client.put(listed[1].path, b"another")
    with pytest.raises(ChangedMeanwhile) as raised:
        copies.local(listed[1])
    assert str(raised.value) == "s3://lake/v/b.parquet changed while it was read: run again when it is complete"
    large = LocalCopies(tmp_path / "more", most_bytes=10)
    assert large.local(listed[0]).stat().st_size == 400


def test_vectors_in_a_bucket(client: S3Client, tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 0.5], [2.0, 0.25]], pa.list_(pa.float32(), 2))
    lance.write_dataset(pa.table({"id": pa.array([7, 8], pa.int64()), "v": vectors}), str(tmp_path / "v.lance"))
    put_tree(client, tmp_path / "v.lance", BUCKET / "v.lance")
    store = EmbeddingStore(name="v", path="v.lance", id_column="id", vector_column="v", dimension=2, version=1)
    assert load_vectors(store, "s3://lake/v.lance", [8, 9]) == {8: [2.0, 0.25]}
    with pytest.raises(InputError) as raised:
        load_vectors(store, "s3://lake/none.lance", [8])
    assert str(raised.value).startswith("embedding store 'v': s3://lake/none.lance at version 1: ")
    assert SECRET not in str(raised.value)

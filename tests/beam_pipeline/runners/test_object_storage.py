"""Days on object storage by workers elsewhere: each finds the credentials in its own environment, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipeline import command
from daeda.storage import objects
from tests.beam_pipeline.runners.conftest import LOOPBACK, parts, run_skeleton, worker_pool
from tests.beam_pipeline.runners.services import Services
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET, KEY_ID, SECRET, empty_bucket, put_tree
from tests.storage.server import s3_server

SKELETON = BUCKET / "out/ranking/skeleton"


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.fixture
def project(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    """A tiny project in a bucket, and its days as DirectRunner builds them on a disk."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server}")
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3}
    made.write().write_data()
    assert command.main(["--runtime-config-path", str(made.runtime_path), "--runner", "DirectRunner"]) == 0
    empty_bucket(objects.client())
    put_tree(objects.client(), made.root / "data", BUCKET / "features")
    made.runtime |= {"data_root": "s3://lake/features", "output_root": "s3://lake/out", "day_workers": 2}
    return made.write()


def published() -> dict[str, bytes]:
    bodies = {}
    for listed in objects.client().listing(SKELETON):
        held = objects.client().read(listed.path)
        assert held is not None
        bodies[listed.path.key.removeprefix(SKELETON.prefix)] = held[0]
    return {name: body for name, body in bodies.items() if name.endswith(".parquet")}


@pytest.mark.some(1, cases=2)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_workers_read_and_write_a_bucket_and_give_the_bytes_of_a_disk(
    services: Services, worker_python: Path, project: TinyProject, tmp_path: Path, form: str
) -> None:
    log = tmp_path / "pool.log"
    words = ("--runner", "PortableRunner", "--job_endpoint", services.job)
    if form == "loopback":
        done = run_skeleton(project.runtime_path, *words, *LOOPBACK)
    else:
        # A pool that was started where the credentials are.
        with worker_pool(worker_python, log) as pool:
            external = ("--environment_type", "EXTERNAL", "--environment_config", pool)
            done = run_skeleton(project.runtime_path, *words, *external)
        assert SECRET not in log.read_text()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "s3://lake/out/ranking/skeleton\n"
    assert published() == parts(project.root / "output/ranking")
    assert sorted(published()) == ["dt=2024-01-02/part-0-0.parquet", "dt=2024-01-03/part-0-0.parquet"]
    written = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    for secret in (SECRET, KEY_ID):
        assert not [body for body in written if secret.encode() in body]
        assert secret not in done.stdout + done.stderr
    assert not list((project.root / "staging/ranking/_staging").glob("run-*"))
    assert not objects.client().listing(BUCKET / "out/ranking/_staging")


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_workers_without_credentials_are_told(services: Services, project: TinyProject) -> None:
    done = run_skeleton(project.runtime_path, *services.forms["external"])
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert (
        "object storage: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of "
        "~/.aws/credentials with AWS_PROFILE"
    ) in done.stderr
    assert SECRET not in done.stderr
    assert published() == {}

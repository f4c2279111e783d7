from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daeda.sql import locked
from daeda.storage import objects
from daeda.storage.client import Patience, S3Client
from daeda.storage.place import ObjectPath
from tests.storage.server import Proxy, proxy_before, s3_server

KEY_ID = "AKIDOFTESTS000000001"
SECRET = "s3cr3t/of+the'tests000000000000000000001"
BUCKET = ObjectPath("lake")


@pytest.fixture(scope="package")
def server() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.fixture
def proxy(server: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    """Everything goes through the proxy, to an empty bucket, with little patience."""
    with proxy_before(server) as made:
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.port}")
        monkeypatch.setattr(objects, "PATIENCE", Patience(attempts=4, timeout=1.5, pause=0.01))
        monkeypatch.setattr(
            locked, "_HTTP", {"http_retries": 3, "http_retry_wait_ms": 10, "http_retry_backoff": 1, "http_timeout": 2}
        )
        objects._client_of.cache_clear()
        empty_bucket(objects.client())
        made.seen.clear()
        yield made
        objects._client_of.cache_clear()


@pytest.fixture
def client(proxy: Proxy) -> S3Client:
    return objects.client()


def empty_bucket(client: S3Client) -> None:
    client._s3.create_bucket(Bucket=BUCKET.bucket)
    for one in client.listing(BUCKET):
        client.delete(one.path)


def put_tree(client: S3Client, root: Path, target: ObjectPath) -> None:
    """Every file below a directory, under its relative path."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            client.put(target / str(path.relative_to(root)), path)

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import duckdb
import pytest
from botocore.loaders import create_loader

from daeda.sql import locked
from daeda.storage import objects
from daeda.storage.client import RetryPolicy, S3Client
from daeda.storage.location import ObjectPath
from tests.projects import TinyProject
from tests.storage.postgres import Postgres, postgres_server
from tests.storage.server import ANYBODY, Proxy, forward, proxy_before, s3_server

KEY_ID = "AKIDOFTESTS000000001"
SECRET = "s3cr3t/of+the'tests000000000000000000001"
BUCKET = ObjectPath("lake")


@pytest.fixture(scope="package")
def server() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.fixture(scope="package", autouse=True)
def models_read_once() -> Iterator[None]:
    """The models of S3, which each client reads by itself: a third of a second that every test would pay."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda search_path=None: loader)
        yield


@pytest.fixture
def proxy(server: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    """Everything goes through the proxy, to an empty bucket, with few and short attempts."""
    with proxy_before(server) as made:
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.port}")
        monkeypatch.setattr(objects, "RETRY_POLICY", RetryPolicy(attempts=4, timeout=1.5, pause=0.01))
        monkeypatch.setattr(
            locked, "_HTTP", {"http_retries": 3, "http_retry_wait_ms": 10, "http_retry_backoff": 1, "http_timeout": 2}
        )
        objects._client_of.cache_clear()
        new_bucket(server)
        made.seen.clear()
        yield made
        objects._client_of.cache_clear()


@pytest.fixture
def client(proxy: Proxy) -> S3Client:
    return objects.client()


def new_bucket(server: int) -> None:
    """The bucket, empty, and nothing else: asked of the server itself, whose answer may take its time."""
    assert forward(server, "POST", "/moto-api/reset", b"", {})[0] == 200
    assert forward(server, "PUT", f"/{BUCKET.bucket}", b"", {"Authorization": ANYBODY})[0] == 200


def empty_bucket(client: S3Client) -> None:
    client._s3.create_bucket(Bucket=BUCKET.bucket)
    for stored in client.listing(BUCKET):
        client.delete(stored.path)


def put_tree(client: S3Client, root: Path, target: ObjectPath) -> None:
    """Every file below a directory, under its relative path."""
    for path in sorted(root.rglob("*")):
        if path.is_file():
            client.put(target / str(path.relative_to(root)), path)


@pytest.fixture(scope="package")
def postgres() -> Iterator[Postgres]:
    try:
        opened = postgres_server()
        running = opened.__enter__()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Postgres server can be run here: {error}")
    yield running
    opened.__exit__(None, None, None)


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Postgres:
    """The server with the prices of the tiny project, in an order of its own."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    postgres.run(
        "DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop;"
        "CREATE TABLE shop.prices (item_id bigint, event_timestamp timestamp, price double precision, more text);"
        "INSERT INTO shop.prices VALUES (10, '2024-01-03 07:00', 3.5, 'x'), (10, '2024-01-01 00:00', 1.5, 'y'),"
        "  (11, '2024-01-02 08:00', 2.5, NULL)"
    )
    return postgres


def in_lake(catalogue: Path, *statements: str) -> None:
    """Run statements over a DuckLake, `l`, which is made where it is not there."""
    with duckdb.connect(config={"autoload_known_extensions": False}) as connection:
        extension = importlib.util.find_spec("duckdb_extension_ducklake")
        assert extension is not None
        package = Path(str(extension.origin)).parent
        connection.execute(f"LOAD '{package}/extensions/v{duckdb.__version__}/ducklake.duckdb_extension'")
        connection.execute(f"ATTACH 'ducklake:{catalogue}' AS l (DATA_PATH '{catalogue.parent}/lake_files/')")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def lake(project: TinyProject) -> Path:
    """A DuckLake with the prices: snapshot 2 has two of them, snapshot 3 all."""
    catalogue = project.root / "data/lake.ducklake"
    in_lake(
        catalogue,
        "CREATE TABLE l.prices (item_id BIGINT, event_timestamp TIMESTAMP, price DOUBLE)",
        "INSERT INTO l.prices VALUES (10, '2024-01-01', 1.5), (11, '2024-01-02 08:00', 2.5)",
        "INSERT INTO l.prices VALUES (10, '2024-01-03 07:00', 3.5)",
    )
    return catalogue

"""The S3 client against a real server, and against one with transient errors."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daeda.errors import ChangedMeanwhile, ConfigurationError, InputError, StorageError
from daeda.storage import client as module
from daeda.storage.access import Access, find_access, without_secrets
from daeda.storage.client import RetryPolicy, S3Client
from daeda.storage.in_time import Abandoned, Heartbeat, in_time
from daeda.storage.location import ObjectPath, object_path
from daeda.storage.parquet import open_parquet
from tests.projects import write_parquet
from tests.storage.conftest import BUCKET, KEY_ID, SECRET
from tests.storage.server import Proxy


@pytest.mark.parametrize("name", ["plain.txt", "a b+c&d=é'.txt", "dt=2024-01-01/x", "percent%2Fsign"])
def test_an_object_comes_back_as_it_was_put(client: S3Client, tmp_path: Path, name: str) -> None:
    path, body = BUCKET / "some" / name, b"x" * 3_000_000
    etag = client.put(path, body)
    looked = client.look(path)
    assert looked is not None
    assert (looked.size, looked.etag) == (len(body), etag)
    assert client.listing(BUCKET / "some") == [looked]
    assert client.read(path) == (body, etag)
    assert client.read_range(path, 2_999_998, 2, looked.etag) == b"xx"
    assert client.fetch(path, tmp_path / "copy") == (len(body), hashlib.sha256(body).hexdigest())
    client.delete(path)
    client.delete(path)
    assert client.look(path) is None
    assert client.read(path) is None


def test_a_long_listing_comes_in_pages(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    for number in range(10):
        client.put(BUCKET / f"many/{number}", b"")
    assert [stored.path.name for stored in client.listing(BUCKET / "many")] == [str(number) for number in range(10)]
    assert client.listing(BUCKET / "man") == []


def test_a_condition_that_does_not_hold_changes_nothing(client: S3Client) -> None:
    path = BUCKET / "one"
    first = client.put(path, b"first", only_if={"IfNoneMatch": "*"})
    assert client.put(path, b"other", only_if={"IfNoneMatch": "*"}) is None
    assert client.put(path, b"other", only_if={"IfMatch": '"no such"'}) is None
    assert client.read(path) == (b"first", first)
    assert client.put(path, b"second", only_if={"IfMatch": f'"{first}"'}) is not None
    with pytest.raises(
        ChangedMeanwhile, match="s3://lake/one changed while it was read: run again when it is complete"
    ):
        client.read_range(path, 0, 2, str(first))


@pytest.mark.parametrize("kind", ["500", "503", "429", "hang up", "truncate", "silent", "lose the answer"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_is_repeated_until_it_succeeds(
    client: S3Client, proxy: Proxy, tmp_path: Path, kind: str, method: str
) -> None:
    body = bytes(range(256)) * 1000
    client.put(BUCKET / "x", body)
    fault = proxy.fail(kind, 2, lambda found, path: found == method, seconds=1.8)
    if kind == "silent":
        fault.times = 1
    (tmp_path / "body").write_bytes(body)
    assert client.put(BUCKET / "x", tmp_path / "body") is not None
    assert client.fetch(BUCKET / "x", tmp_path / "copy") == (len(body), hashlib.sha256(body).hexdigest())
    assert client.read(BUCKET / "x") == (body, hashlib.md5(body).hexdigest())
    assert fault.hits >= 1


SENTENCES = {
    "503": "s3://lake/x: the server answered 503 SlowDown: asked 4 times: run again later",
    "500": "s3://lake/x: the server answered 500 InternalError: asked 4 times: run again later",
    "403": "s3://lake/x: the server answered 403 AccessDenied: check the credentials (AWS_ACCESS_KEY_ID or "
    "AWS_PROFILE), what they may do, and the clock",
    "400": "s3://lake/x: the server answered 400 Other: correct the address or the endpoint",
    "truncate": "s3://lake/x: http://127.0.0.1:PORT did not answer 4 times (IncompleteReadError): check "
    "AWS_ENDPOINT_URL and the network, and run again",
    "hang up": "s3://lake/x: http://127.0.0.1:PORT did not answer 4 times (ConnectionClosedError): check "
    "AWS_ENDPOINT_URL and the network, and run again",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_what_does_not_end_is_told_in_a_sentence_without_secrets(client: S3Client, proxy: Proxy, kind: str) -> None:
    client.put(BUCKET / "x", b"content")
    proxy.fail(kind, 99)
    with pytest.raises(StorageError) as raised:
        client.read(BUCKET / "x")
    assert str(raised.value) == SENTENCES[kind].replace("PORT", str(proxy.port))
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("kind", ["drip", "drip headers", "silent"])
@pytest.mark.parametrize("ask", ["read", "fetch", "put", "listing"])
def test_a_server_that_drips_is_given_up_in_time(
    client: S3Client, proxy: Proxy, tmp_path: Path, kind: str, ask: str
) -> None:
    """A byte now and then keeps every wait for the next one short, and never comes to an end."""
    client.put(BUCKET / "x", b"content")
    client.retry_policy = RetryPolicy(attempts=9, timeout=0.4, pause=0.01, total=1.0)
    proxy.fail(kind, 99, seconds=30)
    (tmp_path / "body").write_bytes(b"body")
    asked: dict[str, Callable[[], object]] = {
        "read": lambda: client.read(BUCKET / "x"),
        "fetch": lambda: client.fetch(BUCKET / "x", tmp_path / "copy"),
        "put": lambda: client.put(BUCKET / "y", tmp_path / "body"),
        "listing": lambda: client.listing(BUCKET),
    }
    told = r"did not answer [1-4] times \((too little within 1 s, timeouts.storage_seconds|ReadTimeoutError)\): check"
    with pytest.raises(StorageError, match=told):
        asked[ask]()
    assert sorted(path.name for path in tmp_path.iterdir() if "." in path.name) == []
    assert not (tmp_path / "copy").exists()


def test_a_large_object_has_its_time_for_each_mib(client: S3Client, proxy: Proxy, tmp_path: Path) -> None:
    body = bytes(3 << 20)
    client.put(BUCKET / "x", body)
    client.retry_policy = RetryPolicy(attempts=3, timeout=1.0, pause=0.01, total=2.0)
    heartbeats = []

    def slowly(heartbeat: Heartbeat) -> str:
        for _ in range(4):
            time.sleep(0.4)
            heartbeat.beat()
            heartbeats.append(heartbeat.last)
        return "done"

    assert in_time(slowly, Heartbeat(), 1.0) == "done"
    assert len(heartbeats) == 4
    assert client.fetch(BUCKET / "x", tmp_path / "copy")[0] == len(body)


def test_work_that_was_given_up_ends_at_its_next_pulse() -> None:
    ended = threading.Event()

    def work(heartbeat: Heartbeat) -> None:
        try:
            while True:
                time.sleep(0.05)
                if waited.is_set():
                    heartbeat.beat()
        except Abandoned:
            ended.set()

    waited = threading.Event()
    with pytest.raises(TimeoutError):
        in_time(work, Heartbeat(), 0.2)
    waited.set()
    assert ended.wait(10)


def test_an_address_that_s3_does_not_take(client: S3Client) -> None:
    with pytest.raises(StorageError) as raised:
        client.look(ObjectPath("no bucket", "key"))
    assert str(raised.value) == "s3://no bucket/key is not an address that S3 takes: write s3://bucket/path"


def test_a_server_that_speaks_something_else(client: S3Client, proxy: Proxy) -> None:
    proxy.fail("200", 1)
    with pytest.raises(StorageError) as raised:
        client.listing(BUCKET)
    assert str(raised.value) == "s3://lake: the server's answer is not that of S3: check AWS_ENDPOINT_URL"


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    from daeda.storage import objects

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(StorageError) as raised:
        objects.client().look(BUCKET)
    assert str(raised.value) == (
        "s3://lake: http://127.0.0.1:9 did not answer 4 times (EndpointConnectionError): check AWS_ENDPOINT_URL and "
        "the network, and run again"
    )


def test_a_parquet_file_is_read_in_ranges(client: S3Client, proxy: Proxy, tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", {"a": "int64"}, [(number,) for number in range(200_000)])
    client.put(BUCKET / "x.parquet", tmp_path / "x.parquet")
    with open_parquet("s3://lake/x.parquet") as file:
        assert file.metadata.num_rows == 200_000
        proxy.fail("truncate", 1, lambda method, path: method == "GET")
        assert file.read().column(0).to_pylist() == list(range(200_000))
        client.put(BUCKET / "x.parquet", b"another")
        with pytest.raises(ChangedMeanwhile):
            file.read()


def test_access_comes_from_the_environment_or_the_profile(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\naws_access_key_id = A1\naws_secret_access_key = %S1\n"
                                               "[team]\naws_access_key_id = A2\naws_secret_access_key = S2secret2\n"
                                               "aws_session_token = T2token2\n")  # fmt: skip
    (tmp_path / ".aws/config").write_text("[profile team]\nregion = eu-west-1\nendpoint_url = https://team:9000/\n")
    home = {"HOME": str(tmp_path)}
    assert find_access(home) == Access("A1", "%S1")
    assert find_access({**home, "AWS_PROFILE": "team"}) == Access(
        "A2", "S2secret2", "T2token2", "eu-west-1", "https://team:9000"
    )
    both = {**home, "AWS_PROFILE": "team", "AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "F", "AWS_REGION": "x"}
    assert find_access(both) == Access("E", "F", "", "x", "https://team:9000")
    assert "S2secret2" not in repr(find_access({**home, "AWS_PROFILE": "team"}))
    assert without_secrets("s3: S2secret2 T2token2 F", {**home, "AWS_PROFILE": "team"}) == "s3: *** *** F"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "object storage: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of "
         "~/.aws/credentials with AWS_PROFILE"),
        ({"AWS_PROFILE": "no"}, "AWS_PROFILE names 'no', and neither HOME/.aws/credentials nor HOME/.aws/config "
         "has such a profile"),
        ({"AWS_SHARED_CREDENTIALS_FILE": "HOME/broken"},
         "HOME/broken is not a file of profiles: correct it, or name another one"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://me:pass@host"},
         "AWS_ENDPOINT_URL is not the URL of a server: write it like https://s3.example.com:9000"),
    ],
)  # fmt: skip
def test_wrong_access_is_told(tmp_path: Path, environ: dict[str, str], sentence: str) -> None:
    (tmp_path / "broken").write_text("aws_secret_access_key = hidden-in-a-broken-file\n")
    given = {name: value.replace("HOME", str(tmp_path)) for name, value in environ.items()}
    with pytest.raises(InputError) as raised:
        find_access({"HOME": str(tmp_path), **given})
    assert str(raised.value) == sentence.replace("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "path", ["s3://", "s3:///key", "s3://buc*et/key", "s3://user@bucket/key", "s3://b/a/../c", "s4://b/c"]
)
def test_addresses_that_are_none(path: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        object_path(path)
    assert str(raised.value) == f"'{path}' is not an address of object storage: write s3://bucket/path"


def test_requests_carry_no_secret(client: S3Client, proxy: Proxy) -> None:
    client.put(BUCKET / "x", b"")
    client.listing(BUCKET)
    assert not [path for _, path in proxy.seen if SECRET in path or KEY_ID in path]
    assert ObjectPath("lake", "x") in {stored.path for stored in client.listing(BUCKET)}

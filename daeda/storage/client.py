"""An S3 client of six requests: list, look, read, fetch, put, delete; each repeated while the server is out of sorts.

An object is put by one request, which S3 carries out whole or not at all, so there are no partial uploads to clean up.
The body's digest is signed with it, and a body that arrives otherwise is refused. What comes back is held against its
announced length and, where the caller knows it, its ETag.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO
from urllib.parse import unquote
from xml.etree import ElementTree

from daeda.errors import Overtaken, StorageError
from daeda.storage.access import Access
from daeda.storage.place import ObjectPath
from daeda.storage.signature import EMPTY_SHA256, encoded_path, encoded_query, signed_headers

_OUT_OF_SORTS = frozenset({408, 429, 500, 502, 503, 504})
_MOST_IN_ONE_PUT = 5 * 2**30
_BLOCK = 1 << 20
# The most that a server lists at once.
_PAGE = 1000


@dataclass(frozen=True)
class Patience:
    """How often a request is made, how long each waits for bytes, and how long the first pause is; in seconds."""

    attempts: int = 6
    timeout: float = 30.0
    pause: float = 0.2

    def wait(self, attempt: int) -> None:
        """Sleep before the next attempt: twice as long each time, at most 10 s, and never in step with others."""
        time.sleep(min(10.0, self.pause * 2**attempt) * random.uniform(0.5, 1.0))


@dataclass(frozen=True)
class StoredObject:
    """An object as the server describes it. The ETag is without quotes."""

    path: ObjectPath
    size: int
    etag: str


@dataclass(frozen=True)
class _Request:
    method: str
    path: ObjectPath
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path = b""
    sha256: str = EMPTY_SHA256


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    sha256: str = ""


class S3Client:
    """Requests with one access; threads may share it."""

    def __init__(self, access: Access, patience: Patience | None = None) -> None:
        self.access = access
        self.patience = patience or Patience()

    def listing(self, below: ObjectPath) -> list[StoredObject]:
        """Every object below an address, in the order of their keys."""
        found: list[StoredObject] = []
        query = {"list-type": "2", "prefix": below.prefix, "encoding-type": "url", "max-keys": str(_PAGE)}
        while True:
            answer = self._ask(_Request("GET", ObjectPath(below.bucket), query))
            if answer.status != 200:
                raise self._refused(below, answer)
            page = _page(below, answer.body)
            found += page.objects
            if not page.next_token:
                return found
            query["continuation-token"] = page.next_token

    def look(self, path: ObjectPath) -> StoredObject | None:
        """The object's size and ETag, None when it is not there."""
        answer = self._ask(_Request("HEAD", path))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._refused(path, answer)
        return StoredObject(path, int(answer.headers.get("content-length", 0)), answer.headers["etag"].strip('"'))

    def age(self, path: ObjectPath) -> float | None:
        """Seconds since the object was put, by the server's clock; None when it is not there or not told."""
        answer = self._ask(_Request("HEAD", path))
        if answer.status != 200 or "last-modified" not in answer.headers or "date" not in answer.headers:
            return None
        put, now = (parsedate_to_datetime(answer.headers[name]) for name in ("last-modified", "date"))
        return (now - put).total_seconds()

    def read(self, path: ObjectPath) -> tuple[bytes, str] | None:
        """The object's bytes and ETag, None when it is not there."""
        answer = self._ask(_Request("GET", path))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._refused(path, answer)
        return answer.body, answer.headers.get("etag", "").strip('"')

    def read_range(self, path: ObjectPath, first: int, count: int, etag: str) -> bytes:
        """`count` bytes from `first` on; raises Overtaken when the object has another ETag by now."""
        headers = {"range": f"bytes={first}-{first + count - 1}", "if-match": f'"{etag}"'}
        answer = self._ask(_Request("GET", path, headers=headers), expected=count)
        if answer.status == 412:
            raise Overtaken(f"{path} changed while it was read: run again when it is complete")
        if answer.status not in (200, 206):
            raise self._refused(path, answer)
        return answer.body if answer.status == 206 else answer.body[first : first + count]

    def fetch(self, path: ObjectPath, target: Path) -> tuple[int, str]:
        """Copy the object into a file; returns its size and its SHA-256, in hexadecimal."""
        answer = self._ask(_Request("GET", path), target=target)
        if answer.status != 200:
            raise self._refused(path, answer)
        return target.stat().st_size, answer.sha256

    def put(
        self, path: ObjectPath, body: bytes | Path, sha256: str = "", *, only_if: Mapping[str, str] | None = None
    ) -> str | None:
        """Put a file or bytes; returns the ETag, and None when the condition `only_if` does not hold."""
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        if size > _MOST_IN_ONE_PUT:
            raise StorageError(f"{path} would have {size} bytes, and an upload has at most {_MOST_IN_ONE_PUT}: "
                               "lower rows_per_part")  # fmt: skip
        digest = sha256 or (_file_sha256(body) if isinstance(body, Path) else hashlib.sha256(body).hexdigest())
        headers = {"content-length": str(size), **(only_if or {})}
        answer = self._ask(_Request("PUT", path, headers=headers, body=body, sha256=digest))
        if answer.status in (409, 412) and only_if:
            return None
        if answer.status != 200:
            raise self._refused(path, answer)
        return answer.headers.get("etag", "").strip('"')

    def delete(self, path: ObjectPath, etag: str = "") -> None:
        """Delete the object, if it is there (and, where `etag` is given and the server looks, still has it)."""
        headers = {"if-match": f'"{etag}"'} if etag else {}
        answer = self._ask(_Request("DELETE", path, headers=headers))
        if answer.status not in (200, 204, 404, 412):
            raise self._refused(path, answer)

    def _ask(self, request: _Request, target: Path | None = None, expected: int | None = None) -> _Answer:
        """The last answer: what is worth repeating is repeated until it succeeds or patience ends."""
        for attempt in range(self.patience.attempts):
            if attempt:
                self.patience.wait(attempt - 1)
            last = attempt == self.patience.attempts - 1
            try:
                answer = self._once(request, target)
            except (OSError, http.client.HTTPException) as error:
                if last:
                    raise self._silent(request.path, error) from None
                continue
            short = expected is not None and answer.status == 206 and len(answer.body) != expected
            if (answer.status in _OUT_OF_SORTS or short) and not last:
                continue
            if short:
                raise StorageError(f"{request.path}: the server sent {len(answer.body)} of {expected} bytes, "
                                   f"{self.patience.attempts} times: run again later")  # fmt: skip
            return answer
        raise AssertionError("patience has at least one attempt")

    def _once(self, request: _Request, target: Path | None) -> _Answer:
        host, path = self._address(request.path)
        headers = signed_headers(self.access, request.method, host, path, request.query, request.sha256)
        url = encoded_path(path) + (f"?{encoded_query(request.query)}" if request.query else "")
        # A connection for each request: one that was kept may have gone stale, and would belong to one thread.
        with closing(self._connection(host)) as connection:
            with _opened(request.body) as body:
                connection.request(request.method, url, body=body, headers={**headers, **request.headers})
            with connection.getresponse() as response:
                found = {name.lower(): value for name, value in response.getheaders()}
                if target is None or response.status != 200:
                    return _Answer(response.status, found, response.read())
                return _Answer(response.status, found, b"", _copy(response, target))

    def _address(self, path: ObjectPath) -> tuple[str, str]:
        """Host and path: the bucket is part of the host at Amazon, and of the path everywhere else."""
        if self.access.host:
            return self.access.host, f"/{path.bucket}/{path.key}"
        amazon = f"s3.{self.access.region}.amazonaws.com"
        # A certificate of Amazon's does not cover a name with more dots.
        return (
            (amazon, f"/{path.bucket}/{path.key}")
            if "." in path.bucket
            else (f"{path.bucket}.{amazon}", f"/{path.key}")
        )

    def _connection(self, host: str) -> http.client.HTTPConnection:
        timeout = self.patience.timeout
        if not self.access.secure:
            return http.client.HTTPConnection(host, timeout=timeout)
        return http.client.HTTPSConnection(host, timeout=timeout, context=ssl.create_default_context())

    def _silent(self, path: ObjectPath, error: BaseException) -> StorageError:
        where = self.access.endpoint or f"Amazon S3 in {self.access.region}"
        reason = type(error).__name__ if isinstance(error, http.client.HTTPException) else str(error)
        return StorageError(
            f"{path}: {where} did not answer {self.patience.attempts} times ({reason or type(error).__name__}): "
            "check AWS_ENDPOINT_URL and the network, and run again"
        )

    def _refused(self, path: ObjectPath, answer: _Answer) -> StorageError:
        """One sentence; of the server's text the code alone, for the rest repeats what was sent."""
        code = _code(answer.body)
        shown = f"{answer.status}{f' {code}' if code else ''}"
        match answer.status:
            case 401 | 403:
                what = "check the credentials (AWS_ACCESS_KEY_ID or AWS_PROFILE), what they may do, and the clock"
            case 301 | 307:
                region = answer.headers.get("x-amz-bucket-region", "another region")
                what = f"the bucket is in {region}: set AWS_REGION"
            case 404:
                what = "correct the address, or create the bucket"
            case status if status in _OUT_OF_SORTS:
                what = f"asked {self.patience.attempts} times: run again later"
            case _:
                what = "correct the address or the endpoint"
        return StorageError(f"{path}: the server answered {shown}: {what}")


@dataclass(frozen=True)
class _Page:
    objects: list[StoredObject]
    next_token: str


def _page(below: ObjectPath, body: bytes) -> _Page:
    try:
        tree = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise StorageError(f"{below}: the server's listing is not XML: check AWS_ENDPOINT_URL") from None
    space = tree.tag.partition("}")[0] + "}" if tree.tag.startswith("{") else ""

    def text(node: ElementTree.Element, name: str) -> str:
        return node.findtext(f"{space}{name}") or ""

    objects = [
        StoredObject(
            ObjectPath(below.bucket, unquote(text(node, "Key").replace("+", " "))),
            int(text(node, "Size")),
            text(node, "ETag").strip('"'),
        )
        for node in tree.iterfind(f"{space}Contents")
    ]
    more = text(tree, "IsTruncated") == "true"
    return _Page(objects, text(tree, "NextContinuationToken") if more else "")


def _code(body: bytes) -> str:
    try:
        tree = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return ""
    found = next((node.text or "" for node in tree.iter() if node.tag.rpartition("}")[2] == "Code"), "")
    return found if found.isalnum() else ""


@contextmanager
def _opened(body: bytes | Path) -> Iterator[bytes | IO[bytes]]:
    if isinstance(body, bytes):
        yield body
        return
    with body.open("rb") as file:
        yield file


def _copy(response: http.client.HTTPResponse, target: Path) -> str:
    announced = int(response.headers.get("content-length", -1))
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while block := response.read(_BLOCK):
            digest.update(block)
            size += len(block)
            file.write(block)
    # Read in pieces, http.client does not notice that the connection ended early.
    if announced >= 0 and size != announced:
        raise http.client.IncompleteRead(b"", announced - size)
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""S3 by botocore, in seven requests: list, look, read, fetch, put, copy, delete; repeated on transient errors.

An object is put by one request, which S3 carries out whole or not at all, so there are no partial uploads to clean up.
The digest of the body goes with it, and a body that arrives otherwise is refused. What comes back is compared with its
announced length and, where the caller knows it, its ETag.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from daeda.errors import ChangedMeanwhile, InputError, StorageError, StorageUnavailable
from daeda.installed import install_command
from daeda.storage.access import Access
from daeda.storage.in_time import BLOCK, Heartbeat, blocks_of, in_time, opened
from daeda.storage.location import ObjectPath
from daeda.storage.regular import file_digest
from daeda.storage.state import FileState

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_MOST_IN_ONE_PUT = 5 * 2**30
# The most that a server lists at once.
_PAGE = 1000
# Requests at once, where many small ones are to be made.
AT_ONCE = 16
# Of the characters that may follow a name in a key, the one that comes after the slash.
_AFTER_SLASH = "0"

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is made, and how long is waited, in seconds.

    `timeout` is for one attempt, and for each further MiB of it; `total` for all attempts from the last MiB on; `pause`
    is what lies between the first two.
    """

    attempts: int = 6
    timeout: float = 30.0
    pause: float = 0.2
    total: float = 120.0

    # botocore itself ends a silent attempt after `timeout`; a slow one is given up a little later.
    SLOW_FACTOR = 1.2

    def wait(self, attempt: int) -> None:
        """Sleep before the next attempt: twice as long each time, at most 10 s, and never in step with others."""
        time.sleep(min(10.0, self.pause * 2**attempt) * random.uniform(0.5, 1.0))


@dataclass(frozen=True)
class StoredObject:
    """An object as the server describes it. The ETag is without quotes.

    `put_ns` is when it was put, in nanoseconds since the epoch and whole seconds; 0 where the server does not say.
    """

    path: ObjectPath
    size: int
    etag: str
    put_ns: int = 0

    @classmethod
    def in_state(cls, path: ObjectPath, state: FileState) -> StoredObject:
        """The object as it was listed."""
        return cls(path, state.size, state.etag, state.mtime_ns)

    @property
    def state(self) -> FileState:
        """What tells it from another object at its address."""
        return FileState(self.size, self.put_ns, etag=self.etag)


class S3Client:
    """Requests with one access; threads may share it. Raises InputError where botocore is not installed."""

    def __init__(self, access: Access, retry_policy: RetryPolicy | None = None) -> None:
        self.access = access
        self.retry_policy = retry_policy or RetryPolicy()
        self._s3 = _connect(access, self.retry_policy)

    def listing(self, below: ObjectPath, first: str = "", last: str = "") -> list[StoredObject]:
        """Every object below an address, in the order of their keys.

        `first` and `last` are names directly below it: what comes before or behind them is left out.
        """
        objects: list[StoredObject] = []
        more: dict[str, str] = {"StartAfter": below.prefix + first} if first else {}
        end = f"{below.prefix}{last}{_AFTER_SLASH}" if last else ""
        while True:
            page = self._ask(
                below,
                lambda _: self._s3.list_objects_v2(Bucket=below.bucket, Prefix=below.prefix, MaxKeys=_PAGE, **more),  # noqa: B023
            )
            # Something else that answers 200, like the page of a proxy, would pass for an empty listing.
            if "Name" not in page:
                raise self._not_s3(below)
            contents = page.get("Contents", ())
            inside = [entry for entry in contents if not end or entry["Key"] < end]
            objects += [_listed(below, entry) for entry in inside]
            if not page.get("IsTruncated") or len(inside) < len(contents):
                return objects
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def folders(self, below: ObjectPath) -> list[str]:
        """Names directly below an address that objects lie below, in order; what lies there is not listed."""
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask(
                below,
                lambda _: self._s3.list_objects_v2(
                    Bucket=below.bucket,
                    Prefix=below.prefix,
                    Delimiter="/",
                    MaxKeys=_PAGE,
                    **more,  # noqa: B023
                ),
            )
            if "Name" not in page:
                raise self._not_s3(below)
            found = [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
            names += [prefix.removeprefix(below.prefix).rstrip("/") for prefix in found]
            if not page.get("IsTruncated"):
                return names
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def peek(self, below: ObjectPath, most: int) -> list[StoredObject]:
        """The first objects below an address, at most `most`; none where the server does not let them be seen."""
        page = self._ask(
            below,
            lambda _: self._s3.list_objects_v2(Bucket=below.bucket, Prefix=below.prefix, MaxKeys=min(most, _PAGE)),
            {401: None, 403: None},
        )
        return [_listed(below, entry) for entry in page.get("Contents", ())] if page else []

    def look(self, path: ObjectPath) -> StoredObject | None:
        """The object's size and ETag, None when it is not there."""
        answer = self._head(path)
        if answer is None:
            return None
        return StoredObject(path, answer["ContentLength"], _unquoted(answer["ETag"]), _put_ns(answer))

    def age(self, path: ObjectPath) -> float | None:
        """Seconds since the object was put, by the server's clock; None when it is not there or not told."""
        from email.utils import parsedate_to_datetime

        answer = self._head(path)
        now = answer and answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not answer or not now or "LastModified" not in answer:
            return None
        return float((parsedate_to_datetime(now) - answer["LastModified"]).total_seconds())

    def clock_ahead(self, below: ObjectPath) -> float | None:
        """Seconds by which the server's clock is ahead of this host's, to a second; None where it tells no time."""
        from email.utils import parsedate_to_datetime

        page = self._ask(below, lambda _: self._s3.list_objects_v2(Bucket=below.bucket, MaxKeys=1))
        told = page["ResponseMetadata"]["HTTPHeaders"].get("date")
        return None if told is None else parsedate_to_datetime(told).timestamp() - time.time()

    def _head(self, path: ObjectPath) -> Any:
        # Of a bucket nothing is there to look at but the bucket itself.
        if not path.key:
            return self._ask(path, lambda _: self._s3.head_bucket(Bucket=path.bucket), {404: None})
        return self._ask(path, lambda _: self._s3.head_object(Bucket=path.bucket, Key=path.key), {404: None})

    def read(self, path: ObjectPath) -> tuple[bytes, str] | None:
        """The object's bytes and ETag, None when it is not there."""

        def get(heartbeat: Heartbeat) -> tuple[bytes, str]:
            with self._body_of(path, heartbeat) as (answer, blocks):
                return b"".join(blocks), _unquoted(answer["ETag"])

        return self._ask(path, get, {404: None})

    def read_range(self, path: ObjectPath, first: int, count: int, etag: str) -> bytes:
        """`count` bytes from `first` on; raises ChangedMeanwhile when the object has another ETag by now."""
        span = f"bytes={first}-{first + count - 1}"

        def get(heartbeat: Heartbeat) -> bytes:
            with self._body_of(path, heartbeat, Range=span, IfMatch=f'"{etag}"') as (answer, blocks):
                body = b"".join(blocks)
            whole = answer["ResponseMetadata"]["HTTPStatusCode"] == 200
            content = body[first : first + count] if whole else body
            if len(content) != count:
                raise _Truncated(f"{len(content)} of {count} bytes")
            return content

        content = self._ask(path, get, {412: None})
        if content is None:
            raise ChangedMeanwhile(f"{path} changed while it was read: run again when it is complete")
        return content

    def fetch(self, path: ObjectPath, target: Path, etag: str = "") -> tuple[int, str]:
        """Copy the object into a file; returns its size and its SHA-256, in hexadecimal.

        Where `etag` is given and the object has another one by now, raises ChangedMeanwhile.
        """
        condition = {"IfMatch": f'"{etag}"'} if etag else {}

        # A file for each attempt: an abandoned attempt may still write into its own.
        attempts: list[Path] = []

        def get(heartbeat: Heartbeat) -> tuple[Path, int, str]:
            digest, size = hashlib.sha256(), 0
            with self._body_of(path, heartbeat, **condition) as (_, blocks):
                heartbeat.check()
                fresh = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}")
                attempts.append(fresh)
                with fresh.open("wb") as file:
                    for block in blocks:
                        digest.update(block)
                        size += len(block)
                        file.write(block)
            return fresh, size, digest.hexdigest()

        try:
            answer = self._ask(path, get, {412: None} if etag else {})
            if answer is None:
                raise ChangedMeanwhile(f"{path} changed while it was read: run again when it is complete")
            fresh, size, sha256 = answer
            fresh.replace(target)
        finally:
            for copied in attempts:
                copied.unlink(missing_ok=True)
        return size, sha256

    def digest(self, path: ObjectPath) -> str:
        """SHA-256 of the object, in hexadecimal; empty when it is not there."""

        def get(heartbeat: Heartbeat) -> str:
            digest = hashlib.sha256()
            with self._body_of(path, heartbeat) as (_, blocks):
                for block in blocks:
                    digest.update(block)
            return digest.hexdigest()

        return self._ask(path, get, {404: None}) or ""

    def put(
        self, path: ObjectPath, body: bytes | Path, sha256: str = "", *, only_if: Mapping[str, str] | None = None
    ) -> str | None:
        """Put a file or bytes; returns the ETag, and None when the condition does not hold.

        `sha256` is in hexadecimal; `only_if` is {"IfNoneMatch": "*"} or {"IfMatch": ETag}.
        """
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        if size > _MOST_IN_ONE_PUT:
            raise StorageError(
                f"{path} would have {size} bytes, and an upload has at most {_MOST_IN_ONE_PUT}: lower rows_per_part"
            )
        digest = sha256 or (file_digest(body) if isinstance(body, Path) else hashlib.sha256(body).hexdigest())
        checksum = base64.b64encode(bytes.fromhex(digest)).decode("ascii")
        conditions = only_if or {}

        def put(heartbeat: Heartbeat) -> str:
            with opened(body, heartbeat) as content:
                answer = self._s3.put_object(
                    Bucket=path.bucket, Key=path.key, Body=content, ChecksumSHA256=checksum, **conditions
                )
            return _unquoted(answer["ETag"])

        return self._ask(path, put, {409: None, 412: None} if conditions else {})

    def copy(self, path: ObjectPath, target: ObjectPath, etag: str) -> None:
        """Have the server copy an object to another address; ChangedMeanwhile where it has another ETag by now."""
        source = {"Bucket": path.bucket, "Key": path.key}

        def copy(_: Heartbeat) -> bool:
            self._s3.copy_object(Bucket=target.bucket, Key=target.key, CopySource=source, CopySourceIfMatch=f'"{etag}"')
            return True

        # Not every server looks at the condition: what it copied is the object that is there before and after.
        copied = self._ask(path, copy, {404: None, 412: None})
        there = self.look(path) if copied else None
        if there is None or there.etag != etag:
            raise ChangedMeanwhile(f"{path} changed while it was copied: run again")

    def delete(self, path: ObjectPath, etag: str = "") -> None:
        """Delete the object, if it is there (and, where `etag` is given and the server looks, still has it)."""
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        self._ask(
            path,
            lambda _: self._s3.delete_object(Bucket=path.bucket, Key=path.key, **condition),
            {404: None, 412: None},
        )

    @contextmanager
    def _body_of(
        self, path: ObjectPath, heartbeat: Heartbeat, **conditions: str
    ) -> Iterator[tuple[Any, Iterator[bytes]]]:
        """The answer and the blocks of its body. A body that is given up is closed, and its connection with it."""
        answer = self._s3.get_object(Bucket=path.bucket, Key=path.key, **conditions)
        with closing(answer["Body"]):
            yield answer, blocks_of(answer, heartbeat)

    def _ask(
        self, path: ObjectPath, request: Callable[[Heartbeat], ResultT], instead: Mapping[int, None] | None = None
    ) -> ResultT:
        """The answer of a request, made again until it succeeds or the policy ends; None for a status in `instead`."""
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        silent = (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)

        # When the last bytes arrived, in whichever attempt.
        since = time.monotonic()
        for attempt in range(self.retry_policy.attempts):
            if attempt:
                self.retry_policy.wait(attempt - 1)
            heartbeat = Heartbeat()
            left = since + self.retry_policy.total - heartbeat.began
            last = attempt == self.retry_policy.attempts - 1 or left <= self.retry_policy.timeout
            seconds = max(min(self.retry_policy.timeout * self.retry_policy.SLOW_FACTOR, left), self.retry_policy.pause)
            try:
                return in_time(request, heartbeat, seconds)
            except exceptions.ClientError as error:
                status = _status(error)
                if status in (instead or {}):
                    return None  # type: ignore[return-value]
                if status not in _TRANSIENT or last:
                    raise self._refused(path, error) from None
            except (*silent, _Truncated, OSError) as error:
                if last:
                    raise self._no_answer(path, error, attempt + 1) from None
                since = heartbeat.last if heartbeat.nbytes >= BLOCK else since
            except ResponseParserError:
                raise self._not_s3(path) from None
            except exceptions.ParamValidationError:
                raise StorageError(f"{path} is not an address that S3 takes: write s3://bucket/path") from None
        raise AssertionError("a policy has at least one attempt")

    def _not_s3(self, path: ObjectPath) -> StorageError:
        return StorageError(f"{path}: the server's answer is not that of S3: check AWS_ENDPOINT_URL")

    def _no_answer(self, path: ObjectPath, error: BaseException, attempts: int) -> StorageError:
        where = self.access.endpoint or f"Amazon S3 in {self.access.region}"
        reason = str(error) if isinstance(error, _Truncated) else type(error).__name__
        if isinstance(error, TimeoutError):
            reason = f"too little within {self.retry_policy.total:g} s, timeouts.storage_seconds"
        return StorageUnavailable(
            f"{path}: {where} did not answer {attempts} times ({reason}): check AWS_ENDPOINT_URL and the network, and "
            "run again"
        )

    def _refused(self, path: ObjectPath, error: ClientError) -> StorageError:
        """One sentence; of the server's text the code alone, for the rest repeats what was sent."""
        status, code = _status(error), str(error.response.get("Error", {}).get("Code", ""))
        shown = f"{status} {code}" if code.isalnum() and code != str(status) else str(status)
        match status:
            case 401 | 403:
                what = "check the credentials (AWS_ACCESS_KEY_ID or AWS_PROFILE), what they may do, and the clock"
            case 301 | 307:
                headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
                what = f"the bucket is in {headers.get('x-amz-bucket-region', 'another region')}: set AWS_REGION"
            case 404:
                what = "correct the address, or create the bucket"
            case _ if status in _TRANSIENT:
                what = f"asked {self.retry_policy.attempts} times: run again later"
            case _:
                what = "correct the address or the endpoint"
        kind = StorageUnavailable if status in _TRANSIENT else StorageError
        return kind(f"{path}: the server answered {shown}: {what}")


class _Truncated(Exception):
    """An answer that ended before its end."""


def _connect(access: Access, retry_policy: RetryPolicy) -> Any:
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ImportError:
        raise InputError(
            f"object storage needs botocore, not installed here: install the extra with `{install_command('s3')}`"
        ) from None
    # What the files of AWS say was read by find_access: nothing is looked up a second time, by other rules.
    session = Session(session_vars={"profile": (None, None, None, None)})
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    config = Config(
        connect_timeout=retry_policy.timeout,
        read_timeout=retry_policy.timeout,
        max_pool_connections=AT_ONCE,
        # Repeated here instead, together with answers that end too early, which botocore takes as they are.
        retries={"total_max_attempts": 1, "mode": "standard"},
        s3={"addressing_style": "path" if access.endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.create_client(
        "s3",
        region_name=access.region,
        endpoint_url=access.endpoint or None,
        aws_access_key_id=access.key_id,
        aws_secret_access_key=access.secret,
        aws_session_token=access.token or None,
        config=config,
    )


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _listed(below: ObjectPath, entry: Mapping[str, Any]) -> StoredObject:
    return StoredObject(ObjectPath(below.bucket, entry["Key"]), entry["Size"], _unquoted(entry["ETag"]), _put_ns(entry))


def _put_ns(described: Mapping[str, Any]) -> int:
    """When the object was put: a listing has fractions of a second, a look at the object has none."""
    put = described.get("LastModified")
    return int(put.timestamp()) * 1_000_000_000 if put is not None else 0


def _unquoted(etag: str) -> str:
    return etag.strip('"')

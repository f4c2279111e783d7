"""Signature of a request to S3: AWS Signature Version 4, with the digest of the body in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from daeda.storage.access import Access

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


def encoded_path(path: str) -> str:
    """The path of a URL as it is sent and signed."""
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    """The query of a URL as it is sent and signed: sorted."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))


def signed_headers(
    access: Access,
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    body_sha256: str,
    now: dt.datetime | None = None,
) -> dict[str, str]:
    """The headers that sign a request. `path` is the unencoded path; `now` is in UTC."""
    stamp = (now or dt.datetime.now(dt.UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-content-sha256": body_sha256, "x-amz-date": stamp}
    if access.token:
        headers["x-amz-security-token"] = access.token
    names = ";".join(sorted(headers))
    request = "\n".join(
        (
            method,
            encoded_path(path),
            encoded_query(query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            body_sha256,
        )
    )
    scope = f"{stamp[:8]}/{access.region}/s3/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{access.secret}".encode()
    for part in (stamp[:8], access.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={access.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers

"""What is secret in a text that others made: passwords of addresses, keys of queries and settings, known values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# Shorter values are found in every second word: they are taken out where they stand alone, the shortest not at all.
_LEAST_ANYWHERE = 8
_LEAST_ALONE = 6
# Names of secrets wherever they stand, and those that are one in a query alone: `token=7` is a name of a directory too.
_NAME = (
    r"[\w.-]*(?:passwo?r?d|secret(?:[_-]?access)?(?:[_-]?key)?|(?:session|security|access|auth|refresh)[_-]?token|"
    r"access[_-]?key(?:[_-]?id)?|api[_-]?key|account[_-]?key)"
)
_IN_QUERY = rf"(?:{_NAME}|[\w.-]*(?:token|signature|credential|sig|pwd|key))"
# A password without quotes may hold any mark: it ends with its word but for the marks that close what it is quoted in,
# before the next name of a query or a connection string, and at a quote behind which a list or a mapping goes on.
_QUOTED = r"""'(?:[^'\\]|\\.|'')*'(?!\w)|"(?:[^"\\]|\\.)*"(?!\w)"""
_WORD = r"""\S+?(?=['",:;)}\]]{0,4}(?:\s|$)|[;&][\w.-]+=|['"][,;:)}\]]{0,4}['"{\[])"""
# Where a quote is not closed, the text was cut.
_VALUE = rf"""{_QUOTED}|['"](?=\w)[^\n]*|{_WORD}"""
_SCHEME = r"(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://"
# postgres://user:password@host: a password may hold what an address would escape, so it ends at the last @ of its word,
# or of a later word where it holds a space or a quote, and what follows the name is no port.
_USER_INFO = re.compile(
    rf"(?P<head>{_SCHEME}[^\s:/@'\"]*:)(?:[^\s'\"]*@|(?!\d{{1,5}}(?:\W|$))[^\n@]{{1,200}}@(?=[\w\[]))"
)
# https://token@host
_TOKEN = re.compile(r"(?P<head>https?://)[^\s:/@?#'\"]+@", re.IGNORECASE)
# password=..., ?X-Amz-Signature=..., s3_secret_access_key='...'
_ASSIGNED = re.compile(rf"(?P<head>(?<![\w.-]){_NAME}=|[?&;]{_IN_QUERY}=)(?P<value>{_VALUE})", re.IGNORECASE)
# password = ... of a connection string
_SPACED = re.compile(rf"(?P<head>\b(?:ssl)?password\s+=\s*|\bpassword=\s+)(?P<value>{_VALUE})", re.IGNORECASE)
# SECRET '...' of a statement of SQL
_STATED = re.compile(rf"(?P<head>(?<![\w.'\"-])(?:{_NAME}|key_id)\s+)(?P<value>{_QUOTED})", re.IGNORECASE)
# Password: ... of a prompt; in small letters it is the name of a field before what is said of it.
_ASKED = re.compile(rf"(?P<head>(?<![\w.'\"-])P(?:assword|ASSWORD):\s+)(?P<value>{_VALUE})")
# An entry of a mapping, as Python and JSON write it.
_ENTRY = re.compile(
    rf"(?P<head>(?P<quote>['\"]){_NAME}(?P=quote)\s*:\s*)"
    rf"(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|-?[0-9][^\s'\",}}\]]*)",
    re.IGNORECASE,
)


def masked(text: str, values: Iterable[str] = ()) -> str:
    """The text with its secrets replaced: `values` in each form in which they may be quoted, and what looks like one.

    >>> masked("postgres://me:pass@host/db?sslmode=off, s3://b/k?token=abc, password='a b'")
    "postgres://me:***@host/db?sslmode=off, s3://b/k?token=***, password='***'"
    >>> masked("hunter2 of /home/hunter22", ["hunter2"])
    '*** of /home/hunter22'
    """
    forms = {form for value in values for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _LEAST_ANYWHERE:
            text = text.replace(form, HIDDEN)
        elif len(form) >= _LEAST_ALONE:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", HIDDEN, text)
    if "@" in text:
        text = _USER_INFO.sub(rf"\g<head>{HIDDEN}@", text)
        text = _TOKEN.sub(rf"\g<head>{HIDDEN}@", text)
    for pattern in (_ASSIGNED, _SPACED, _STATED, _ASKED, _ENTRY):
        text = pattern.sub(_hidden, text)
    return text


def has_secret(address: str) -> bool:
    """Whether an address has a password, or a key in its query.

    >>> has_secret("s3://lake/password=1/x"), has_secret("postgres://a:b@host"), has_secret("s3://lake/x?sig=abc")
    (False, True, True)
    """
    _, scheme, rest = address.partition("://")
    if not scheme:
        return False
    query = rest.partition("?")[2]
    return bool(_USER_INFO.search(address) or _TOKEN.search(address) or (query and masked(f"?{query}") != f"?{query}"))


def _hidden(match: re.Match[str]) -> str:
    value = match["value"]
    mark = value[0] if value[0] in "'\"" else ""
    return f"{match['head']}{mark}{HIDDEN}{mark}"


def _forms(value: str) -> Iterable[str]:
    """The value as it is, percent-encoded, and as Python, SQL and XML quote it."""
    yield value
    if len(value) < _LEAST_ALONE:
        return
    raw = value.encode("utf-8", "surrogateescape")
    for encoded in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield repr(value)[1:-1]
    yield value.replace("\\", "\\\\").replace("'", "\\'")
    yield value.replace("'", "''")
    yield value.replace('"', '\\"')
    yield value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

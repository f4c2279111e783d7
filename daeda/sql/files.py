"""Paths of files in the text of SQL: each stands for the one file that has it, whatever characters it has."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from daeda.storage.location import is_object

_WILDCARD = re.compile(r"[*?\[]")


class Glob(str):
    """A pattern that is meant as one, in SQL that is shown."""


def as_pattern(path: str) -> str:
    """What DuckDB, which takes every path for a pattern, reads as this very path. Addresses of objects stay.

    >>> as_pattern("/data/a[1].parquet"), as_pattern("/data/a1.parquet")
    ('/data/a[[]1].parquet', '/data/a1.parquet')
    """
    return path if isinstance(path, Glob) or is_object(path) else _WILDCARD.sub(r"[\g<0>]", path)


def file_list(paths: Iterable[str]) -> exp.Array:
    """The argument of `read_parquet`: these files, and no others."""
    return exp.Array(expressions=[exp.Literal.string(as_pattern(path)) for path in paths])

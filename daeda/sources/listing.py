"""The files behind a view, wherever they lie."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, assert_never

from daeda.errors import NotBuiltYet
from daeda.sources.files import SourceFiles
from daeda.sources.local import find_local_files
from daeda.sources.models.source import DATABASES
from daeda.sources.objects import find_objects
from daeda.storage.location import SCHEME, ObjectPath, below, parse_location


def find_files(path: str, view: str, data_root: str = "") -> SourceFiles:
    """List the files of a view's path, which lies below `data_root` unless it is absolute.

    The path may be a pattern, and data_root is none, whatever characters it has. Raises InputError where there are no
    files, and for what may be data and would not be read.
    """
    whole = below(data_root, path) if data_root else path
    scheme, separator, _ = whole.partition("://")
    if separator and scheme != SCHEME.partition(":")[0]:
        _refuse_scheme(scheme, whole, view)
    match parse_location(whole):
        case Path():
            return find_local_files(path, view, data_root)
        case ObjectPath():
            return find_objects(path, view, data_root)
        case other:
            assert_never(other)


def _refuse_scheme(scheme: str, path: str, view: str) -> NoReturn:
    if scheme in [kind.key for kind in DATABASES]:
        raise NotBuiltYet(
            f"view '{view}': {path} is read by `daeda pipeline` and the halves alone, which export it first: "
            "export it to Parquet, and scan that"
        )
    raise NotBuiltYet(
        f"view '{view}': reading {scheme}:// is not built: use a local path, or object storage with s3://bucket/path"
    )

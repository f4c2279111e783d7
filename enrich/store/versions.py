"""A version of a Lance dataset: opened, its history, and its files, which tell its content from any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
from lance import LanceOperation

from daeda.errors import InputError, did_you_mean, refusal, shortened
from daeda.storage.access import find_access
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import before_the_first_day, client

# What Lance raises over files that are gone or broken, and over a negative number of a version.
LANCE_ERRORS = (ValueError, OSError, RuntimeError, OverflowError)

# These leave every row where it is: compaction rewrites neighbouring fragments in order, and Merge and Project add and
# drop columns. A bare BaseOperation is one that Lance does not describe to Python, such as reserving fragment numbers.
HARMLESS = (
    LanceOperation.Append,
    LanceOperation.CreateIndex,
    LanceOperation.Merge,
    LanceOperation.Project,
    LanceOperation.Rewrite,
    LanceOperation.UpdateConfig,
)


def open_version(where: str, path: str, version: int | str) -> lance.LanceDataset:
    """Open a version by its number or its tag; InputError when path or version are not there."""
    _check_path(where, path)
    options = storage_options(path)
    try:
        newest = lance.dataset(path, storage_options=options)
        tags = newest.tags.list() if isinstance(version, str) else {}
    except LANCE_ERRORS as error:
        raise InputError(f"{where}: {path} cannot be opened ({reason_of(error)}); bring its files back") from error
    if isinstance(version, str):
        if version not in tags:
            raise InputError(f"{where}: {path} has no tag '{version}'; {did_you_mean(version, tags)}")
        version = tags[version]["version"]
    try:
        return lance.dataset(path, version=version, storage_options=options)
    except LANCE_ERRORS as error:
        known = _known_versions(newest)
        if known is None or version in known:
            raise InputError(f"{where}: version {version} of {path} cannot be opened ({reason_of(error)})") from error
        raise InputError(f"{where}: {path} has no version {version}; newest first it has {shortened(known)}") from error


def _known_versions(dataset: lance.LanceDataset) -> list[int] | None:
    """All versions, newest first; None where one of them cannot be read."""
    try:
        return sorted((entry["version"] for entry in dataset.versions()), reverse=True)
    except LANCE_ERRORS:
        return None


def _check_path(where: str, path: str) -> None:
    """See that a directory is there; objects are asked for by daeda's own client, whose refusals say what to do."""
    absent = f"{where}: {path} does not exist; correct its path, or write the store first"
    if is_object(path):
        with before_the_first_day():
            if not client().listing(object_path(path) / "_versions"):
                raise InputError(absent)
        return
    try:
        if not Path(path).exists():
            raise InputError(absent)
        if not Path(path).is_dir():
            raise InputError(f"{where}: {path} is no directory; its path is the directory *.lance")
        # Lance tells of a directory that it may not list as of one that is empty.
        versions = Path(path, "_versions")
        if versions not in Path(path).iterdir() or not any(versions.iterdir()):
            raise InputError(f"{where}: {path} is not a Lance dataset; its path is the directory *.lance")
    except OSError as error:
        raise InputError(f"{where}: {refusal(error)}") from error


def reason_of(error: Exception) -> str:
    """What Lance says, in one line, without the lines of its own source files."""
    return str(error).partition("\n")[0].partition(", /")[0]


# Seconds of Lance's requests to object storage: to connect, to answer in full, and to be repeated.
CONNECT_SECONDS = 10
REQUEST_SECONDS = 30
RETRY_SECONDS = 60


def storage_options(path: str) -> dict[str, str] | None:
    """What Lance needs for object storage, from this process's environment; an actor takes it from its own."""
    if not is_object(path):
        return None
    access = find_access()
    options = {
        "aws_access_key_id": access.key_id,
        "aws_secret_access_key": access.secret,
        "aws_region": access.region,
        # A request that is silent, or comes drop by drop, is made anew, and not for ever.
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{REQUEST_SECONDS}s",
        "client_max_retries": "6",
        "client_retry_timeout": str(RETRY_SECONDS),
        "download_retry_count": "2",
    }
    if access.token:
        options["aws_session_token"] = access.token
    if access.endpoint:
        options |= {"aws_endpoint": access.endpoint, "aws_virtual_hosted_style_request": "false"}
        options["allow_http"] = str(not access.secure).lower()
    return options


def why_not_append_only(dataset: lance.LanceDataset) -> str | None:
    """What in the history since the last overwrite makes scan order differ from the order of writing; None if nothing.

    `get_transactions` ends silently where old versions were removed, so the versions are read one by one.
    """
    if any(fragment.num_deletions for fragment in dataset.get_fragments()):
        return "rows were deleted"
    version = dataset.version
    while version > 0:
        try:
            transaction = dataset.read_transaction(version)
        except (OSError, ValueError):
            transaction = None
        except TypeError:
            # Lance 14.0.2 fails to describe a Rewrite that moved an index, and nothing else.
            version -= 1
            continue
        if transaction is None:
            return f"its history before version {version + 1} was removed"
        operation = transaction.operation
        if isinstance(operation, LanceOperation.Overwrite):
            return None
        if isinstance(operation, LanceOperation.Restore):
            version = operation.version
        elif isinstance(operation, HARMLESS) or type(operation) is LanceOperation.BaseOperation:
            version -= 1
        else:
            return f"version {version} is the result of {type(operation).__name__}"
    return None


def content_digest(dataset: lance.LanceDataset, id_column: str, vector_column: str) -> str:
    """What tells the ids and vectors of a version from any others, without reading them.

    Lance never changes a file, and gives each a name of its own. So the names decide, with the order and the number of
    rows: files of data that hold the two columns, files that say which rows were deleted, and files of values laid over
    others. Where the store lies, its tags, indices and settings, and columns that nobody asks for decide nothing.
    """
    fields = {field.name(): field for field in dataset.lance_schema.fields()}
    chosen = [fields[id_column], fields[vector_column]]
    wanted = {number for field in chosen for number in _numbers(field)}
    described = {
        "id": [fields[id_column].id(), str(dataset.schema.field(id_column).type)],
        "vector": [fields[vector_column].id(), str(dataset.schema.field(vector_column).type)],
        "fragments": [
            {
                "files": sorted(file.path for file in fragment.data_files() if wanted.intersection(file.fields)),
                "rows": fragment.physical_rows,
                "deletions": fragment.deletion_file(),
                "overlays": [str(overlay) for overlay in getattr(fragment.metadata, "overlays", ())],
            }
            for fragment in dataset.get_fragments()
        ],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _numbers(field: Any) -> Iterator[int]:
    yield field.id()
    for child in field.children():
        yield from _numbers(child)


def find_lost_file(dataset: lance.LanceDataset, path: str) -> str | None:
    """The first file of the version that is not there, or of another size than was written, in words; None for none.

    Files of a clone that lie in the store that it was cloned from are not looked at.
    """
    expected: dict[str, int | None] = {}
    for fragment in dataset.get_fragments():
        expected |= {
            f"data/{file.path}": file.file_size_bytes
            for file in fragment.data_files()
            if getattr(file, "base_id", None) is None
        }
        deletion_file = fragment.deletion_file()
        if deletion_file is not None and not dataset.base_paths():
            expected[deletion_file] = None
    sizes = _sizes_of_objects(path) if is_object(path) else None
    for name, size in sorted(expected.items()):
        actual = _size_on_disk(Path(path, name)) if sizes is None else sizes.get(name)
        if actual is None:
            return f"has lost {name}"
        if size is not None and actual != size:
            return f"has {actual:,} bytes of {name}, and {size:,} were written"
    return None


def _size_on_disk(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sizes_of_objects(path: str) -> dict[str, int]:
    base = object_path(path)
    with before_the_first_day():
        objects = [stored for name in ("data", "_deletions") for stored in client().listing(base / name)]
    return {stored.path.key.removeprefix(base.prefix): stored.size for stored in objects}

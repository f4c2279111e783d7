"""The files behind a view: found on disk, chosen for a day, identified by content."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NoReturn

from daeda.errors import DayError, InputError, NotBuiltYet, refusal, shortened
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.local import find_local_files
from daeda.sources.models.source import DATABASES
from daeda.sources.objects import find_objects
from daeda.storage.input_file import InputFile
from daeda.storage.location import below, is_object, object_path
from daeda.storage.objects import client
from daeda.storage.regular import open_regular
from daeda.storage.state import FileState, state_of

# Servers answer late: a few threads wait for several at once.
_THREADS = 8


def find_files(path: str, view: str, data_root: str = "") -> SourceFiles:
    """List the files of a view's path, which lies below `data_root` unless it is absolute.

    The path may be a pattern, and data_root is none, whatever characters it has. Raises InputError where there are no
    files, and for what may be data and would not be read.
    """
    whole = below(data_root, path) if data_root else path
    if is_object(whole):
        return find_objects(path, view, data_root)
    if "://" in whole:
        _refuse_scheme(whole, view)
    return find_local_files(path, view, data_root)


def _refuse_scheme(path: str, view: str) -> NoReturn:
    scheme = path.split("://")[0]
    if scheme in [kind.key for kind in DATABASES]:
        raise NotBuiltYet(
            f"view '{view}': {path} is read by `daeda pipeline` and the halves alone, which export it first: "
            "export it to Parquet, and scan that"
        )
    raise NotBuiltYet(
        f"view '{view}': reading {scheme}:// is not built: use a local path, or object storage with s3://bucket/path"
    )


def days_needed(scan: Scan, day: dt.date, first: dt.date | None) -> list[dt.date]:
    """The partitions that a Scan reads for a day: the day, its window before it, and the slack around both.

    What lies before the first partition is not needed: there is nothing to lose.
    """
    return _days_around(scan, day, first, scan.partition_slack)


def _days_around(scan: Scan, day: dt.date, first: dt.date | None, slack: int) -> list[dt.date]:
    back = 0
    if scan.reads == "lookback":
        whole = scan.lookback.days if scan.lookback is not None else None
        back = whole if whole is not None else (day - first).days if first is not None and first < day else 0
    # A window may be longer than the calendar.
    start = day - dt.timedelta(days=min(back + slack, (day - dt.date.min).days))
    if first is not None and start < first:
        # A spine without the partition of its own day lacks it; a look-back that begins later sees nothing.
        start = first if scan.reads == "lookback" else min(first, day)
    count = (day - start).days + 1 + slack
    return [start + dt.timedelta(days=offset) for offset in range(count)]


def missing_days(scan: Scan, files: SourceFiles, day: dt.date) -> list[dt.date]:
    """Partitions that the day needs and that are not there. Slack partitions may be absent."""
    if not files.partitioned or scan.reads == "static" or scan.missing_partitions == "empty":
        return []
    return [one for one in _days_around(scan, day, files.first_day, 0) if one not in files.partitions]


def files_needed(scan: Scan, files: SourceFiles, day: dt.date) -> tuple[str, ...]:
    """The files that a Scan reads for a day, in order; raises InputError when partitions are missing."""
    if not files.partitioned:
        return files.flat
    if scan.reads == "static":
        return tuple(path for one in sorted(files.partitions) for path in files.partitions[one])
    missing = missing_days(scan, files, day)
    if missing:
        raise InputError(missing_sentence(scan, files, missing))
    return tuple(path for one in days_needed(scan, day, files.first_day) for path in files.partitions.get(one, ()))


def missing_sentence(scan: Scan, files: SourceFiles, missing: Iterable[dt.date]) -> str:
    """The message about missing partitions."""
    days = shortened(sorted(set(missing)))
    return (
        f"view '{scan.view}': {files.path} has no partition for {days}: add them (a directory without rows is an "
        "empty day), or say source.missing_partitions: empty"
    )


class Identities:
    """Content digests of files, each computed once per process while the state of the file stays the same.

    Objects have the version that the server gives them instead: nothing is read to know it.
    """

    def __init__(self, known: Iterable[InputFile] = ()) -> None:
        self._lock = Lock()
        self._digests = {(one.path, one.state): one.sha256 for one in known if not one.etag}

    def of(self, operator: str, path: str, files: SourceFiles | None = None) -> InputFile:
        """The identity of a file as it is now, or as it was when `files` were listed; InputError if unreadable."""
        if is_object(path):
            return _object_identity(operator, path, files)
        try:
            return self._of(operator, path)
        except OSError as error:
            raise InputError(f"operator '{operator}' cannot read {refusal(error)}") from error

    def _of(self, operator: str, path: str) -> InputFile:
        state = state_of(path)
        with self._lock:
            # A manifest that is older than the record of ctime has none.
            digest = self._digests.get((path, state)) or self._digests.get((path, replace(state, ctime_ns=0)))
        if digest is None:
            digest = file_digest(Path(path))
            if state_of(path) != state:
                raise InputError(f"{path} changed while it was read: run again when it is complete")
            with self._lock:
                self._digests[path, state] = digest
        return InputFile(operator, path, state.size, state.mtime_ns, digest, ctime_ns=state.ctime_ns)


def _object_identity(operator: str, path: str, files: SourceFiles | None) -> InputFile:
    if files is not None and path in files.versions:
        state = files.versions[path]
    else:
        found = client().look(object_path(path))
        if found is None:
            raise DayError(f"{path} is gone: run again when it is complete")
        state = found.state
    return InputFile(operator, path, state.size, state.mtime_ns, "", state.etag)


def check_unchanged(files: Iterable[InputFile], meanwhile: str = "while the day was built") -> None:
    """Raise DayError when a file is not in the state in which it was identified, every time that it was."""
    known: dict[str, set[FileState]] = {}
    for file in files:
        known.setdefault(file.path, set()).add(file.state)
    now = {path: None if is_object(path) else state_of(path) for path in known}
    objects = [path for path in known if is_object(path)]
    if objects:
        with ThreadPoolExecutor(_THREADS) as pool:
            now |= dict(zip(objects, pool.map(_object_state, objects), strict=True))
    changed = [path for path, states in known.items() if any(not _is_same(state, now[path]) for state in states)]
    if changed:
        raise DayError(f"{shortened(changed, 3)} changed {meanwhile}: run again when it is complete")


def _object_state(path: str) -> FileState | None:
    found = client().look(object_path(path))
    return None if found is None else found.state


def _is_same(before: FileState, now: FileState | None) -> bool:
    if now is not None and before.etag and not (before.mtime_ns and now.mtime_ns):
        # The server does not say when an object was put, or not every time.
        return (before.size, before.etag) == (now.size, now.etag)
    return before == now


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined_digest(files: Iterable[InputFile]) -> str:
    """One digest of a set of files: of their contents, whatever their names and order."""
    joined = "\n".join(sorted(one.version for one in files))
    return hashlib.sha256(joined.encode()).hexdigest()

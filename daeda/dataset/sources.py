"""The files behind a view: found on disk, chosen for a day, identified by content."""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from daeda.dataset.manifest import InputFile
from daeda.errors import InputError, NotBuiltYet, shortened
from daeda.operators.relational import Scan
from daeda.sql.locked import Reach

_PREFIX = "dt="


@dataclass(frozen=True)
class SourceFiles:
    """Files of one view: by day, or, where the source is not partitioned, `flat`."""

    path: str
    partitions: dict[dt.date, tuple[str, ...]] = field(default_factory=dict)
    flat: tuple[str, ...] = ()

    @property
    def partitioned(self) -> bool:
        """Whether the source is a directory of `dt=YYYY-MM-DD` directories."""
        return bool(self.partitions)

    def places(self) -> tuple[str, ...]:
        """What has to be reached to read the files: the path, and what links lead to outside of it."""
        (root,) = Reach.of([self.path]).places
        home = Path(root).resolve()
        real = [Path(file).resolve() for files in (self.flat, *self.partitions.values()) for file in files]
        return (root, *(str(file) for file in real if not file.is_relative_to(home)))

    @property
    def first_day(self) -> dt.date | None:
        """The earliest partition."""
        return min(self.partitions, default=None)


def find_files(path: str, view: str) -> SourceFiles:
    """List the files of a view's path; raises InputError when there are none.

    A directory with no `dt=` directory counts as unpartitioned: all Parquet files directly in it.
    """
    if "://" in path:
        raise NotBuiltYet(
            f"view '{view}': reading {path.split('://')[0]}:// is described and not built yet: use a local path"
        )
    root = Path(path)
    if root.is_dir():
        partitions = _partitions(root, view)
        if partitions:
            return SourceFiles(path, partitions=partitions)
        flat = tuple(str(file) for file in sorted(root.glob("*.parquet")))
    elif glob.has_magic(path):
        # Path.glob takes no absolute pattern.
        flat = tuple(sorted(glob.glob(path, recursive=True)))  # noqa: PTH207
    else:
        flat = (path,) if root.is_file() else ()
    if not flat:
        what = "holds no Parquet file and no dt=YYYY-MM-DD directory" if root.is_dir() else "does not exist"
        if glob.has_magic(path):
            what = "matches no file"
        raise InputError(f"view '{view}': {path} {what}: {preparation_hint(path)}")
    return SourceFiles(path, flat=flat)


def preparation_hint(path: str) -> str:
    """What to do about missing data: name the prepare step of the project when it has one."""
    for parent in Path(path).parents:
        script = parent / "prepare.py"
        if script.exists():
            return f"make the data with `python {_relative(script)}`"
        if (parent / "sample_data" / "__main__.py").exists():
            return "make the data with `make sample`"
        if (parent / "config").is_dir():
            break
    return "correct the path or data_root, or put the data there"


def _relative(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _partitions(root: Path, view: str) -> dict[dt.date, tuple[str, ...]]:
    found: dict[dt.date, tuple[str, ...]] = {}
    for directory in sorted(root.iterdir()):
        if not directory.name.startswith(_PREFIX) or not directory.is_dir():
            continue
        day = parse_day(directory.name.removeprefix(_PREFIX))
        if day is None:
            raise InputError(
                f"view '{view}': {directory} is not a day: a partition is named dt=YYYY-MM-DD, so rename or remove it"
            )
        found[day] = tuple(str(file) for file in sorted(directory.glob("*.parquet")))
    return found


def parse_day(text: str) -> dt.date | None:
    """The day of YYYY-MM-DD, None for every other text (Python reads 20240102 and 2024-W01-2 as days too)."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


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
    """Content digests of files, each computed once per process while size and mtime stay the same."""

    def __init__(self, known: Iterable[InputFile] = ()) -> None:
        self._lock = Lock()
        self._digests = {(one.path, one.size, one.mtime_ns): one.sha256 for one in known}

    def of(self, operator: str, path: str) -> InputFile:
        """The identity of a file as it is now."""
        stat = Path(path).stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        with self._lock:
            digest = self._digests.get(key)
        if digest is None:
            digest = file_digest(Path(path))
            with self._lock:
                self._digests[key] = digest
        return InputFile(operator, path, stat.st_size, stat.st_mtime_ns, digest)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined_digest(files: Iterable[InputFile]) -> str:
    """One digest of a set of files: of their contents, whatever their names and order."""
    joined = "\n".join(sorted(one.sha256 for one in files))
    return hashlib.sha256(joined.encode()).hexdigest()

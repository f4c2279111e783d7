"""Statistics that are kept beside the data, so that they are made once.

    <service dir>/_statistics/<dataset>/dt=YYYY-MM-DD.json

Outside of the directories of days: no reader, listing or copy of days meets them, and a day is replaced without them.
They name the digests of the parts that they are of. What is of other parts, of another version or damaged is made anew.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.layout import DATASETS, Dataset, Layout, day_name
from daeda.dataset.manifest import Manifest
from daeda.dataset.publish.staging import refuse_stranger
from daeda.dataset.published import look_at_days
from daeda.errors import DayError, NotRegular, StorageError, first_line
from daeda.process.messages import warn
from daeda.sources.files import parse_day
from daeda.statistics.model import DayStatistics, parse_statistics
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import read_regular

_DIRECTORY = "_statistics"
# Statistics of a thousand columns have some ten million bytes.
_MOST_BYTES = 1 << 30
# What is kept of a day, and what a writer that was killed leaves of it.
_KEPT = re.compile(r"dt=(\d{4}-\d{2}-\d{2})\.json", re.ASCII)
_UNFINISHED = re.compile(r"\.dt=\d{4}-\d{2}-\d{2}\.json\.\d+-\d+", re.ASCII)


def statistics_path(layout: Layout, dataset: Dataset, day: dt.date) -> Location:
    """Where the statistics of a day are kept."""
    return layout.version_dir / _DIRECTORY / dataset / f"{day_name(day)}.json"


def kept_statistics(layout: Layout, manifest: Manifest) -> DayStatistics | None:
    """The statistics of a published day, None where none are kept of these parts."""
    text = _text(statistics_path(layout, manifest.dataset, dt.date.fromisoformat(manifest.day)))
    statistics = None if text is None else parse_statistics(text)
    if statistics is None or statistics.parts != parts_digest(manifest.parts):
        return None
    named = (statistics.service, statistics.dataset, statistics.day, statistics.rows)
    return statistics if named == (manifest.service, manifest.dataset, manifest.day, manifest.rows) else None


def statistics_of(layout: Layout, manifest: Manifest) -> DayStatistics:
    """The statistics of a published day: those that are kept, or else made now, and kept where that is allowed.

    Raises DayError for a day that is not as its manifest says: statistics of other rows must not pass for those of it.
    """
    kept = kept_statistics(layout, manifest)
    if kept is not None:
        return kept
    # A plan asks for what is kept, and loads no kernels for it.
    from daeda.statistics.of_day import statistics_of_day

    day = dt.date.fromisoformat(manifest.day)
    try:
        made = statistics_of_day(layout.day_dir(manifest.dataset, day), manifest)
    except (OSError, KeyError, StorageError, pa.ArrowException) as error:
        _require_unchanged(layout, manifest, day, error)
        raise
    _require_unchanged(layout, manifest, day)
    try:
        keep_statistics(layout, made)
    except (OSError, StorageError) as error:
        warn(f"{manifest.dataset} {day}: its statistics are not kept: {first_line(error)}", day=day)
    return made


def _require_unchanged(layout: Layout, manifest: Manifest, day: dt.date, cause: Exception | None = None) -> None:
    there = look_at_days(layout, manifest.dataset, [day]).get(day)
    if there is None or there.manifest is None or there.damage or there.manifest.parts != manifest.parts:
        where = layout.day_dir(manifest.dataset, day)
        raise DayError(f"{where} changed while its statistics were made: run again", day=day) from cause


def keep_statistics(layout: Layout, statistics: DayStatistics) -> None:
    """Put the statistics of a day into their place, whole, instead of older ones."""
    path = statistics_path(layout, statistics.dataset, dt.date.fromisoformat(statistics.day))
    text = statistics.to_json().encode()
    if isinstance(path, ObjectPath):
        client().put(path, text)
        return
    for directory in (path.parent.parent, path.parent):
        refuse_stranger(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        fresh.write_bytes(text)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def forget_statistics(layout: Layout, dataset: Dataset, day: dt.date) -> None:
    """Remove the statistics of a day, which name values of its rows."""
    path = statistics_path(layout, dataset, day)
    if isinstance(path, ObjectPath):
        client().delete(path)
    elif path.parent.is_dir() and not path.parent.is_symlink() and (path.is_symlink() or not path.is_dir()):
        path.unlink(missing_ok=True)


def forget_outdated(layout: Layout) -> int:
    """Remove what is kept of days that are not published so any more, and unfinished files; returns how many.

    They name values of rows that may be gone.
    """
    count = 0
    for dataset in DATASETS:
        for path in _kept_files(layout.version_dir / _DIRECTORY / dataset):
            named = _KEPT.fullmatch(path.name)
            day = None if named is None else parse_day(named[1])
            if (named is not None and day is None) or (day is not None and _is_current(layout, dataset, day)):
                continue
            if isinstance(path, ObjectPath):
                client().delete(path)
            else:
                path.unlink(missing_ok=True)
            count += 1
    return count


def _is_current(layout: Layout, dataset: Dataset, day: dt.date) -> bool:
    there = look_at_days(layout, dataset, [day]).get(day)
    if there is None or there.manifest is None or there.damage:
        return False
    return kept_statistics(layout, there.manifest) is not None


def _kept_files(directory: Location) -> Iterator[Location]:
    """Files directly in it that are named as daeda names them. Links are not followed."""
    if isinstance(directory, ObjectPath):
        found: list[Location] = [stored.path for stored in client().listing(directory)]
        found = [path for path in found if path.parent == directory]
    elif directory.is_symlink() or directory.parent.is_symlink() or not directory.is_dir():
        found = []
    else:
        found = [path for path in sorted(directory.iterdir()) if path.is_file() and not path.is_symlink()]
    yield from (path for path in found if _KEPT.fullmatch(path.name) or _UNFINISHED.fullmatch(path.name))


def _text(path: Location) -> bytes | None:
    """What is there; None for nothing, and for what is no file, which is not followed."""
    if isinstance(path, ObjectPath):
        answer = client().read(path)
        return None if answer is None else answer[0]
    return _file_text(path)


def _file_text(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else read_regular(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NotRegular):
        return None

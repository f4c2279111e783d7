"""Statistics that are kept beside the data, so that they are made once.

    <service dir>/_statistics/<dataset>/dt=YYYY-MM-DD.json

Outside of the directories of days: no reader, listing or copy of days meets them, and a day is replaced without them.
They name the digests of the parts that they are of. What is of other parts, of another version or damaged is made anew.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from pathlib import Path

from daeda.dataset.layout import Dataset, Layout, day_name
from daeda.dataset.manifest import Manifest
from daeda.dataset.publish.staging import refuse_stranger
from daeda.errors import NotRegular
from daeda.statistics.model import DayStatistics, parse_statistics
from daeda.statistics.of_day import parts_digest, statistics_of_day
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import read_regular

_DIRECTORY = "_statistics"
# Statistics of a thousand columns have some ten million bytes.
_MOST_BYTES = 1 << 30


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
    """The statistics of a published day: those that are kept, or else made now, and kept."""
    kept = kept_statistics(layout, manifest)
    if kept is not None:
        return kept
    day = dt.date.fromisoformat(manifest.day)
    made = statistics_of_day(layout.day_dir(manifest.dataset, day), manifest)
    keep_statistics(layout, made)
    return made


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
    fresh.write_bytes(text)
    fresh.replace(path)


def forget_statistics(layout: Layout, dataset: Dataset, day: dt.date) -> None:
    """Remove the statistics of a day, which name values of its rows."""
    path = statistics_path(layout, dataset, day)
    if isinstance(path, ObjectPath):
        client().delete(path)
    elif path.parent.is_dir() and not path.parent.is_symlink():
        path.unlink(missing_ok=True)


def _text(path: Location) -> bytes | None:
    """What is there; None for nothing, and for what is no file, which is not followed."""
    if isinstance(path, ObjectPath):
        answer = client().read(path)
        return None if answer is None else answer[0]
    return _file_text(path)


def _file_text(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else read_regular(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError, NotRegular):
        return None

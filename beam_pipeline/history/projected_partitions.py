"""Histories that several days of a run read: each file is narrowed once, to what its Scan takes of it.

A narrowed file holds the columns that the Scan names, as they are stored, of the rows that its predicate keeps. It
stands in for its source in the day's statement, which stays what it is: types, -0.0 and the window are the day's.
It lies in the run's directory, is named by the content it was made from, and never changes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import duckdb

from beam_pipeline.session.scanned import Scanned
from beam_pipeline.workers.context import RunContext
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.identity import check_unchanged
from daeda.sql.handle import Deferred
from daeda.sql.scan import narrowing, reads, with_paths
from daeda.storage.input_file import InputFile

# To narrow a file costs about as much as three days save by it.
_LEAST_READERS = 4
# Of a small file, opening it is most of the work, narrowed or not.
_LEAST_BYTES = 128 << 10
# All narrowed files of a run; the disk has to have several times as much left.
_MOST_BYTES = 2 << 30
_FREE_DISK = 4
# Nothing is packed: unpacking is most of what a narrowed file saves.
_OPTIONS = "COMPRESSION uncompressed"


class Day(Protocol):
    """The day at work."""

    context: RunContext
    day: dt.date
    work: Path

    def copy(self, query: str, path: Path, options: str) -> int:
        """Run a query into a Parquet file."""

    def check(self) -> None:
        """Raise when the run is stopping."""


def narrowed(day: Day, given: Deferred, scanned: Iterable[Scanned]) -> Deferred:
    """The same rows, read from narrowed files where that pays.

    Raises DayError when a file changes while it is narrowed.
    """
    for one in scanned:
        if reads(given, one.scan.name):
            given = with_paths(given, one.scan, narrowed_files(day, one))
    return given


def narrowed_files(day: Day, scanned: Scanned) -> tuple[str, ...]:
    """What the day reads for the files that it has found: narrowed ones where that pays.

    Raises DayError when a file changes while it is narrowed.
    """
    scan, found = scanned.scan, scanned.found
    often = read_often(scan, scanned.files, day.context.days)
    directory = day.context.staging.narrowed
    if not any(path in often for path in found):
        return tuple(found)
    left = room_on_disk(directory)
    statement = narrowing(scan, "")
    chosen: list[str] = []
    for path, file in found.items():
        target = directory / _name(statement, file)
        use = path in often and file.size >= _LEAST_BYTES
        if use and not target.exists():
            use = left > 0 and _narrow(day, scan, file, target)
            left -= target.stat().st_size if use else 0
        chosen.append(str(target) if use else path)
    return tuple(chosen)


def room_on_disk(directory: Path) -> int:
    """Bytes that files of the run in this directory may take beside those that are there; 0 where the disk is short."""
    if shutil.disk_usage(directory).free < _FREE_DISK * _MOST_BYTES:
        return 0
    return _MOST_BYTES - sum(one.stat().st_size for one in directory.iterdir())


def read_often(scan: Scan, files: SourceFiles, days: Sequence[dt.date]) -> frozenset[str]:
    """Files of the partitions that enough days of the run look back on."""
    if scan.reads != "lookback" or scan.lookback is None or not files.partitioned or len(days) < _LEAST_READERS:
        return frozenset()
    ordinals = sorted(day.toordinal() for day in days)
    slack, back = scan.partition_slack, scan.lookback.days
    often: list[str] = []
    for partition, paths in files.partitions.items():
        first = partition.toordinal() - slack
        end = len(ordinals) if back is None else bisect_right(ordinals, first + 2 * slack + back)
        if end - bisect_left(ordinals, first) >= _LEAST_READERS:
            often += paths
    return frozenset(often)


def _name(statement: str, file: InputFile) -> str:
    made_from = f"{statement}\n{file.path}\n{file.version}"
    return hashlib.sha256(made_from.encode()).hexdigest() + ".parquet"


def _narrow(day: Day, scan: Scan, file: InputFile, target: Path) -> bool:
    """Write the narrowed file, unless another day is first; False where the day has to read its source.

    What DuckDB refuses of a file, or of the disk, is for the day's own statement to say: it has more to say it with.
    """
    own = day.work / target.name
    try:
        day.copy(narrowing(scan, file.path), own, _OPTIONS)
        check_unchanged([file])
        os.link(own, target)
    except FileExistsError:
        return True
    except (duckdb.Error, OSError):
        day.check()
        return False
    finally:
        own.unlink(missing_ok=True)
    return True

"""Projected partitions: files of a history, reduced once for all days of a run to what a Scan takes of them.

A projected file holds the columns that the Scan names, as they are stored, of the rows that its predicate keeps. It
stands in for its source in the day's statement, which stays what it is: types, -0.0 and the window are the day's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from beam_pipeline.history.partition_cache import PartitionCache, often_read
from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.session import DaySession
from daeda.sql.handle import Deferred
from daeda.sql.scan import narrowing, reads, with_paths

# Of a small file, opening it is most of the work, projected or not.
_LEAST_BYTES = 128 << 10
# Nothing is packed: unpacking is most of what a projected file saves.
_OPTIONS = "COMPRESSION uncompressed"


def projected(session: DaySession, given: Deferred, all_scanned: Iterable[ScannedFiles] | None = None) -> Deferred:
    """The same rows, read from projected files where that pays; `all_scanned` is what Scans read, if not all they need.

    Raises DayError when a file changes while it is projected.
    """
    for scanned in session.inputs.scanned.values() if all_scanned is None else all_scanned:
        if reads(given, scanned.scan.name):
            given = with_paths(given, scanned.scan, projected_files(session, scanned))
    return given


def projected_files(session: DaySession, scanned: ScannedFiles) -> tuple[str, ...]:
    """What the day reads for the files that a Scan needs: projected ones where that pays.

    Raises DayError when a file changes while it is projected.
    """
    scan = scanned.scan
    often = often_read(scan, scanned.view_files, session.context.days)
    if not any(path in often for path in scanned.needed):
        return tuple(scanned.needed)
    cache = PartitionCache(session)
    room = cache.room()
    statement = narrowing(scan, "")
    chosen: list[str] = []
    for path, file in scanned.needed.items():
        entry = cache.entry(statement, [file], ".parquet")
        use = path in often and file.size >= _LEAST_BYTES
        if use and not entry.exists:
            write = partial(session.resources.copy, narrowing(scan, path), options=_OPTIONS)
            use = room > 0 and cache.make(entry, write) is not None
            room -= entry.path.stat().st_size if use else 0
        chosen.append(str(entry.path) if use else path)
    return tuple(chosen)

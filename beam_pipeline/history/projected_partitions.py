"""Projected partitions: files of a history, reduced once for all days of a run to what a Scan takes of them.

A projected file holds the columns that the Scan names, as they are stored, of the rows that its predicate keeps. It
stands in for its source in the day's statement, which stays what it is: types, -0.0 and the window are the day's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from beam_pipeline.history.partition_cache import PartitionCache, often_read
from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.session import DaySession
from daeda.sql.handle import Deferred
from daeda.sql.scan import narrowing, only_scan, reads, told_by_file, with_paths

# Of a small file, opening it is most of the work, projected or not.
_LEAST_BYTES = 128 << 10
# Files of so many bytes are worth a query of their own.
_LEAST_OF_A_PART = 8 << 20
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


def projected_parts(
    session: DaySession, given: Deferred, all_scanned: Iterable[ScannedFiles], most: int
) -> Sequence[Deferred]:
    """The rows of `projected` in up to `most` queries, each over other files.

    In one, where they are not of one Scan that chooses each row by itself, or are few. Raises as `projected` does.
    """
    all_scanned = tuple(all_scanned)
    alone = next((scanned for scanned in all_scanned if only_scan(given, scanned.scan.name)), None)
    sizes = [] if alone is None else [file.size for file in alone.needed.values()]
    parts = min(most, sum(sizes) // _LEAST_OF_A_PART)
    if alone is None or parts < 2 or told_by_file(given, alone.scan, ()) is None:
        return (projected(session, given, all_scanned),)
    paths = zip(sizes, projected_files(session, alone), strict=True)
    return tuple(with_paths(given, alone.scan, part) for part in _of_like_size(paths, parts))


def _of_like_size(paths: Iterable[tuple[int, str]], parts: int) -> list[list[str]]:
    """Paths, each with its size, in so many parts, or fewer where there are fewer paths.

    >>> _of_like_size([(5, "a"), (9, "b"), (5, "c")], 2)
    [['b'], ['a', 'c']]
    """
    found: list[tuple[int, list[str]]] = [(0, []) for _ in range(parts)]
    for size, path in sorted(paths, key=lambda sized: -sized[0]):
        least = min(range(len(found)), key=lambda part: found[part][0])
        found[least] = (found[least][0] + size, [*found[least][1], path])
    return [own for _, own in found if own]


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

"""The statistics of a published day, from its parts: column by column, on all cores, some thousand rows at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.manifest import ColumnStatistics, Manifest, read_manifest
from daeda.durations import seconds_since
from daeda.errors import InputError
from daeda.process.host import probe_host
from daeda.statistics.gather import Gatherer, gatherer
from daeda.statistics.model import ColumnOfDay, DayStatistics
from daeda.storage.location import Location
from daeda.storage.objects import open_parquet

# Rows at once: of a list some dozen items each are in memory, of a vector a thousand, as doubles.
_ROWS, _ROWS_OF_LISTS, _ROWS_OF_VECTORS = 122_880, 65_536, 4_096


def statistics_of_day(directory: Location, manifest: Manifest | None = None) -> DayStatistics:
    """The statistics of the day that is published in a directory; InputError where none is."""
    found = manifest or read_manifest(directory)
    if found is None:
        raise InputError(f"{directory} holds no published day: `daeda pipeline train` builds one")
    started = time.perf_counter()
    paths = [str(directory / part.name) for part in found.parts]
    with ThreadPoolExecutor(probe_host().cores) as pool:
        columns = tuple(pool.map(lambda column: _column(column, paths), found.columns))
    seconds = round(seconds_since(started), 4)
    return DayStatistics(
        found.service, found.dataset, found.day, found.rows, parts_digest(found.parts), columns, seconds
    )


def _column(column: ColumnStatistics, paths: Iterable[str]) -> ColumnOfDay:
    gathered: Gatherer | None = None
    for path in paths:
        with open_parquet(path) as file:
            kind = file.schema_arrow.field(column.name).type
            vector = column.kind == "embedding"
            if gathered is None:
                gathered = gatherer(kind, vector=vector)
            rows = _ROWS_OF_VECTORS if vector else _ROWS_OF_LISTS if pa.types.is_nested(kind) else _ROWS
            for batch in file.iter_batches(rows, columns=[column.name], use_threads=False):
                gathered.add(batch.column(0))
    assert gathered is not None
    return ColumnOfDay(column.name, gathered.summary, column.kind, column.placeholder)

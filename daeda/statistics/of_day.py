"""The statistics of a published day, from its parts: column by column, on all cores, some thousand rows at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.manifest import ColumnStatistics, Manifest, read_manifest
from daeda.durations import seconds_since
from daeda.errors import InputError
from daeda.process.host import probe_host
from daeda.statistics.gather import Gatherer, gatherer
from daeda.statistics.model import ColumnOfDay, DayStatistics
from daeda.storage.location import Location
from daeda.storage.parquet import open_parquet

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
        # Once for all columns: each of some hundred columns would read some hundred entries of each footer.
        footers = dict(zip(paths, pool.map(_footer, paths), strict=True))
        sizes = _sizes(footers.values())
        # The greatest first, so that no core has the last of them to itself.
        greatest_first = sorted(found.columns, key=lambda column: -sizes.get(column.name, 0))
        made = {column.name: pool.submit(_column, column, footers) for column in greatest_first}
        columns = tuple(made[column.name].result() for column in found.columns)
    seconds = round(seconds_since(started), 4)
    return DayStatistics(
        found.service, found.dataset, found.day, found.rows, parts_digest(found.parts), columns, seconds
    )


def _footer(path: str) -> pq.FileMetaData:
    with open_parquet(path) as file:
        return file.metadata


def _sizes(footers: Iterable[pq.FileMetaData]) -> Counter[str]:
    """Bytes of each column that are decoded, by its name; a column of lists has its own below its name."""
    sizes: Counter[str] = Counter()
    for footer in footers:
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for place in range(group.num_columns):
                chunk = group.column(place)
                sizes[chunk.path_in_schema.partition(".")[0]] += chunk.total_uncompressed_size
    return sizes


def _column(column: ColumnStatistics, footers: Mapping[str, pq.FileMetaData]) -> ColumnOfDay:
    gathered: Gatherer | None = None
    for path, footer in footers.items():
        with open_parquet(path, footer=footer) as file:
            kind = file.schema_arrow.field(column.name).type
            vector = column.kind == "embedding"
            if gathered is None:
                gathered = gatherer(kind, vector=vector)
            rows = _ROWS_OF_VECTORS if vector else _ROWS_OF_LISTS if pa.types.is_nested(kind) else _ROWS
            for batch in file.iter_batches(rows, columns=[column.name], use_threads=False):
                gathered.add(batch.column(0))
    assert gathered is not None
    return ColumnOfDay(column.name, gathered.summary, column.kind, column.placeholder)

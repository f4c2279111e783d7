"""The second half of an import: of each day the rows of a source become one Parquet file, ordered by time and line.

Days are sorted a few million rows at a time, and DuckDB spills what does not fit. How rows are cut into groups depends
on them alone, so that the same rows give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.importing.ledger import day_key
from daeda.importing.staging import Staged, Tell, write_whole
from daeda.sql.files import file_list
from daeda.sql.streamed import stream
from daeda.storage.regular import file_digest

# Rows that are sorted at once, unless one day has more.
_MOST_SORTED = 4_000_000
# A group of rows is made of whole chunks, of at most so many rows and about so many bytes.
_CHUNK, _GROUP_ROWS, _GROUP_BYTES = 16_384, 131_072, 64 * 2**20
_BATCH = 65_536
_EPOCH = dt.date(1970, 1, 1)

# The digest of what is published of a day, empty where nothing is.
Published = Callable[[dt.date | None], str]


@dataclass(frozen=True)
class Part:
    """The rows of a source of one day. `path` is None where what is published has these very bytes."""

    rows: int
    sha256: str
    path: Path | None


def write_parts(
    connection: duckdb.DuckDBPyConnection, staged: Staged, published: Published, name: str, tell: Tell
) -> dict[dt.date | None, Part]:
    """A part for each day, below `parts` of the staging directory; those that are done already stay."""
    directory = staged.directory / "parts"
    directory.mkdir(exist_ok=True)
    found: dict[dt.date | None, Part] = {}
    left = []
    for number in sorted(staged.days, key=lambda one: (one is not None, one)):
        day = _day(number)
        done = _done(directory, day, published)
        if done is None:
            left.append(number)
        else:
            found[day] = done
    for group in _groups(staged, left):
        for day, path, rows in _written(connection, staged, group, directory):
            part = Part(rows, file_digest(path), path)
            write_whole(path.with_suffix(".json"), json.dumps({"rows": rows, "sha256": part.sha256}))
            found[day] = part
        if len(left) > len(group):
            tell(f"{name}: {len(found):,} of {len(staged.days):,} days written")
    return {day: found[day] for day in sorted(found, key=lambda one: (one is not None, one))}


def _day(number: int | None) -> dt.date | None:
    return None if number is None else _EPOCH + dt.timedelta(days=number)


def _done(directory: Path, day: dt.date | None, published: Published) -> Part | None:
    """The part that an earlier import has written, and maybe published before it was killed."""
    path = _path(directory, day)
    if not path.with_suffix(".json").exists():
        return None
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if path.exists():
        return Part(record["rows"], record["sha256"], path)
    return Part(record["rows"], record["sha256"], None) if published(day) == record["sha256"] else None


def _path(directory: Path, day: dt.date | None) -> Path:
    return directory / f"{day_key(day) or 'all'}.parquet"


def _groups(staged: Staged, days: list[int | None]) -> Iterator[list[int | None]]:
    """Neighbouring days that are sorted together."""
    group: list[int | None] = []
    rows = 0
    for day in days:
        if group and rows + staged.days[day] > _MOST_SORTED:
            yield group
            group, rows = [], 0
        group.append(day)
        rows += staged.days[day]
    if group:
        yield group


def _written(
    connection: duckdb.DuckDBPyConnection, staged: Staged, group: list[int | None], directory: Path
) -> Iterator[tuple[dt.date | None, Path, int]]:
    wanted = set(group)
    paths = [path for path in staged.blocks if wanted & staged.days_of[path].keys()]
    values = ", ".join(f"v{at}" for at in range(len(staged.columns)))
    order = "line" if staged.time is None else f"day, v{staged.time}, line"
    days = "" if staged.time is None else f"WHERE day IN ({', '.join(map(str, group))})"
    files = file_list(map(str, paths)).sql("duckdb")
    query = f"SELECT day, {values} FROM read_parquet({files}, hive_partitioning = false) {days} ORDER BY {order}"
    schema = staged.schema()
    writer: _Writer | None = None
    at: int | None = None
    for batch in stream(connection, query, _BATCH).batches:
        table = pa.table(batch)
        for number, rows in _by_day(table):
            if writer is None or number != at:
                if writer is not None:
                    yield writer.close()
                day = None if staged.time is None else _day(number)
                writer, at = _Writer(day, _path(directory, day), schema), number
            writer.add(rows)
    if writer is not None:
        yield writer.close()


def _by_day(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day of a batch, which is ordered by day."""
    start = 0
    for entry in pc.value_counts(table.column("day").combine_chunks()):
        count = entry["counts"].as_py()
        yield entry["values"].as_py(), table.slice(start, count)
        start += count


class _Writer:
    """One file; groups of rows are cut by the rows alone, and not by how they arrive."""

    def __init__(self, day: dt.date | None, path: Path, schema: pa.Schema) -> None:
        self._day, self._path, self._schema = day, path, schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._chunks: list[pa.Table] = []
        self._bytes = 0
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        """Take rows, in their order."""
        self._waiting.append(rows)
        self._rows += len(rows)
        if sum(map(len, self._waiting)) >= _CHUNK:
            waiting = pa.concat_tables(self._waiting)
            whole = len(waiting) - len(waiting) % _CHUNK
            for start in range(0, whole, _CHUNK):
                self._take(waiting.slice(start, _CHUNK))
            self._waiting = [waiting.slice(whole)]

    def _take(self, chunk: pa.Table) -> None:
        self._chunks.append(chunk)
        self._bytes += _content(chunk)
        if sum(map(len, self._chunks)) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._chunks:
            group = pa.concat_tables(self._chunks).drop_columns("day").rename_columns(self._schema.names)
            self._writer.write_table(group.cast(self._schema).combine_chunks(), row_group_size=len(group))
            self._chunks, self._bytes = [], 0

    def close(self) -> tuple[dt.date | None, Path, int]:
        """End the file; returns day, path and rows."""
        rest = pa.concat_tables(self._waiting)
        if len(rest):
            self._take(rest)
        self._flush()
        self._writer.close()
        return self._day, self._path, self._rows


def _content(table: pa.Table) -> int:
    """About how many bytes the rows have: told by them, and not by the buffers that they arrived in."""
    total: int = 8 * len(table) * table.num_columns
    for column in table.columns:
        if pa.types.is_list(column.type):
            column = pc.list_flatten(column)
            total += 8 * len(column)
        if pa.types.is_string(column.type):
            total += pc.sum(pc.binary_length(column)).as_py() or 0
    return total

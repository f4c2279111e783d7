"""A sample of the rows of files, in a table of DuckDB: all of what is small, pieces from all over of what is large."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.errors import InputError
from daeda.init_project.found_files import FileGroup
from daeda.init_project.reading import Relation
from daeda.init_project.staging import ignored, stage
from daeda.init_project.tables import MOST_ROWS

# A text file that is larger is read in pieces; a compressed one from its beginning.
WHOLE_BYTES = 64 * 2**20
_PIECES = 16
_PIECE_BYTES = 2**19


def stage_sample(group: FileGroup, names: Sequence[str], target: Path, scratch: Path) -> bool:
    """Write rows of text files to be looked at; returns whether they are not all of them."""
    files, partial = group.files, False
    if group.size > WHOLE_BYTES and _is_plain(group.files):
        pieces = scratch / f"pieces{group.files[0].suffix}"
        _write_pieces(group, pieces)
        files, partial = (pieces,), True
    return stage(group.format, files, names, target, ignored, MOST_ROWS) or partial


def sample_into(
    connection: duckdb.DuckDBPyConnection, table: str, group: FileGroup, relation: Relation, staged: Sequence[Path]
) -> bool:
    """Create a table with rows of the files, in their order; returns whether they are not all that there are."""
    if group.format == "parquet":
        return _sample_parquet(connection, table, group, relation)
    selected = ", ".join(f'{column.sql} AS "c{index}"' for index, column in enumerate(relation.columns))
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected} FROM {relation.over(staged)}")
    return False


def _is_plain(files: Sequence[Path]) -> bool:
    return all(path.suffix.lower() not in (".gz", ".zst", ".json") for path in files)


def _write_pieces(group: FileGroup, path: Path) -> None:
    """Whole lines from all over the files, behind the line of names where there is one."""
    with path.open("wb") as out:
        if group.format == "csv":
            with group.files[0].open("rb") as file:
                out.write(file.readline())
        for file_path, offset in _places(group):
            with file_path.open("rb") as file:
                file.seek(offset)
                file.readline()
                lines = file.read(_PIECE_BYTES)
                out.write(lines[: lines.rfind(b"\n") + 1])


def _places(group: FileGroup) -> Iterator[tuple[Path, int]]:
    """Files and offsets, evenly spread over all bytes, the first and the last included."""
    sizes = [path.stat().st_size for path in group.files]
    ends = list(itertools.accumulate(sizes))
    for number in range(_PIECES):
        at = number * max(0, ends[-1] - _PIECE_BYTES) // (_PIECES - 1)
        index = next(index for index, end in enumerate(ends) if at < end)
        yield group.files[index], at - (ends[index] - sizes[index])


def _sample_parquet(connection: duckdb.DuckDBPyConnection, table: str, group: FileGroup, relation: Relation) -> bool:
    """Row groups evenly spread over all files."""
    names = [column.name for column in relation.columns if column.dtype]
    groups = [(path, number, rows) for path in _spread(group.files, 64) for number, rows in _row_groups(path)]
    total, partial = sum(rows for _, _, rows in groups), len(group.files) > 64
    step = max(1, -(-total // MOST_ROWS))
    chosen = groups[::step]
    tables = []
    for path, number, _ in chosen:
        with pq.ParquetFile(path) as file:
            # Files of other days may lack a column.
            own = [name for name in names if name in file.schema_arrow.names]
            tables.append(file.read_row_group(number, columns=own).slice(0, MOST_ROWS).select(own))
    if not tables:
        raise InputError(f"{group.files[0]} has no row that can be read: name files with rows")
    rows = pa.concat_tables(tables, promote_options="permissive").slice(0, MOST_ROWS)
    connection.register("__rows", rows)
    index = {column.name: number for number, column in enumerate(relation.columns)}
    selected = ", ".join(f'{relation.columns[index[name]].sql} AS "c{index[name]}"' for name in names)
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected} FROM __rows")
    connection.unregister("__rows")
    return partial or rows.num_rows < total


def _row_groups(path: Path) -> list[tuple[int, int]]:
    with pq.ParquetFile(path) as file:
        return [(number, file.metadata.row_group(number).num_rows) for number in range(file.num_row_groups)]


def _spread(files: Sequence[Path], most: int) -> list[Path]:
    if len(files) <= most:
        return list(files)
    return [files[number * (len(files) - 1) // (most - 1)] for number in range(most)]

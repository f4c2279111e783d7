"""The first half of an import: blocks of a file become typed Parquet beside the partitions, sorted by day.

    _staging/part-events.csv/source.json              what is imported: the file, its state, its columns
                             000000.parquet           the rows of a block: v0, v1, ..., line, day
                             000000.rejected.jsonl    what is kept aside of it
                             000000.json              written last: the block is done, up to this line

An import that was killed goes on behind the last block that is done. Nothing of it is flushed to the disk: what a host
that went down may have lost is never looked at, for the host has another boot then.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dtypes import python_values
from daeda.errors import cut
from daeda.importing.blocks import Block, Rejected, Rows
from daeda.importing.columns import Column, rules_of
from daeda.importing.conversion import from_text, from_value, without_nulls
from daeda.importing.request import ImportRequest, TextRules, days_of, unit_of
from daeda.importing.spark_times import INT96, shown

DIRECTORY = "_staging"
_ROWS_OF_GROUP = 32_768
_TOLD_SECONDS = 5.0
# What another version has left in another one is read anew.
_FORMAT = 3
_EPOCH = dt.date(1970, 1, 1)
# Days after 1970 of the first and the last day that has a name.
_FIRST_DAY, _LAST_DAY = ((day - _EPOCH).days for day in (dt.date.min, dt.date.max))
# Rows of days that are not imported and named in a sentence.
_TOLD_OUTSIDE = 3
Tell = Callable[[str], None]


@dataclass
class Staged:
    """What was read of a file: its blocks, rows by day (days after 1970; None of a table without a time).

    `late` has names that its first rows have not, with their first lines. `outside` rows lie on days that are not
    imported, of which the first ones are told.
    """

    directory: Path
    columns: Sequence[Column]
    time: int | None
    rules: TextRules
    blocks: list[Path] = field(default_factory=list)
    days_of: dict[Path, dict[int | None, int]] = field(default_factory=dict)
    days: Counter[int | None] = field(default_factory=Counter)
    late: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    outside: int = 0
    told_outside: list[str] = field(default_factory=list)
    end: int = 0

    @property
    def rows(self) -> int:
        """How many rows fit."""
        return self.days.total()

    def schema(self) -> pa.Schema:
        """The schema of the partitions."""
        return pa.schema([(column.name, column.dtype.arrow()) for column in self.columns])

    def rejections(self) -> Iterator[str]:
        """The rows that are kept aside, as lines of JSON, in the order of the file."""
        for path in self.blocks:
            aside = path.with_suffix(".rejected.jsonl")
            if aside.exists():
                with aside.open(encoding="utf-8") as file:
                    yield from file

    def add(self, path: Path, record: dict[str, Any]) -> None:
        """Take a block that is done."""
        days = {None if key == "" else int(key): count for key, count in record["days"].items()}
        self.blocks.append(path)
        self.days_of[path] = days
        self.days.update(days)
        self.late = {**record["late"], **self.late}
        self.rejected += record["rejected"]
        self.outside += record["outside"]
        self.told_outside = [*self.told_outside, *record["told_outside"]][:_TOLD_OUTSIDE]
        self.end = record["end"]


def stage(
    connection: duckdb.DuckDBPyConnection, request: ImportRequest, rows: Rows, columns: Sequence[Column],
    directory: Path, state: dict[str, object], name: str, tell: Tell,
) -> Staged:  # fmt: skip
    """Read a file into its directory, from where an earlier import of the same file stopped."""
    time_at = next((at for at, column in enumerate(columns) if column.name == request.timestamp_field), None)
    staged = Staged(directory, columns, time_at, rules_of(request, rows))
    typed = [{**asdict(column), "dtype": column.dtype.name} for column in columns]
    _prepare(directory, {**state, "format": _FORMAT, "boot": _boot(), "columns": typed})
    while (done := directory / f"{len(staged.blocks):06}.json").exists():
        staged.add(done.with_suffix(".parquet"), json.loads(done.read_text(encoding="utf-8")))
    if staged.end:
        tell(f"{name}: goes on behind line {staged.end:,}, where an earlier import was stopped")
    told = time.monotonic()
    lists = [column.dtype.item is not None for column in columns]
    for block in rows.blocks([column.place for column in columns], lists, staged.end):
        if len(block.lines) or block.rejected:
            _write(connection, request, block, staged, directory / f"{len(staged.blocks):06}.parquet")
        if time.monotonic() - told > _TOLD_SECONDS:
            told = time.monotonic()
            tell(f"{name}: {staged.rows:,} rows read ({block.share:.0%} of the file)")
    return staged


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all, whatever ends this process."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _boot() -> str:
    """What tells this boot of the host from others; nothing where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _prepare(directory: Path, state: dict[str, object]) -> None:
    """Keep what an import of the same file in the same way has left, and nothing else."""
    text, marker = json.dumps(state, sort_keys=True), directory / "source.json"
    if marker.exists() and marker.read_text(encoding="utf-8") == text:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    write_whole(marker, text)


def _write(
    connection: duckdb.DuckDBPyConnection, request: ImportRequest, block: Block, staged: Staged, path: Path
) -> None:
    table, rejected, outside = _converted(connection, request, block, staged)
    days = table.column("day")
    if not pc.all(pc.less_equal(days[:-1], days[1:])).as_py():
        table = table.take(pc.sort_indices(days))
    pq.write_table(table, path, row_group_size=_ROWS_OF_GROUP, compression="lz4")
    if rejected:
        text = "".join(f"{one.record()}\n" for one in rejected)
        write_whole(path.with_suffix(".rejected.jsonl"), text)
    counts = {str(one["values"]): one["counts"] for one in pc.value_counts(days).to_pylist()}
    if staged.time is None:
        counts = {"": len(table)} if len(table) else {}
    record: dict[str, Any] = {
        "end": block.end, "rejected": len(rejected), "days": counts, "late": dict(block.late),
        "outside": len(outside), "told_outside": outside[:_TOLD_OUTSIDE],
    }  # fmt: skip
    write_whole(path.with_suffix(".json"), json.dumps(record))
    staged.add(path, record)


def _converted(
    connection: duckdb.DuckDBPyConnection, request: ImportRequest, block: Block, staged: Staged
) -> tuple[pa.Table, list[Rejected], list[str]]:
    """The rows of a block in their types, with line and day, those that are kept aside, and the days of some of these.

    Those are days that are not imported, each with its line.
    """
    columns = staged.columns
    connection.register(
        "block", pa.table([*block.columns, block.lines], names=[*(f"c{at}" for at in range(len(columns))), "line"])
    )
    found = connection.execute(_sql(request, staged)).to_arrow_table()
    connection.unregister("block")
    values = [found.column(f"v{at}").combine_chunks().cast(column.dtype.arrow()) for at, column in enumerate(columns)]
    wrong = [found.column(f"b{at}") for at in range(len(columns))]
    days = _days(request, staged, values)
    first, last = days_of(request.rules)
    good = days.is_valid()
    if staged.time is not None:
        imported = pc.and_(pc.greater_equal(days, (first - _EPOCH).days), pc.less_equal(days, (last - _EPOCH).days))
        good = pc.fill_null(imported, False)
    for flags in wrong:
        good = pc.and_(good, pc.invert(flags))
    rejected, outside = list(block.rejected), list[str]()
    for row in pc.indices_nonzero(pc.invert(good)).to_pylist():
        cells = {column.name: _cell(block, at, row, column) for at, column in enumerate(columns)}
        told = [
            f"{column.name}: {cut(cells[column.name], 40)!r} is no {column.dtype}"
            for column, flags in zip(columns, wrong, strict=True)
            if flags[row].as_py()
        ]
        line, number = block.lines[row].as_py(), days[row].as_py()
        if not told and number is not None:
            day = _EPOCH + dt.timedelta(days=number)
            told = [
                f"its day {day} lies outside of {first}..{last}, the days that are imported (--days of daeda import)"
            ]
            outside.append(f"{day} (line {line:,})")
        elif not told:
            assert staged.time is not None
            told = [_no_day(values[staged.time], row)]
        rejected.append(Rejected(line, "; ".join(told), cells))
    rejected.sort(key=lambda one: one.line)
    table = pa.table([*values, block.lines, days], names=[*(f"v{at}" for at in range(len(columns))), "line", "day"])
    return table.filter(good), rejected, outside


def _cell(block: Block, at: int, row: int, column: Column) -> object:
    cell: object = python_values(block.columns[at].slice(row, 1))[0]
    return shown(**cell) if column.given == INT96 and isinstance(cell, dict) else cell


def _sql(request: ImportRequest, staged: Staged) -> str:
    """For each column its value, and whether what stands in the file is something else."""
    columns, rules = staged.columns, staged.rules
    texts, values, wrong = [], [], []
    for at, column in enumerate(columns):
        unit = request.timestamp_unit if column.name == request.timestamp_field else None
        if column.given:
            texts.append(f"c{at} AS n{at}")
            values.append(f"{from_value(f'n{at}', column.dtype, column.given, unit)} AS v{at}")
        elif column.dtype.item is not None:
            texts.append(f"c{at} AS n{at}")
            values.append(f"{from_text(f'n{at}', column.dtype, rules)} AS v{at}")
        else:
            texts.append(f"{without_nulls(f'c{at}', column.dtype, rules.nulls)} AS n{at}")
            values.append(f"{from_text(f'n{at}', column.dtype, rules, unit)} AS v{at}")
        if column.dtype.item is not None and not column.given:
            count = f"len(list_filter(%s{at}, lambda item: item IS NOT NULL))"
            wrong.append(f"coalesce({count % 'n'} <> {count % 'v'}, false) AS b{at}")
        else:
            wrong.append(f"(n{at} IS NOT NULL AND v{at} IS NULL) AS b{at}")
    inner = f"SELECT {', '.join(texts)} FROM block"
    middle = f"SELECT *, {', '.join(values)} FROM ({inner})"
    return f"SELECT * EXCLUDE ({', '.join(f'n{at}' for at in range(len(columns)))}), {', '.join(wrong)} FROM ({middle})"


def _days(request: ImportRequest, staged: Staged, values: Sequence[pa.Array]) -> pa.Array:
    """The day of each row in days after 1970, NULL where it has none."""
    if staged.time is None:
        return pa.array([0] * len(values[0]), pa.int64())
    dtype, times = staged.columns[staged.time].dtype, values[staged.time]
    if dtype.name == "date":
        numbers = times.cast(pa.int32()).cast(pa.int64())
    else:
        per_day = unit_of(dtype, request.timestamp_unit).per_day
        numbers = _floor_divide(_signed(times), per_day)
    named = pc.and_(pc.greater_equal(numbers, _FIRST_DAY), pc.less_equal(numbers, _LAST_DAY))
    return pc.if_else(named, numbers, None)


def _no_day(times: pa.Array, row: int) -> str:
    if not times[row].is_valid:
        return "no timestamp"
    return f"its time lies outside of the years 1 to 9999{', or of int64' if times.type == pa.uint64() else ''}"


def _signed(times: pa.Array) -> pa.Array:
    """Times as int64; what no int64 is has no day.

    >>> _signed(pa.array([5, 2**64 - 1], pa.uint64())).to_pylist()
    [5, None]
    """
    if times.type == pa.uint64():
        times = pc.if_else(pc.less(times, pa.scalar(2**63, pa.uint64())), times, None)
    return times.cast(pa.int64())


def _floor_divide(numbers: pa.Array, by: int) -> pa.Array:
    """Whole quotients, rounded down.

    >>> _floor_divide(pa.array([-1, 0, 9, None]), 5)[0].as_py()
    -1
    """
    quotients = pc.divide(numbers, by)
    below = pc.and_(pc.less(numbers, 0), pc.not_equal(pc.multiply(quotients, by), numbers))
    return pc.subtract(quotients, below.cast(pa.int64()))

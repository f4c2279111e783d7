"""What can happen to the inputs of a run between its checks and a day, and what must come of it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

EVENTS = "events/dt=2024-01-03/part-0.parquet"
PRICES = "prices/dt=2024-01-03/part-0.parquet"
ITEMS = "items.parquet"
NANOSECOND = pa.scalar(1, pa.duration("ns"))


@dataclass(frozen=True)
class Change:
    """`strike` changes the data below a directory; `told` is what the day must say, None where it may be built.

    `{data}` in `told` stands for the directory.
    """

    name: str
    strike: Callable[[Path], None]
    told: str | None = None


def table(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def write(rows: pa.Table, path: Path, **options: Any) -> None:
    """Another file in the place of this one, as most writers put it there."""
    fresh = path.with_name(f".{path.name}.fresh")
    pq.write_table(rows, fresh, **options)
    fresh.replace(path)


def with_column(path: Path, name: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray | pa.Array]) -> pa.Table:
    rows = table(path)
    return rows.set_column(rows.column_names.index(name), name, change(rows.column(name)))


def moved(times: pa.ChunkedArray, days: int) -> pa.ChunkedArray:
    return pc.add(times, pa.scalar(dt.timedelta(days=days), pa.duration("us"))).cast(times.type)


def rewritten(name: str, column: str, change: Callable[[pa.ChunkedArray], Any]) -> Callable[[Path], None]:
    """A strike that changes a column of a file."""
    return lambda data: write(with_column(data / name, column, change), data / name)


def same_look(data: Path) -> None:
    """Other rows of the same size and mtime: what a copy that keeps times brings."""
    path = data / EVENTS
    before, content = path.stat(), path.read_bytes()
    fresh = path.with_name("fresh")
    fresh.write_bytes(content.replace(struct.pack("<d", 4.0), struct.pack("<d", 5.0)))
    assert fresh.read_bytes() != content
    fresh.replace(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def halved(data: Path) -> None:
    os.truncate(data / EVENTS, (data / EVENTS).stat().st_size // 2)


def longer(data: Path) -> None:
    with (data / EVENTS).open("ab") as file:
        file.write(b"more")


def swapped(data: Path) -> None:
    """Two partitions take each other's file."""
    first, second = data / EVENTS, data / EVENTS.replace("-03/", "-04/")
    aside = data / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def another_file(days: int) -> Callable[[Path], None]:
    def strike(data: Path) -> None:
        rows = with_column(data / EVENTS, "event_timestamp", lambda times: moved(times, days))
        pq.write_table(rows, (data / EVENTS).with_name("part-1.parquet"))

    return strike


def another_partition(data: Path) -> None:
    """Prices of the day before the first one that has any; `missing_partitions: empty` did without."""
    rows = with_column(data / PRICES, "event_timestamp", lambda times: moved(times, 1))
    path = data / PRICES.replace("-03/", "-04/")
    path.parent.mkdir()
    pq.write_table(rows, path)


def int96(data: Path) -> None:
    write(table(data / EVENTS), data / EVENTS, use_deprecated_int96_timestamps=True)


def int96_below_microseconds(data: Path) -> None:
    rows = with_column(data / EVENTS, "event_timestamp", lambda times: pc.add(times.cast("timestamp[ns]"), NANOSECOND))
    write(rows, data / EVENTS, use_deprecated_int96_timestamps=True)


def case_twins(data: Path) -> None:
    rows = table(data / EVENTS)
    place = rows.column_names.index("amount")
    write(rows.add_column(place, "Amount", pc.add(rows.column("amount"), 100.0)), data / EVENTS)


def doubled_keys(data: Path) -> None:
    write(pa.concat_tables([table(data / ITEMS)] * 2), data / ITEMS)


def some_without_time(times: pa.ChunkedArray) -> pa.Array:
    return pa.array([None, *times.to_pylist()[1:]], times.type)


CHANGES = (
    # What the checks look at.
    Change(
        "rows of another day",
        rewritten(EVENTS, "event_timestamp", lambda times: moved(times, 1)),
        "view 'events': {data}/events/dt=2024-01-03/part-0.parquet has rows outside of 2024-01-03",
    ),
    Change(
        "rows without a time",
        rewritten(EVENTS, "event_timestamp", some_without_time),
        "view 'events': {data}/events/dt=2024-01-03/part-0.parquet has 1 row without 'event_timestamp', which belong "
        "to no day: repair them, or say source.null_timestamps: drop",
    ),
    Change(
        "a column is missing",
        lambda data: write(table(data / EVENTS).drop_columns(["amount"]), data / EVENTS),
        "view 'events': {data}/events/dt=2024-01-03/part-0.parquet has no column 'amount'",
    ),
    Change(
        "another type",
        rewritten(EVENTS, "amount", lambda amounts: amounts.cast("float")),
        "view 'events': in {data}/events/dt=2024-01-03/part-0.parquet the column 'amount' is float, and the view "
        "declares double: correct the view or the file",
    ),
    Change("INT96 that says more", int96_below_microseconds, "{data}/events/dt=2024-01-03/part-0.parquet"),
    Change("a name twice but for its case", case_twins, "has the columns 'Amount' and 'amount'"),
    Change(
        "another type of a look-up",
        rewritten(PRICES, "price", lambda prices: prices.cast("float")),
        "view 'prices': in {data}/prices/dt=2024-01-03/part-0.parquet the column 'price' is float",
    ),
    Change(
        "rows of another day in a look-up",
        rewritten(PRICES, "event_timestamp", lambda times: moved(times, -1)),
        "view 'prices': {data}/prices/dt=2024-01-03/part-0.parquet has rows outside of 2024-01-03",
    ),
    Change(
        "another type of a static table",
        rewritten(ITEMS, "category", lambda names: pa.array([1] * len(names), "int64")),
        "view 'items': in {data}/items.parquet the column 'category' is int64",
    ),
    Change("a key is there twice", doubled_keys, "the right side has 2 rows with item_id = 10"),
    Change("truncated", halved, "{data}/events/dt=2024-01-03/part-0.parquet is not a readable Parquet file"),
    Change("appended to", longer, "{data}/events/dt=2024-01-03/part-0.parquet is not a readable Parquet file"),
    Change("two partitions swapped", swapped, "has rows outside of 2024-01-0"),
    # What comes, goes, or is called otherwise.
    Change(
        "removed",
        lambda data: (data / EVENTS).unlink(),
        "{data}/events/dt=2024-01-03/part-0.parquet vanished after the run had begun: run again when the input is "
        "complete",
    ),
    Change(
        "the partition is removed",
        lambda data: shutil.rmtree((data / EVENTS).parent),
        "{data}/events/dt=2024-01-03/part-0.parquet vanished after the run had begun",
    ),
    Change(
        "a partition that may be missing is removed",
        lambda data: shutil.rmtree((data / PRICES).parent),
        "{data}/prices/dt=2024-01-03/part-0.parquet vanished after the run had begun",
    ),
    Change(
        "renamed",
        lambda data: (data / EVENTS).rename((data / EVENTS).with_name("x.parquet")) and None,
        "{data}/events/dt=2024-01-03/part-0.parquet vanished after the run had begun",
    ),
    Change(
        "a static table is removed",
        lambda data: (data / ITEMS).unlink(),
        "view 'items': {data}/items.parquet does not exist",
    ),
    Change(
        "a new file with rows of another day",
        another_file(1),
        "view 'events': {data}/events/dt=2024-01-03/part-1.parquet has rows outside of 2024-01-03",
    ),
    Change(
        "a directory in a partition",
        lambda data: write_below(data / EVENTS),
        "{data}/events/dt=2024-01-03/country=NO",
    ),
    Change("a directory in the place of a file", lambda data: _directory(data / EVENTS), "part-0.parquet"),
    Change("a FIFO in the place of a file", lambda data: _fifo(data / EVENTS), "part-0.parquet"),
    # What a day may be built from: it is as if the change had come before the run.
    Change("INT96", int96),
    Change("a new file", another_file(0)),
    Change("a new partition", another_partition),
    Change("other rows", rewritten(EVENTS, "amount", lambda amounts: pc.multiply(amounts, 2.0))),
    Change("other rows of the same size and mtime", same_look),
    Change("other rows of a static table", rewritten(ITEMS, "category", lambda names: pc.utf8_upper(names))),
    Change("other rows of a look-up", rewritten(PRICES, "price", lambda prices: pc.multiply(prices, 2.0))),
    Change("touched", lambda data: os.utime(data / EVENTS)),
    Change("other permissions", lambda data: (data / EVENTS).chmod(0o600)),
    Change("put back", lambda data: write(table(data / EVENTS), data / EVENTS)),
    Change("a file that is known to be none", lambda data: (data / EVENTS).with_name("_SUCCESS").touch()),
)


def write_below(path: Path) -> None:
    below = path.with_name("country=NO") / path.name
    below.parent.mkdir()
    shutil.copy(path, below)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)

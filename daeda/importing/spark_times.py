"""Times that Parquet stores as INT96, as Spark writes them: nanoseconds of a day of any year.

No unit of Arrow holds all of them: microseconds cut three digits, and nanoseconds reach from 1677 to 2262, beyond which
they come around again. They are read as seconds, which hold every day that INT96 has, and once more as nanoseconds,
whose difference to those is the fraction whatever came around. So they stay whole on the way to their type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.errors import InputError, first_line

# What a column of such times is called among the types of a file.
INT96 = "int96"
# Seconds after 1970, and nanoseconds after that.
KIND = pa.struct([("seconds", pa.int64()), ("nanoseconds", pa.int64())])
_BATCH = 131_072


def int96_names(file: pq.ParquetFile) -> frozenset[str]:
    """The columns of a file that are such times, or hold them."""
    leaves = (file.schema.column(number) for number in range(len(file.schema.names)))
    return frozenset(leaf.path.split(".")[0] for leaf in leaves if str(leaf.physical_type) == "INT96")


class SparkTimes:
    """The times of some columns of a file, read beside its other columns."""

    def __init__(self, path: Path, names: Sequence[str], groups: Sequence[int], batch: int = _BATCH) -> None:
        self._names = names
        self._readers = [
            _Taken(pq.ParquetFile(path, coerce_int96_timestamp_unit=unit), names, groups, batch) for unit in ("s", "ns")
        ]

    def take(self, rows: int) -> dict[str, pa.StructArray]:
        """The times of the next rows by column; NULL stands for what is NULL."""
        seconds, nanoseconds = (reader.take(rows) for reader in self._readers)
        return {
            name: _split(seconds.column(name).combine_chunks(), nanoseconds.column(name).combine_chunks())
            for name in self._names
        }


class _Taken:
    """A reader of batches that gives as many rows as are asked for."""

    def __init__(self, file: pq.ParquetFile, names: Sequence[str], groups: Sequence[int], batch: int) -> None:
        self._batches: Iterator[pa.RecordBatch] = file.iter_batches(batch, list(groups), columns=list(names))
        self._waiting: list[pa.RecordBatch] = []

    def take(self, rows: int) -> pa.Table:
        found, left = [], rows
        while left:
            batch = self._waiting.pop() if self._waiting else next(self._batches)
            found.append(batch.slice(0, left))
            if len(batch) > left:
                self._waiting.append(batch.slice(left))
            left -= len(found[-1])
        return pa.Table.from_batches(found)


def _split(seconds: pa.Array, nanoseconds: pa.Array) -> pa.StructArray:
    """Both halves of the times, of which those in nanoseconds may have come around.

    >>> far = 253_402_300_799  # the last second of 9999
    >>> _split(pa.array([far, None]), pa.array([(far * 10**9 + 7 + 2**63) % 2**64 - 2**63, None])).to_pylist()
    [{'seconds': 253402300799, 'nanoseconds': 7}, None]
    """
    whole, fine = (
        pc.fill_null(half.cast(pa.int64()), 0).to_numpy(zero_copy_only=False) for half in (seconds, nanoseconds)
    )
    fraction = (fine.view(np.uint64) - whole.view(np.uint64) * np.uint64(1_000_000_000)).view(np.int64)
    halves = [pa.array(whole), pa.array(fraction)]
    return pa.StructArray.from_arrays(halves, fields=list(KIND), mask=seconds.is_null())


def finest(path: Path, name: str) -> str:
    """The type that times of a column are written in: nanoseconds where one has digits below the microsecond.

    It is asked of all rows, for a footer does not tell it.
    """
    try:
        footer = pq.read_metadata(path)
        times, left = SparkTimes(path, [name], range(footer.num_row_groups)), footer.num_rows
        while left:
            count = min(left, _BATCH)
            fractions = times.take(count)[name].field("nanoseconds").to_numpy(zero_copy_only=False)
            if np.any(fractions % 1000):
                return "timestamp[ns]"
            left -= count
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    return "timestamp[us]"


def unreadable(path: Path, error: Exception) -> InputError:
    """What is said of a file that has a footer, and of which not all can be read."""
    return InputError(f"{path}: it cannot be read to its end ({first_line(error)})")


def shown(seconds: int, nanoseconds: int) -> str:
    """A time as people read it.

    >>> shown(-1, 999_999_999), shown(10**15, 0)
    ('1969-12-31 23:59:59.999999999', '1000000000000000 seconds after 1970')
    """
    try:
        text = str(np.datetime64(seconds, "s").item().isoformat(" "))
    except (AttributeError, OverflowError, ValueError):
        return f"{seconds} seconds after 1970"
    return f"{text}.{nanoseconds:09}" if nanoseconds else text

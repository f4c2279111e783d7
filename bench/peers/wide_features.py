"""The thousand features of bench/workloads/wide.py, written by hand, and written as durably as daeda writes a day.

    python -m bench.peers.wide_features pyarrow|duckdb DATA OUT ROUNDS THREADS WINDOWS

DATA holds wide/ev4.parquet and wide/sp4.parquet. The way is that of the quickest reference script: the pairs of a spine
row and an event of its longest window are written out once and counted by row, day and category; windows are running
sums over the days. The file has zstd of the level that daeda's has, is flushed to the disk, and is digested.

A user and a time are packed in one integer, and sums of integers are of doubles: right for these files.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.peers.script import report

Ints = npt.NDArray[np.int64]
_DAY = 86_400_000
_SHIFT = 42
_CATEGORIES = 12
_KINDS = 1 + 2 * _CATEGORIES
# What DuckDB packs with, if nothing else is said.
_LEVEL = 3


def compute(spine: dict[str, Ints], events: dict[str, Ints], windows: int) -> pa.Table:
    """All features of the spine, in its order."""
    packed = (events["user_id"] << _SHIFT) + events["t"]
    order = np.argsort(packed, kind="stable")
    packed, time = packed[order], events["t"][order]
    category, amount = events["cat"][order], events["amount"][order]
    probe = (spine["user_id"] << _SHIFT) + spine["t"]
    # Searches run over sorted probes, which the cache likes.
    by_user, rows = np.argsort(probe), len(probe)
    first, end = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    end[by_user] = np.searchsorted(packed, probe[by_user])
    first[by_user] = np.searchsorted(packed, probe[by_user] - windows * _DAY)
    length = end - first
    row = np.repeat(np.arange(rows), length)
    event = np.arange(length.sum()) + np.repeat(first - (np.cumsum(length) - length), length)
    place = (row * windows + (spine["t"][row] - time[event] - 1) // _DAY) * _CATEGORIES + category[event]
    cube = np.empty((rows, windows, _KINDS), dtype=np.int64)
    shape, least = (rows, windows, _CATEGORIES), rows * windows * _CATEGORIES
    cube[:, :, 1 : 1 + _CATEGORIES] = np.bincount(place, minlength=least).reshape(shape)
    cube[:, :, 1 + _CATEGORIES :] = np.bincount(place, amount[event], minlength=least).reshape(shape)
    cube[:, :, 0] = cube[:, :, 1 : 1 + _CATEGORIES].sum(axis=2)
    np.cumsum(cube, axis=1, out=cube)
    features = np.ascontiguousarray(cube.reshape(rows, -1).T)
    names = [f"{kind}_{day}d" for day in range(1, windows + 1) for kind in _kinds()]
    made = {name: pa.array(values) for name, values in zip(names, features, strict=True)}
    return pa.table({**{name: pa.array(spine[name]) for name in ("rid", "user_id", "t")}, **made})


def _kinds() -> list[str]:
    return ["n", *(f"n{number}" for number in range(_CATEGORIES)), *(f"s{number}" for number in range(_CATEGORIES))]


def by_pyarrow(answer: pa.Table, out: str, threads: int) -> None:
    pa.set_cpu_count(threads)
    pq.write_table(answer, out, compression="zstd", compression_level=_LEVEL)


def by_duckdb(answer: pa.Table, out: str, threads: int) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        connection.register("answer", answer)
        connection.execute(f"COPY (FROM answer) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")


def durably(path: str) -> str:
    """Flush a file to the disk; returns its digest."""
    with open(path, "rb") as file:  # noqa: PTH123 - as such a script would
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


_WRITERS: dict[str, Callable[[pa.Table, str, int], None]] = {"pyarrow": by_pyarrow, "duckdb": by_duckdb}


def main(way: str, data: str, out: str, rounds: str, threads: str, windows: str) -> None:
    def once() -> None:
        spine, events = (_read(Path(data) / "wide" / name) for name in ("sp4.parquet", "ev4.parquet"))
        _WRITERS[way](compute(spine, events, int(windows)), out, int(threads))
        durably(out)

    report(once, int(rounds))


def _read(path: Path) -> dict[str, Ints]:
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


if __name__ == "__main__":
    main(*sys.argv[1:])

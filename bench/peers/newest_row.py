"""The newest row of a user at or before a time, written by hand: one sort, one search.

    python -m bench.peers.newest_row duckdb|polars DATA OUT ROUNDS THREADS

DATA holds pit/sp.parquet and pit/ev.parquet. A user and a time are packed in one integer (user * 2^43 + seconds), which
is right for these files, whose times are whole minutes. Of several rows at one time the last one created counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.peers.script import report

_SHIFT = 43
_EVENTS = ("user_id", "ts", "created", "amount")


def compute(spine: dict[str, npt.NDArray[np.int64]], events: dict[str, npt.NDArray[np.int64]]) -> pa.Table:
    """Rows of the spine in the order of time and user; times are seconds, `created` microseconds."""
    order = np.lexsort((events["created"], events["ts"], events["user_id"]))
    key = ((events["user_id"] << _SHIFT) + events["ts"])[order]
    row = np.lexsort((spine["user_id"], spine["ts"]))
    user, time = spine["user_id"][row], spine["ts"][row]
    at = np.searchsorted(key, (user << _SHIFT) + time, side="right") - 1
    found = (at >= 0) & (key[at] >> _SHIFT == user)
    times = pa.array(time * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
    amount = pa.array(events["amount"][order][at], mask=~found)
    return pa.table({"rid": spine["rid"][row], "user_id": user, "ts": times, "amount": amount})


def duckdb_io(data: Path, out: str, threads: int) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        read = "user_id, epoch(ts)::BIGINT AS ts"
        spine = connection.execute(f"SELECT rid, {read} FROM '{data}/sp.parquet'").fetchnumpy()
        query = f"SELECT {read}, epoch_us(created) AS created, amount FROM '{data}/ev.parquet'"
        events = connection.execute(query).fetchnumpy()
        answer = compute(*({name: np.asarray(table[name]) for name in table} for table in (spine, events)))
        connection.register("answer", answer)
        connection.execute(f"COPY (FROM answer) TO '{out}' (FORMAT parquet)")


def polars_io(data: Path, out: str, threads: int) -> None:
    import polars as pl

    seconds = pl.col("ts").cast(pl.Int64) // 1_000_000
    spine = pl.read_parquet(data / "sp.parquet").with_columns(ts=seconds)
    created = pl.col("created").cast(pl.Int64)
    events = pl.read_parquet(data / "ev.parquet", columns=list(_EVENTS)).with_columns(ts=seconds, created=created)
    answer = compute(*({name: table[name].to_numpy() for name in table.columns} for table in (spine, events)))
    pl.DataFrame(answer).write_parquet(out, compression="snappy")


_WAYS = {"duckdb": duckdb_io, "polars": polars_io}


def main(way: str, data: str, out: str, rounds: str, threads: str) -> None:
    report(lambda: _WAYS[way](Path(data) / "pit", out, int(threads)), int(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The five features of bench/workloads/five_features.py, written by hand: one read, one sort, bounds by search.

    python -m bench.peers.five_features duckdb|polars|pyarrow DATA OUT ROUNDS THREADS

DATA holds ev/dt=.../part-0-0.parquet and levels.parquet. The rows of the last day come out, ordered by time and user,
with user_id, event_timestamp, level, newest, distinct, count_1d, count_7d, sum_1d, sum_7d.

A user and a time are packed in one integer (user * 2^42 + milliseconds), which is right for the ids of this feed. Sums
of doubles are differences of prefix sums in extended precision: good to about 1e-12, and wrong once there is a NaN.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.peers.script import report

Ints = npt.NDArray[np.int64]
_DAY = 86_400_000
_SHIFT = 42
_LENGTH = 32
_COLUMNS = ("user_id", "event_timestamp", "artwork_id", "aes_score")


@dataclass(frozen=True)
class Loaded:
    """Columns of the events, of the spine (the events of the last day), and of the levels."""

    user: Ints
    time: Ints
    artwork: Ints
    score: npt.NDArray[np.float64]
    like: npt.NDArray[np.bool_]
    spine_user: Ints
    spine_time: Ints
    level_user: Ints
    level_time: Ints
    level: Ints


def compute(data: Loaded) -> pa.Table:
    """All features of the spine, in the order of time and user."""
    order = np.lexsort((data.spine_user, data.spine_time))
    user, time = data.spine_user[order], data.spine_time[order]
    # Searches run over sorted probes, which the cache likes; `place` puts their answers back.
    probe = (user << _SHIFT) + time
    by_user = np.argsort(probe)
    probe = probe[by_user]
    place = np.empty(len(by_user), dtype=np.int64)
    place[by_user] = np.arange(len(by_user))

    key = (data.user << _SHIFT) + data.time
    sort = np.argsort(key)
    key = key[sort]
    high = np.searchsorted(key, probe)
    lows = {window: np.searchsorted(key, probe - window * _DAY) for window in (1, 7)}
    sums = np.concatenate([[0], np.cumsum(data.score[sort].astype(np.longdouble))])
    made: dict[str, pa.Array] = {}
    for window, low in lows.items():
        made[f"count_{window}d"] = pa.array((high - low)[place])
        empty = (high == low)[place]
        made[f"sum_{window}d"] = pa.array((sums[high] - sums[low]).astype(np.float64)[place], mask=empty)

    liked = np.flatnonzero(data.like)
    liked = liked[np.lexsort((data.artwork[liked], data.time[liked], data.user[liked]))]
    like_key, artwork = (data.user[liked] << _SHIFT) + data.time[liked], data.artwork[liked]
    high = np.searchsorted(like_key, probe)[place]
    low = np.searchsorted(like_key, probe - 7 * _DAY)[place]
    made["newest"] = _newest(artwork, low, high)
    made["distinct"] = _distinct(data.user[liked], artwork, low, high)
    made["level"] = _level(data, probe, place)
    columns = ("level", "newest", "distinct", "count_1d", "count_7d", "sum_1d", "sum_7d")
    return pa.table({"user_id": user, "event_timestamp": time, **{name: made[name] for name in columns}})


def _newest(artwork: Ints, low: Ints, high: Ints) -> pa.Array:
    length = np.minimum(high - low, _LENGTH)
    offsets = np.concatenate([[0], np.cumsum(length)])
    items = np.repeat(high - 1 + offsets[:-1], length) - np.arange(offsets[-1])
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(artwork[items]))


def _distinct(user: Ints, artwork: Ints, low: Ints, high: Ints) -> pa.Array:
    """An item is the newest of its kind in a window exactly when the next of its kind lies behind the window."""
    by_kind = np.lexsort((np.arange(len(user)), artwork, user))
    same = (user[by_kind][1:] == user[by_kind][:-1]) & (artwork[by_kind][1:] == artwork[by_kind][:-1])
    following = np.full(len(user), len(user))
    following[by_kind[:-1][same]] = by_kind[1:][same]
    length = high - low
    offsets = np.concatenate([[0], np.cumsum(length)])
    row = np.repeat(np.arange(len(low), dtype=np.int32), length)
    items = np.repeat(high - 1 + offsets[:-1], length) - np.arange(offsets[-1])
    keep = following[items] >= high[row]
    kept = np.concatenate([[0], np.cumsum(keep)])
    keep &= (kept[1:] - kept[offsets[:-1]][row]) <= _LENGTH
    counts = np.bincount(row[keep], minlength=len(low))
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(artwork[items[keep]]))


def _level(data: Loaded, probe: Ints, place: Ints) -> pa.Array:
    """The newest level strictly before; of several at one time, the greatest."""
    order = np.lexsort((data.level, data.level_time, data.level_user))
    key = (data.level_user[order] << _SHIFT) + data.level_time[order]
    at = (np.searchsorted(key, probe) - 1)[place]
    found = (at >= 0) & (key[at] >> _SHIFT == (probe >> _SHIFT)[place])
    return pa.array(data.level[order][at], mask=~found)


def duckdb_io(files: list[str], levels: str, out: str, threads: int) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        names = ", ".join(_COLUMNS)
        query = f"SELECT {names}, event = 'like' AS is_like FROM read_parquet($files, hive_partitioning = false)"
        events = connection.execute(query, {"files": files}).fetchnumpy()
        rows = connection.execute("SELECT num_rows FROM parquet_file_metadata($1)", [files[-1]]).fetchall()[0][0]
        level = connection.execute("SELECT user_id, updated_at, level FROM read_parquet($1)", [levels]).fetchnumpy()
        connection.register("answer", compute(_loaded(events, level, rows)))
        connection.execute(f"COPY (FROM answer) TO '{out}' (FORMAT parquet)")


def polars_io(files: list[str], levels: str, out: str, threads: int) -> None:
    import polars as pl

    events = (
        pl.scan_parquet(files, hive_partitioning=False).select(*_COLUMNS, is_like=pl.col("event") == "like").collect()
    )
    rows = pl.scan_parquet(files[-1], hive_partitioning=False).select(pl.len()).collect().item()
    level = pl.read_parquet(levels)
    arrays = {name: events[name].to_numpy() for name in events.columns}
    table = compute(_loaded(arrays, {name: level[name].to_numpy() for name in level.columns}, rows))
    pl.DataFrame(table).write_parquet(out, compression="snappy")


def pyarrow_io(files: list[str], levels: str, out: str, threads: int) -> None:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    pa.set_cpu_count(threads)
    table = ds.dataset(files).to_table(columns=[*_COLUMNS, "event"])
    events = {name: table[name].to_numpy() for name in _COLUMNS}
    events["is_like"] = pc.equal(table["event"], "like").to_numpy()
    level = pq.read_table(levels)
    arrays = {name: level[name].to_numpy() for name in level.column_names}
    answer = compute(_loaded(events, arrays, pq.read_metadata(files[-1]).num_rows))
    pq.write_table(answer, out, compression="snappy")


def _loaded(events: dict[str, np.ndarray], level: dict[str, np.ndarray], spine_rows: int) -> Loaded:
    user, time = np.asarray(events["user_id"]), np.asarray(events["event_timestamp"])
    return Loaded(
        user, time, np.asarray(events["artwork_id"]), np.asarray(events["aes_score"]), np.asarray(events["is_like"]),
        user[-spine_rows:], time[-spine_rows:],
        *(np.asarray(level[name]) for name in ("user_id", "updated_at", "level")),
    )  # fmt: skip


_WAYS = {"duckdb": duckdb_io, "polars": polars_io, "pyarrow": pyarrow_io}


def main(way: str, data: str, out: str, rounds: str, threads: str) -> None:
    files = sorted(str(path) for path in Path(data).glob("ev/dt=*/part-0-0.parquet"))
    levels = str(Path(data) / "levels.parquet")
    report(lambda: _WAYS[way](files, levels, out, int(threads)), int(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`daeda diff`: two sides of one day, ten million rows of 40 columns, and the memory that it takes.

edited      the same rows in the same order, with one column of other values: read side by side
shuffled    the same rows in another order and other parts, some less, some values changed: paired by DuckDB
same        the same bytes: manifests alone
"""

from __future__ import annotations

import datetime as dt
import shlex
import statistics
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import Bench, Outcome, Timed
from bench.process_tree import run_measured
from daeda.dataset.layout import MANIFEST_NAME, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.storage.regular import file_digest

ROWS, PARTS = 10_000_000, 10
DAY = dt.date(2025, 1, 1)
DOUBLES, INTEGERS, TEXTS = 26, 8, 2
# Of the shuffled side one row in so many is missing, and one value in so many is another.
MISSING, CHANGED = 1000, 100
_KEY = {"event_timestamp": "timestamp", "user_id": "key"}


def run(bench: Bench) -> Outcome:
    """Seconds and peak memory of each pair."""
    rows = 2_000 if bench.tiny else ROWS
    data = bench.data({"rows": rows, "format": 1}, rows * 500, lambda directory: make(directory, rows))
    systems: dict[str, Timed] = {}
    for name in ("same", "edited", "shuffled"):
        there = "here" if name == "same" else name
        words = [sys.executable, "-W", "ignore", "-m", "daeda", "diff", str(data / "here/s"), str(data / there / "s")]
        expected = 0 if name == "same" else 1
        command = ["/bin/sh", "-c", f"{shlex.join(words)}; test $? -eq {expected}"]
        measured = [run_measured(command) for _ in range(bench.rounds)]
        _check(name, measured[0].output, rows)
        seconds = statistics.median(one.seconds for one in measured)
        systems[f"daeda_{name}"] = Timed(seconds, max(one.peak_mib for one in measured), len(measured))
    figures = {f"{name} MiB": timed.peak_mib for name, timed in systems.items()}
    return Outcome({"rows": rows, "columns": 40}, systems, True, figures)


def _check(name: str, said: str, rows: int) -> None:
    """What is known of the pair is what was told."""
    if name == "edited":
        assert f"x0: {rows:,} rows (100.00%), at most 0.001 apart, 0.001 in the mean" in said, said
    elif name == "shuffled":
        missing = PARTS * len(range(1, rows // PARTS, MISSING))
        assert f"{missing:,} rows only here" in said, said
        assert "1 column with other values" in said, said
        assert "note: rows stand in another order" in said, said


def make(directory: Path, rows: int) -> None:
    """The three sides."""
    count = rows // PARTS
    _write(directory / "here", [lambda part=part: table(part, count) for part in range(PARTS)])  # type: ignore[misc]
    _write(directory / "edited", [lambda part=part: _edited(table(part, count)) for part in range(PARTS)])  # type: ignore[misc]
    _write(
        directory / "shuffled",
        [lambda part=part: _shuffled(table(part, count), part) for part in reversed(range(PARTS))],  # type: ignore[misc]
    )


def table(part: int, rows: int) -> pa.Table:
    """The rows of a part, in the order of their times, which are all different; the other columns are those of all."""
    start = np.datetime64(DAY, "us") + np.timedelta64(part * rows * 1000, "us")
    times = pa.array(start + (np.arange(rows) * 1000).astype("timedelta64[us]"))
    return pa.table({"event_timestamp": times, **_columns(rows)})


@lru_cache(maxsize=1)
def _columns(rows: int) -> dict[str, pa.Array]:
    rng = np.random.default_rng(7)
    columns: dict[str, pa.Array] = {"user_id": pa.array(rng.integers(0, 1_000_000, rows))}
    values = rng.normal(size=4096)
    for number in range(DOUBLES):
        columns[f"x{number}"] = pa.array(values[rng.integers(0, len(values), rows)])
    for number in range(INTEGERS):
        columns[f"n{number}"] = pa.array(rng.integers(0, 500, rows))
    for number in range(TEXTS):
        columns[f"t{number}"] = pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, 50, rows).astype(np.int32)), pa.array([f"value {one}" for one in range(50)])
        ).cast(pa.string())
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * 4)
    columns["ids"] = pa.ListArray.from_arrays(offsets, pa.array(rng.integers(0, 10_000, rows * 4)))
    columns["vector"] = pa.ListArray.from_arrays(offsets, pa.array(rng.normal(size=rows * 4).astype(np.float32)))
    return columns


def _edited(rows: pa.Table) -> pa.Table:
    position = rows.column_names.index("x0")
    return rows.set_column(position, "x0", pa.array(rows.column("x0").to_numpy() + 0.001))


def _shuffled(rows: pa.Table, part: int) -> pa.Table:
    values = rows.column("x1").to_numpy().copy()
    values[::CHANGED] += 1.0
    rows = rows.set_column(rows.column_names.index("x1"), "x1", pa.array(values))
    kept = np.flatnonzero(np.arange(len(rows)) % MISSING != 1)
    return rows.take(pa.array(np.random.default_rng(part).permutation(kept)))


def _write(root: Path, parts: list[Callable[[], pa.Table]]) -> None:
    """Publish a day of these parts."""
    directory = root / "s/skeleton" / f"dt={DAY}"
    directory.mkdir(parents=True)
    described: list[Part] = []
    columns: tuple[ColumnStatistics, ...] = ()
    for number, make_part in enumerate(parts):
        rows, path = make_part(), directory / part_name(number)
        pq.write_table(rows, path, row_group_size=122_880, compression="snappy")
        described.append(Part(path.name, len(rows), path.stat().st_size, file_digest(path)))
        columns = tuple(
            ColumnStatistics(name, str(column.type), 0, kind=_KEY.get(name))
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        )
    total = sum(part.rows for part in described)
    manifest = Manifest("s", "skeleton", str(DAY), total, tuple(described), columns, Fingerprint({}, {}, {}))
    (directory / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")

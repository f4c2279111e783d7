"""The loader of a training loop: rows per second of `batches`, against reading and decoding the same columns alone.

The rows are 20 days of half a million: 16 numbers, a time, a text, a list of up to 32 ids, a vector of 32 float16. What
is timed are four of the days; the memory is that of an epoch over all of them, beside that of the four.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import Bench, Outcome, Timed
from bench.peers.script import run_script
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dtypes import describe_arrow

SERVICE = "ranking"
FIRST = dt.date(2025, 1, 1)
DAYS, TIMED_DAYS, ROWS, TINY_ROWS = 20, 4, 500_000, 300
# As the sink writes them.
_ROW_GROUP, _PER_PART = 122_880, 250_000
WIDTH, DIMENSION = 32, 32
PEERS = {"huggingface_streaming": "datasets", "torch_over_pyarrow": "torch"}


def run(bench: Bench) -> Outcome:
    """Epochs of 2 million rows, and one of 10 million."""
    rows = TINY_ROWS if bench.tiny else ROWS
    key = {"rows": rows, "days": DAYS, "width": WIDTH, "dimension": DIMENSION, "version": 1}
    data = bench.data(key, 400 * rows * DAYS, lambda path: write_days(path, rows))
    with bench.scratch() as scratch:

        def timed(system: str, days: int, rounds: int) -> Timed:
            answer = scratch / f"{system}-{days}"
            found = run_script(
                "bench.peers.read_batches", [system, str(data), str(days), str(answer), str(rounds)], rounds
            )
            answers[days].add(answer.read_text(encoding="utf-8"))
            return found

        answers: dict[int, set[str]] = {TIMED_DAYS: set(), DAYS: set()}
        systems = {"daeda": timed("daeda", TIMED_DAYS, bench.rounds)}
        for system in ("daeda_in_order", "daeda_numbers", "pyarrow_alone", "pyarrow_numbers"):
            systems[system] = timed(system, TIMED_DAYS, bench.rounds)
        for system, module in PEERS.items():
            if find_spec(module) is None:
                bench.skip(system, f"{module} is not installed")
            elif bench.wants(system):
                systems[system] = timed(system, TIMED_DAYS, bench.rounds)
        systems["daeda_10M_rows"] = timed("daeda", DAYS, 1)
    if any(len(found) != 1 for found in answers.values()):
        raise SystemExit(f"loader: the systems do not have the same rows: {answers}")
    return Outcome(
        {"rows": rows * TIMED_DAYS, "rows of the long epoch": rows * DAYS}, systems, True, _figures(systems, rows)
    )


def _figures(systems: dict[str, Timed], rows: int) -> dict[str, float]:
    figures = {
        f"{name} rows/s": rows * TIMED_DAYS / timed.seconds
        for name, timed in systems.items()
        if name != "daeda_10M_rows"
    }
    alone = systems["pyarrow_alone"].seconds
    return figures | {
        "shuffled batches/pyarrow alone": alone / systems["daeda"].seconds,
        "batches in order/pyarrow alone": alone / systems["daeda_in_order"].seconds,
        "shuffled batches of numbers/pyarrow alone": systems["pyarrow_numbers"].seconds
        / systems["daeda_numbers"].seconds,
        "peak memory of 10M rows/of 2M rows": systems["daeda_10M_rows"].peak_mib / systems["daeda"].peak_mib,
    }


def write_days(root: Path, rows: int) -> None:
    """Publish the days, in parts and row groups as a run writes them."""
    layout = Layout(root / SERVICE)
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        directory = Path(str(layout.day_dir("enriched", day)))
        directory.mkdir(parents=True)
        parts, nulls = [], dict.fromkeys(_schema().names, 0)
        for table in _tables(number, rows):
            path = directory / part_name(len(parts))
            pq.write_table(table, path, row_group_size=_ROW_GROUP, compression="zstd")
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            parts.append(Part(path.name, table.num_rows, path.stat().st_size, digest))
            nulls = {name: count + table.column(name).null_count for name, count in nulls.items()}
        columns = tuple(ColumnStatistics(one.name, describe_arrow(one.type), nulls[one.name]) for one in _schema())
        by_hand = Fingerprint({"bench": "1"}, {}, {})
        manifest = Manifest(SERVICE, "enriched", day.isoformat(), rows, tuple(parts), columns, by_hand)
        (directory / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _schema() -> pa.Schema:
    numbers = [(f"count_{number}", pa.int64()) for number in range(6)]
    numbers += [(f"sum_{number}", pa.float64()) for number in range(8)]
    others = [("category", pa.string()), ("recent", pa.list_(pa.int64())), ("vector", pa.list_(pa.float16()))]
    ids = [("user_id", pa.int64()), ("item_id", pa.int64()), ("time", pa.timestamp("us"))]
    return pa.schema([*ids, *numbers, *others, ("label", pa.bool_())])


def _tables(day: int, rows: int) -> Iterator[pa.Table]:
    generator = np.random.default_rng(day)
    for first in range(0, rows, _PER_PART):
        yield _table(generator, min(_PER_PART, rows - first), day)


def _table(generator: np.random.Generator, rows: int, day: int) -> pa.Table:
    start = np.datetime64(FIRST, "us") + np.timedelta64(day, "D")
    lengths = np.where(generator.random(rows) < 0.6, WIDTH, generator.integers(0, WIDTH + 1, rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items = _zipf(generator, int(offsets[-1]), 1_000_000)
    halves = generator.standard_normal((rows, DIMENSION), np.float32).astype(np.float16)
    arrays = {
        "user_id": pa.array(generator.integers(0, 2_000_000, rows)),
        "item_id": pa.array(_zipf(generator, rows, 1_000_000)),
        "time": pa.array(start + np.sort(generator.integers(0, 86_400_000_000, rows)).astype("timedelta64[us]")),
        "category": pa.array(np.array([f"category {number}" for number in range(400)])[_zipf(generator, rows, 400)]),
        "recent": pa.ListArray.from_arrays(pa.array(offsets), pa.array(items)),
        "vector": pa.ListArray.from_arrays(
            pa.array(np.arange(rows + 1, dtype=np.int32) * DIMENSION), pa.array(halves.reshape(-1))
        ),
        "label": pa.array(generator.random(rows) < 0.05),
    }
    for number in range(6):
        arrays[f"count_{number}"] = pa.array(generator.poisson(3 * number + 1, rows))
    for number in range(8):
        values = generator.gamma(2.0, 10.0, rows)
        arrays[f"sum_{number}"] = pa.array(values, mask=generator.random(rows) < 0.02 * number)
    return pa.table({name: arrays[name] for name in _schema().names}, schema=_schema())


def _zipf(generator: np.random.Generator, count: int, most: int) -> np.ndarray:
    """Ids of which few are frequent."""
    return (most ** generator.random(count)).astype(np.int64) % most

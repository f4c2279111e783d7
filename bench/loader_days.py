"""The published days that the loader is measured on: rows by chance, in parts and row groups as a run writes them.

There are days as pyarrow writes them in the row groups of a skeleton, vectors in a dictionary, and the first of them
enriched: their skeleton goes through `enrich_part`, which fills the vectors in and has pages and row groups of its own.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dtypes import describe_arrow
from daeda.storage.regular import file_digest

SERVICE, ENRICHED = "ranking", "ranking_enriched"
FIRST = dt.date(2025, 1, 1)
DAYS, TIMED_DAYS = 40, 4
WIDTH, DIMENSION = 32, 32
# As the sink writes them.
_ROW_GROUP, _PER_PART = 122_880, 250_000
# Ids of items are below it.
_ITEMS = 1_000_000


def write_days(root: Path, rows: int) -> None:
    """Publish the days of both services; of the first, those behind the timed ones have the files of these."""
    layout = Layout(root / SERVICE)
    written: list[tuple[Part, ...]] = []
    for number in range(DAYS):
        directory = _made(layout, number)
        if number < TIMED_DAYS:
            written.append(tuple(_write(directory / part_name(part), table) for part, table in _tables(number, rows)))
        else:
            before = Path(str(layout.day_dir("enriched", FIRST + dt.timedelta(days=number % TIMED_DAYS))))
            for part in written[number % TIMED_DAYS]:
                os.link(before / part.name, directory / part.name)
        _publish(layout, number, written[number % TIMED_DAYS])
    enriched = Layout(root / ENRICHED)
    with TemporaryDirectory(dir=root) as skeletons:
        for number in range(TIMED_DAYS):
            _publish(enriched, number, _enrich(_made(enriched, number), number, rows, Path(skeletons)))


def _enrich(directory: Path, number: int, rows: int, skeletons: Path) -> tuple[Part, ...]:
    """The parts of a day. A vector is the mean of those of the recent items of its row, NULL where there are none."""
    # A peer reads this module in an environment that has nothing of the enrichment.
    from enrich.part.part import enrich_part
    from enrich.part.task import PartTask, VectorColumn
    from enrich.store.id_index import IntegerIds
    from enrich.store.vectors import DayVectors

    halves = np.random.default_rng(DAYS).standard_normal((_ITEMS, DIMENSION), np.float32).astype(np.float16)
    items = np.arange(_ITEMS)
    vectors = {"items": DayVectors(IntegerIds(items), items, halves)}
    column = VectorColumn("vector", "avg_pool", "recent", "items", DIMENSION, "none")
    parts = []
    for part, table in _tables(number, rows):
        skeleton, final = skeletons / part_name(part), directory / part_name(part)
        at = table.schema.get_field_index("vector")
        placeholder = pa.nulls(len(table), pa.list_(pa.float32()))
        _write(skeleton, table.set_column(at, "vector", placeholder))
        done = enrich_part(PartTask(str(skeleton), str(final), part, 4_096, (column,)), vectors)
        parts.append(Part(final.name, done.rows, done.bytes, done.sha256))
    return tuple(parts)


def _made(layout: Layout, number: int) -> Path:
    directory = Path(str(layout.day_dir("enriched", FIRST + dt.timedelta(days=number))))
    directory.mkdir(parents=True)
    return directory


def _publish(layout: Layout, number: int, parts: Sequence[Part]) -> None:
    day = FIRST + dt.timedelta(days=number)
    columns = tuple(ColumnStatistics(one.name, describe_arrow(one.type), 0) for one in _schema())
    by_hand = Fingerprint({"bench": "1"}, {}, {})
    rows = sum(part.rows for part in parts)
    manifest = Manifest(layout.service, "enriched", day.isoformat(), rows, tuple(parts), columns, by_hand)
    Path(str(layout.day_dir("enriched", day)), "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _write(path: Path, table: pa.Table) -> Part:
    pq.write_table(table, path, row_group_size=_ROW_GROUP, compression="zstd")
    return Part(path.name, table.num_rows, path.stat().st_size, file_digest(path))


def _schema() -> pa.Schema:
    numbers = [(f"count_{number}", pa.int64()) for number in range(6)]
    numbers += [(f"sum_{number}", pa.float64()) for number in range(8)]
    others = [("category", pa.string()), ("recent", pa.list_(pa.int64())), ("vector", pa.list_(pa.float16()))]
    ids = [("user_id", pa.int64()), ("item_id", pa.int64()), ("time", pa.timestamp("us"))]
    return pa.schema([*ids, *numbers, *others, ("label", pa.bool_())])


def _tables(day: int, rows: int) -> Iterator[tuple[int, pa.Table]]:
    generator = np.random.default_rng(day)
    for part, first in enumerate(range(0, rows, _PER_PART)):
        yield part, _table(generator, min(_PER_PART, rows - first), day)


def _table(generator: np.random.Generator, rows: int, day: int) -> pa.Table:
    start = np.datetime64(FIRST, "us") + np.timedelta64(day, "D")
    lengths = np.where(generator.random(rows) < 0.6, WIDTH, generator.integers(0, WIDTH + 1, rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items = _zipf(generator, int(offsets[-1]), _ITEMS)
    halves = generator.standard_normal((rows, DIMENSION), np.float32).astype(np.float16)
    arrays = {
        "user_id": pa.array(generator.integers(0, 2_000_000, rows)),
        "item_id": pa.array(_zipf(generator, rows, _ITEMS)),
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

"""Published days written by hand: parts and a manifest as daeda writes them, without a project."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.layout import Dataset, Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dtypes import describe_arrow

FIRST = dt.date(2024, 1, 1)


def day_of(number: int) -> dt.date:
    """The first day is 0."""
    return FIRST + dt.timedelta(days=number)


def rows_of(day: dt.date, first: int, number: int) -> pa.Table:
    """Rows with a column of each type that a reader may stumble over; `row` counts through the day."""
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000
    rows = range(first, first + number)
    sequence = pa.struct([pa.field("item", pa.int64()), pa.field("price", pa.float64())])
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "time": pa.array([start + row for row in rows], pa.timestamp("us")),
            "item": pa.array([None if row % 3 == 0 else 2**53 + row for row in rows], pa.int64()),
            "liked": pa.array([None if row % 5 == 0 else row % 2 == 0 for row in rows], pa.bool_()),
            "category": pa.array([None if row % 4 == 0 else f"c{row % 3}" for row in rows], pa.string()),
            "price": pa.array([Decimal(row) / 4 for row in rows], pa.decimal128(12, 2)),
            "seen": pa.array([[row, None][: row % 3] for row in rows], pa.list_(pa.int64())),
            "visits": pa.array([[{"item": row, "price": None}] * (row % 2) for row in rows], pa.list_(sequence)),
            "vector": pa.array(
                [None if row % 7 == 0 else np.array([row, 0.5, -1], np.float16) for row in rows], pa.list_(pa.float16())
            ),
        }
    )


def publish_by_hand(
    layout: Layout,
    day: dt.date,
    parts: Sequence[pa.Table],
    half: Dataset = "skeleton",
    *,
    kinds: Mapping[str, str] | None = None,
    placeholders: Sequence[str] = (),
    writing: Mapping[str, Any] | None = None,
) -> Path:
    """Publish a day of these parts, `writing` them in other ways; returns its directory."""
    directory = Path(str(layout.day_dir(half, day)))
    directory.mkdir(parents=True)
    written = []
    for number, table in enumerate(parts):
        path = directory / part_name(number)
        pq.write_table(table, path, **{"row_group_size": 4, "compression": "zstd", **(writing or {})})
        content = path.read_bytes()
        written.append(Part(path.name, table.num_rows, len(content), hashlib.sha256(content).hexdigest()))
    columns = tuple(
        ColumnStatistics(
            field.name,
            describe_arrow(field.type),
            sum(table.column(field.name).null_count for table in parts),
            placeholder=field.name in placeholders,
            kind=(kinds or {}).get(field.name),
        )
        for field in parts[0].schema
    )
    rows = sum(part.rows for part in written)
    fingerprint = Fingerprint({"by hand": "1"}, {}, {})
    manifest = Manifest(layout.service, half, day.isoformat(), rows, tuple(written), columns, fingerprint)
    (directory / "_manifest.json").write_text(manifest.to_json())
    return directory


def publish_rows(layout: Layout, days: int, parts: int = 12, rows: int = 3, half: Dataset = "skeleton") -> pa.Table:
    """Publish the first days in parts of `rows` rows; returns all rows in order, with the day of each as `dt`."""
    tables = []
    for number in range(days):
        day = day_of(number)
        of_day = [rows_of(day, part * rows, rows) for part in range(parts)]
        publish_by_hand(layout, day, of_day, half)
        whole = pa.concat_tables(of_day)
        tables.append(whole.append_column("dt", pa.repeat(pa.scalar(day, pa.date32()), whole.num_rows)))
    return pa.concat_tables(tables)

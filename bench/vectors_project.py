"""A service whose one feature is the mean vector of a list of ids: its files, its store, and its skeleton."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = dt.date(2024, 1, 1)
SERVICE = "pooled"
STORE = "data/items.lance"
_WRITE_ROWS = 200_000

_FILES = {
    "config/training/runtime.yaml": """
service: pooled
data_root: data
output_root: output
feed_start: {day}
feed_end: {last}
rows_per_part: {part}
output_columns: [user_id, event_timestamp, likes, likes_vec]
""",
    "config/training/aggregations.yaml": """
enrichment_specs:
  - {{name: likes_vec, kind: avg_pool, column: likes, store: items}}
embedding_stores:
  - {{name: items, path: items.lance, id_column: id, vector_column: vec, dimension: {dimension}, version: 1}}
""",
    "feature_views/events.yaml": """
name: events
entity: user
source: {{path: events, timestamp_field: event_timestamp}}
fields:
  - {{name: user_id, dtype: int64}}
  - {{name: event_timestamp, dtype: "timestamp[us]"}}
  - {{name: likes, dtype: "list<int64>"}}
""",
    "feature_services/pooled.yaml": """
name: pooled
version: 1
grain: [user_id]
spine: {{view: events}}
columns:
  - {{name: user_id, kind: key, dtype: int64}}
  - {{name: event_timestamp, kind: timestamp, dtype: "timestamp[us]"}}
  - {{name: likes, kind: spine, dtype: "list<int64>"}}
  - {{name: likes_vec, kind: embedding, dtype: "list<halffloat>"}}
""",
}


@dataclass(frozen=True)
class Size:
    """A day of `rows` lists of `length` ids, out of `distinct` of the `stored` ids, and how many rows a part has."""

    rows: int
    length: int
    stored: int
    distinct: int
    dimension: int
    part: int

    @property
    def nbytes(self) -> int:
        return self.stored * (self.dimension * 2 + 8) + self.rows * self.length * 8 * 2


def runtime(directory: Path) -> Path:
    return directory / "config" / "training" / "runtime.yaml"


def write_project(directory: Path, size: Size, days: int = 1) -> None:
    """Write files, events and store, and build the skeleton of the days; all of them have the same ids."""
    for name, text in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text.format(day=DAY, last=day_after(days - 1), part=size.part, dimension=size.dimension), encoding="utf-8"
        )
    generator = np.random.default_rng(7)
    ids = _write_store(directory / STORE, generator, size)
    chosen = generator.choice(ids, size.distinct, replace=False)
    members = np.concatenate((chosen, generator.choice(chosen, max(0, size.rows * size.length - len(chosen)))))
    members = members[: size.rows * size.length]
    generator.shuffle(members)
    for number in range(days):
        _write_events(directory, day_after(number), members, size)
    _build_skeleton(directory)


def day_after(number: int) -> dt.date:
    """The day of the feed that comes so many days after the first one."""
    return DAY + dt.timedelta(days=number)


def _write_events(directory: Path, day: dt.date, members: np.ndarray, size: Size) -> None:
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000
    events = pa.table(
        {
            "user_id": np.arange(size.rows),
            "event_timestamp": pa.array(start + np.arange(size.rows), pa.timestamp("us")),
            "likes": pa.ListArray.from_arrays(
                pa.array(np.arange(size.rows + 1, dtype=np.int32) * size.length), pa.array(members)
            ),
        }
    )
    partition = directory / "data" / "events" / f"dt={day}"
    partition.mkdir(parents=True)
    pq.write_table(events, partition / "part-0-0.parquet")


def _write_store(path: Path, generator: np.random.Generator, size: Size) -> np.ndarray:
    """Ids in no order, as a store that grew has them."""
    import lance

    ids = generator.permutation(size.stored).astype(np.int64) * 7
    schema = pa.schema([("id", pa.int64()), ("vec", pa.list_(pa.float16(), size.dimension))])

    def batches() -> object:
        for start in range(0, size.stored, _WRITE_ROWS):
            some = ids[start : start + _WRITE_ROWS]
            values = generator.standard_normal(len(some) * size.dimension, np.float32) / size.dimension**0.5
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float16)), size.dimension)
            yield pa.RecordBatch.from_arrays([pa.array(some), vectors], schema=schema)

    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), str(path))
    return ids


def _build_skeleton(directory: Path) -> None:
    from beam_pipeline.command import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(["--runtime-config-path", str(runtime(directory))])
    if code:
        raise RuntimeError(said.getvalue())

"""A project with two days of a skeleton and a store, small enough to be written by hand."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.operators.dag import Dag
from enrich.part.part import enrich_part
from enrich.part.skeleton import needed_ids
from enrich.part.task import PartTask
from enrich.preload import vector_columns
from enrich.store.store import open_store
from enrich.store.vectors import DayVectors

DAYS = (dt.date(2024, 1, 1), dt.date(2024, 1, 2))
PARTS = 12
ROWS = 40
PLACEHOLDER = pa.list_(pa.field("element", pa.float32()))

FILES = {
    "config/training/runtime.yaml": """
service: likes
data_root: data
output_root: output
feed_start: 2024-01-01
feed_end: 2024-01-02
rows_per_part: 40
enrich_batch_rows: 16
output_columns:
  [user_id, event_timestamp, item_id, likes, {name: item_vec, default: null}, {name: likes_vec, default: null}]
ray: {num_cpus: 2, memory: 2GiB, object_store_memory: 200MiB, reserved_memory: 100MiB, day_timeout_minutes: 2}
""",
    "config/training/aggregations.yaml": """
enrichment_specs:
  - {name: item_vec, kind: lookup, column: item_id, store: items}
  - {name: likes_vec, kind: avg_pool, column: likes, store: items}
embedding_stores:
  - {name: items, path: items.lance, id_column: id, vector_column: vec, dimension: 4, version: 1}
""",
    "feature_views/events.yaml": """
name: events
entity: user
source: {path: events, timestamp_field: event_timestamp}
fields:
  - {name: user_id, dtype: int64}
  - {name: event_timestamp, dtype: "timestamp[us]"}
  - {name: item_id, dtype: int64}
  - {name: likes, dtype: "list<int64>"}
""",
    "feature_services/likes.yaml": """
name: likes
version: 1
owner: tests
grain: [user_id]
spine: {view: events}
columns:
  - {name: user_id, kind: key, dtype: int64}
  - {name: event_timestamp, kind: timestamp, dtype: "timestamp[us]"}
  - {name: item_id, kind: spine, dtype: int64}
  - {name: likes, kind: spine, dtype: "list<int64>"}
  - {name: item_vec, kind: embedding, dtype: "list<halffloat>"}
  - {name: likes_vec, kind: embedding, dtype: "list<halffloat>"}
""",
}


def write_project(root: Path) -> None:
    """Everything: YAML, events, the store with ids 0 to 99, and the skeleton."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_store(root)
    for day in DAYS:
        partition = root / "data" / "events" / f"dt={day}"
        partition.mkdir(parents=True)
        pq.write_table(day_rows(day).drop_columns(["item_vec", "likes_vec"]), partition / "events.parquet")
        write_skeleton(root, day)


def write_store(root: Path, ids: Any = None, **change: Any) -> None:
    """The store; `change` goes to lance."""
    keys = pa.array(range(100)) if ids is None else ids
    vectors = np.random.default_rng(1).standard_normal(4 * len(keys)).astype(np.float32)
    table = pa.table({"id": keys, "vec": pa.FixedSizeListArray.from_arrays(pa.array(vectors), 4)})
    lance.write_dataset(table, str(root / "data" / "items.lance"), **change)


def day_rows(day: dt.date) -> pa.Table:
    """All rows of a skeleton day, in order; ids from 100 on are not in the store."""
    number = PARTS * ROWS
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000
    return pa.table(
        {
            "user_id": pa.array(range(number), pa.int64()),
            "event_timestamp": pa.array([start + i for i in range(number)], pa.timestamp("us")),
            "item_id": pa.array([None if i % 11 == 0 else (i * 7 + day.day) % 120 for i in range(number)], pa.int64()),
            "likes": pa.array([[(i * k) % 110 for k in range(i % 4)] for i in range(number)], pa.list_(pa.int64())),
            "item_vec": pa.nulls(number, PLACEHOLDER),
            "likes_vec": pa.nulls(number, PLACEHOLDER),
        }
    )


def write_skeleton(root: Path, day: dt.date, changed: Mapping[int, pa.Table] | None = None) -> Path:
    """A published skeleton day of PARTS parts, some of them replaced; returns its directory."""
    directory = Layout(root / "output" / "likes").day_dir("skeleton", day)
    directory.mkdir(parents=True, exist_ok=True)
    whole = day_rows(day)
    parts = []
    for number in range(PARTS):
        path = directory / part_name(number)
        table = (changed or {}).get(number, whole.slice(number * ROWS, ROWS))
        # Renamed into place, as days are: a reader has the old part or the new one.
        pq.write_table(table, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        parts.append(Part(path.name, table.num_rows, path.stat().st_size, digest))
    rows = sum(part.rows for part in parts)
    facts = [
        ColumnStatistics("user_id", "int64", 0, "0", str(PARTS * ROWS - 1)),
        ColumnStatistics("event_timestamp", "timestamp[us]", 0),
        ColumnStatistics("item_id", "int64", whole.column("item_id").null_count, "0", "119"),
        ColumnStatistics("likes", "list<int64>", 0),
        ColumnStatistics("item_vec", "list<halffloat>", rows, placeholder=True),
        ColumnStatistics("likes_vec", "list<halffloat>", rows, placeholder=True),
    ]
    fingerprint = Fingerprint({"by hand": "1"}, {}, {})
    manifest = Manifest("likes", "skeleton", day.isoformat(), rows, tuple(parts), tuple(facts), fingerprint)
    (directory / "_manifest.json").write_text(manifest.to_json())
    return directory


def enriched_by_hand(root: Path) -> dict[str, dict[str, str]]:
    """The digest of every part of the enriched days, by day and name: what a plain loop over the parts writes."""
    project, dag = opened(root)
    store = open_store("items", str(root / "data" / "items.lance"), "id", "vec", 4, 1)
    columns = vector_columns(dag)
    days: dict[str, dict[str, str]] = {}
    for day in DAYS:
        skeleton = Layout(project.service_dir).day_dir("skeleton", day)
        paths = [Path(str(skeleton / part_name(number))) for number in range(PARTS)]
        vectors = {"items": DayVectors.load(store, store.row_map(), needed_ids(paths, columns))}
        with tempfile.TemporaryDirectory() as scratch:
            days[f"dt={day}"] = {
                path.name: enrich_part(PartTask(str(path), f"{scratch}/part", number, 1000, columns), vectors).sha256
                for number, path in enumerate(paths)
            }
    store.close()
    return days


def opened(root: Path, **settings: Any) -> tuple[Project, Dag]:
    """The project and its DAG, under settings given like flags."""
    project = load_project(ProjectPaths(root / "config" / "training" / "runtime.yaml"), None, settings)
    return project, compile_runnable(project)


def change_file(root: Path, name: str, old: str, new: str) -> None:
    """Replace a text that a YAML file has once."""
    text = (root / name).read_text()
    assert text.count(old) == 1
    (root / name).write_text(text.replace(old, new))

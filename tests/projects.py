"""Tiny projects: the YAML files of one service and its Parquet files, from Python values.

    project = TinyProject(tmp_path)
    project.views["prices"]["ttl"] = "1d"
    dag = project.write().compile()

The service `ranking` has a spine `events` (a partition for each of 2024-01-01 to 03), static `items`, `prices` with a
ttl, one rolling count, one rolling list, and the vector of the item. Every value can be changed before `write`.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_project
from daeda.dtypes import DType
from daeda.operators.dag import Dag

Rows = Sequence[tuple[Any, ...]]

RUNTIME: dict[str, Any] = {
    "service": "ranking",
    "data_root": "data",
    "output_root": "output",
    "feed_start": "2024-01-02",
    "feed_end": "2024-01-03",
    "feature_refs": ["items:category", "prices:price"],
    "output_columns": [
        "user_id", "item_id", "event_timestamp", "amount", "category", "price", "events_1d", "recent_items",
        {"name": "item_vector", "default": None},
    ],
}  # fmt: skip
BASE: dict[str, Any] = {"history_len": 3, "vector_dim": 2}
AGGREGATIONS: dict[str, Any] = {
    "aggregation_specs": [
        {"name": "events", "entity": "user", "history": {"view": "events"}, "kind": "count", "windows": ["1d"]},
        {
            "name": "recent_items", "entity": "user", "history": {"view": "events"}, "column": "item_id",
            "kind": "last_distinct", "window": "1d", "max_length": "history_len",
        },
    ],
    "enrichment_specs": [{"name": "item_vector", "kind": "lookup", "column": "item_id", "store": "vectors"}],
    "embedding_stores": [
        {
            "name": "vectors", "path": "vectors.lance", "id_column": "item_id", "vector_column": "vector",
            "dimension": "vector_dim", "version": 1,
        }
    ],
}  # fmt: skip


def fields(**types: str) -> list[dict[str, Any]]:
    return [{"name": name, "dtype": dtype} for name, dtype in types.items()]


VIEWS: dict[str, dict[str, Any]] = {
    "events": {
        "name": "events",
        "entity": ["user", "item"],
        "source": {"path": "events", "timestamp_field": "event_timestamp"},
        "fields": fields(user_id="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double"),
    },
    "items": {
        "name": "items",
        "entity": "item",
        "source": {"path": "items.parquet"},
        "fields": fields(item_id="int64", category="string"),
    },
    "prices": {
        "name": "prices",
        "entity": "item",
        "ttl": "1d",
        "source": {"path": "prices", "timestamp_field": "event_timestamp"},
        "fields": fields(item_id="int64", event_timestamp="timestamp[us]", price="double"),
    },
}
SERVICE: dict[str, Any] = {
    "name": "ranking",
    "version": 1,
    "grain": ["user_id", "item_id"],
    "spine": {"view": "events"},
    "columns": [
        {"name": "user_id", "kind": "key", "dtype": "int64", "nullable": False},
        {"name": "item_id", "kind": "key", "dtype": "int64", "nullable": False},
        {"name": "event_timestamp", "kind": "timestamp", "dtype": "timestamp[us]", "nullable": False},
        {"name": "amount", "kind": "spine", "dtype": "double"},
        {"name": "category", "kind": "static", "dtype": "string", "default": "unknown"},
        {"name": "price", "kind": "point_in_time", "dtype": "double"},
        {"name": "events_1d", "kind": "rolling", "dtype": "int64", "nullable": False},
        {"name": "recent_items", "kind": "rolling", "dtype": "list<int64>", "nullable": False},
        {"name": "item_vector", "kind": "embedding", "dtype": "list<halffloat>"},
    ],
}


def moment(text: str) -> dt.datetime:  # `01 12:00` is noon of 2024-01-01
    return dt.datetime.fromisoformat(f"2024-01-{text}")


DATA: dict[str, Rows] = {
    "events": [
        (1, 10, moment("01 12:00"), 1.0), (2, 10, moment("01 13:00"), 2.0), (1, 11, moment("02 09:00"), 3.0),
        (2, 99, moment("02 10:00"), 4.0), (1, 10, moment("03 08:00"), 5.0), (1, 10, moment("03 08:00"), 5.0),
    ],
    "items": [(10, "toys"), (11, "books")],
    "prices": [(10, moment("01 00:00"), 1.5), (11, moment("02 08:00"), 2.5), (10, moment("03 07:00"), 3.5)],
}  # fmt: skip
VECTORS: dict[int, list[float]] = {10: [1.0, 0.0], 11: [0.5, 0.5]}


@dataclass
class TinyProject:
    """A project below `root`. What is changed before `write` is what the files hold."""

    root: Path
    runtime: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(RUNTIME))
    base: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(BASE))
    aggregations: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(AGGREGATIONS))
    views: dict[str, dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(VIEWS))
    service: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(SERVICE))
    data: dict[str, Rows] = field(default_factory=lambda: copy.deepcopy(DATA))

    def __post_init__(self) -> None:
        self.runtime_path = self.root / "config/training/runtime.yaml"

    def column(self, name: str) -> dict[str, Any]:
        """A column of the contract, to be changed in place."""
        return next(one for one in self.service["columns"] if one["name"] == name)

    def without(self, *names: str) -> TinyProject:
        """Leave columns out of the contract and of the output."""
        self.service["columns"] = [one for one in self.service["columns"] if one["name"] not in names]
        listed = self.runtime["output_columns"]
        kept = [one for one in listed if (one["name"] if isinstance(one, dict) else one) not in names]
        refs = [ref for ref in self.runtime["feature_refs"] if ref.partition(":")[2] not in names]
        self.runtime |= {"output_columns": kept, "feature_refs": refs}
        return self

    def without_enrichment(self) -> TinyProject:
        """Leave out the vectors, their store and their dimension."""
        self.without("item_vector")
        self.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
        self.base.pop("vector_dim")
        return self

    def write(self) -> TinyProject:
        """Write the YAML files."""
        files = {"config/base.yaml": self.base, "config/training/runtime.yaml": self.runtime}
        files |= {"config/training/aggregations.yaml": self.aggregations}
        files |= {f"feature_views/{name}.yaml": view for name, view in self.views.items()}
        files |= {"feature_services/ranking.yaml": self.service}
        for name, value in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
        return self

    def write_data(self, *, flat: bool = False) -> TinyProject:
        """Write the Parquet files of the views; with a timestamp by day, unless `flat`."""
        for name, rows in self.data.items():
            view = self.views[name]
            columns = {one["name"]: one["dtype"] for one in view["fields"]}
            path = self.root / "data" / view["source"]["path"]
            time = view["source"].get("timestamp_field")
            if time is None or flat:
                write_parquet(path if time is None else path / "all.parquet", columns, rows)
                continue
            place = list(columns).index(time)
            for day in sorted({row[place].date() for row in rows}):
                chosen = [row for row in rows if row[place].date() == day]
                write_parquet(path / f"dt={day}" / "part-0.parquet", columns, chosen)
        return self

    def write_store(self) -> TinyProject:
        """Write the Lance store; its first version."""
        import lance

        values = pa.array(list(VECTORS.values()), pa.list_(pa.float16(), 2))
        table = pa.table({"item_id": pa.array(list(VECTORS), pa.int64()), "vector": values})
        lance.write_dataset(table, str(self.root / "data/vectors.lance"))
        return self

    def load(self, **flags: Any) -> Project:
        return load_project(ProjectPaths(self.runtime_path), flags=flags)

    def compile(self) -> Dag:
        return compile_project(self.load())


def write_parquet(path: Path, columns: Mapping[str, str], rows: Rows) -> Path:
    """A Parquet file of rows, with columns of our types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [[row[index] for row in rows] for index in range(len(columns))]
    arrays = [pa.array(one, DType.parse(dtype).arrow()) for one, dtype in zip(values, columns.values(), strict=True)]
    pq.write_table(pa.table(arrays, names=list(columns)), path)
    return path

"""A tiny project that has every kind of column, and its days built in this process: without Beam, without Ray.

The days are built by the product's own operators. A test breaks the product with monkeypatch, or swaps operators before
they run, and the audit has to notice by itself.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from beam_pipeline.day.execution import run_operator
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import ThreadDaySlots
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, register_run
from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import Manifest, Part, read_manifest
from daeda.dataset.publish.staging import open_staging
from daeda.operators.dag import Operator
from daeda.operators.temporal import PointInTimeJoin
from daeda.sql.template import forget_statements
from enrich.part.part import enrich_part
from enrich.part.task import PartTask, VectorColumn
from enrich.store.store import open_store
from enrich.store.vectors import BatchedVectors
from tests.projects import TinyProject, fields, moment, write_parquet

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
USERS, ITEMS = range(1, 6), range(10, 17)
Swap = Callable[[Operator], Operator]

# What each makes; of a sequence whose columns stand apart, by column.
SPECS: dict[str, tuple[dict[str, Any], str | dict[str, str]]] = {
    "events": ({"kind": "count", "windows": ["6h", "1d"]}, "int64"),
    "earlier": ({"kind": "count", "window": "6h", "offset": "12h"}, "int64"),
    "hourly": ({"kind": "sum", "column": "item_id", "window": "6h", "aligned_to": "1h"}, "int64"),
    "ready": ({"kind": "count", "window": "6h", "available": {"after": "1h"}}, "int64"),
    "lately": ({"kind": "any", "window": "30m"}, "bool"),
    "since_event": ({"kind": "since_last", "window": "30m"}, "int64"),
    "since_click": ({"kind": "since_last", "column": "tags", "window": "unbounded", "view": "clicks"}, "int64"),
    "amounts": ({"kind": "quantile", "column": "amount", "windows": ["6h", "1d"], "q": [0.5, 0.9]}, "double"),
    "faded": ({"kind": "decayed_count", "windows": ["6h", "1d"], "half_life": "2h"}, "double"),
    "faded_clicks": ({"kind": "decayed_count", "window": "1d", "half_life": "12h", "view": "clicks"}, "double"),
    "faded_spent": ({"kind": "decayed_sum", "column": "amount", "window": "30m", "half_life": "10m"}, "double"),
    "spent": ({"kind": "sum", "column": "amount", "window": "1d"}, "double"),
    "mean_spent": ({"kind": "mean", "column": "amount", "window": "1d"}, "double"),
    "spread": ({"kind": "std", "column": "amount", "window": "unbounded"}, "double"),
    "least": ({"kind": "min", "column": "amount", "window": "1d"}, "double"),
    "kinds": ({"kind": "count_distinct", "column": "kind", "window": "1d"}, "int64"),
    "first_kind": ({"kind": "first", "column": "kind", "window": "6h"}, "string"),
    "last_item": ({"kind": "last", "column": "item_id", "window": "1d"}, "int64"),
    "recent_items": ({"kind": "last_distinct", "column": "item_id", "window": "1d", "max_length": 4}, "list<int64>"),
    "item_trail": (
        {"kind": "list", "column": "item_id", "window": "unbounded", "max_length": 5, "order": "oldest_first"},
        "list<int64>",
    ),
    "liked_items": (
        {"kind": "top_k", "column": "item_id", "window": "unbounded", "max_length": 3, "where": "kind = 'like'"},
        "list<int64>",
    ),
    "prices_then": (
        {"kind": "list", "column": "price", "window": "1d", "max_length": 4, "attributes": ["prices:price"]},
        "list<double>",
    ),
    "clicks": ({"kind": "count", "window": "12h", "view": "clicks"}, "int64"),
    "click_tags": (
        {"kind": "flatten_distinct", "column": "tags", "window": "unbounded", "max_length": 5, "view": "clicks"},
        "list<string>",
    ),
    "trail": (
        {"kind": "sequence", "columns": ["item_id", "amount", "kind"], "age": "age", "window": "1d", "max_length": 4},
        "list<struct<item_id: int64, amount: double, kind: string, age: int64>>",
    ),
    "seen": (
        {
            "kind": "sequence",
            "columns": ["kind", "item_id", "amount"],
            "age": "ago",
            "layout": "columns",
            "windows": ["6h"],
            "max_length": 3,
            "order": "oldest_first",
        },
        {"kind": "list<string>", "item_id": "list<int64>", "amount": "list<double>", "ago": "list<int64>"},
    ),
}


def feed(root: Path) -> TinyProject:
    """The project with its data, nothing built."""
    made = TinyProject(root).without("events_1d", "recent_items", "category", "price", "item_vector")
    made.base["vector_dim"] = 3
    made.runtime |= {"feature_refs": ["items:category", "prices:price", "prices:label", "stock:on_stock"]}
    made.views["events"]["fields"] = fields(
        user_id="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double", kind="string",
        session="int32",
    )  # fmt: skip
    made.views["prices"] |= {
        "ttl": "5h",
        "source": {"path": "prices", "timestamp_field": "event_timestamp", "created_field": "known_at"},
        "fields": fields(item_id="int64", event_timestamp="timestamp[us]", known_at="timestamp[ms]", price="double",
                         label="string"),
    }  # fmt: skip
    made.views["stock"] = {
        "name": "stock", "entity": "item", "source": {"path": "stock", "timestamp_field": "event_timestamp"},
        "fields": fields(item_id="int64", event_timestamp="timestamp[us]", on_stock="int64"),
    }  # fmt: skip
    made.views["clicks"] = {
        "name": "clicks", "entity": "user", "field_mapping": {"ts": "clicked_at"},
        "source": {"path": "clicks.parquet", "timestamp_field": "clicked_at", "timestamp_unit": "ms",
                   "created_field": "seen_at"},
        "fields": fields(user_id="int64", clicked_at="int64", seen_at="int64", tags="list<string>"),
    }  # fmt: skip
    made.views["sold"] = {"name": "sold", "entity": "item", "source": {"path": "sold.parquet"},
                          "fields": fields(item_id="int64")}  # fmt: skip
    made.service["spine"]["filters"] = [
        {"session": {"key": ["user_id", "session"], "having": "count(*) > 1 AND max(amount) >= 1"}},
        {"where": "kind <> 'refresh'"},
        {"covered_by": {"view": "sold", "column": "item_id"}},
    ]
    _add_columns(made)
    _add_data(made)
    made.write().write_data()
    _write_clicks(made)
    return made


def _add_columns(made: TinyProject) -> None:
    columns: list[dict[str, Any]] = [
        {"name": "kind", "kind": "spine", "dtype": "string", "default": "none"},
        {"name": "category", "kind": "static", "dtype": "string", "default": "unknown"},
        {"name": "price", "kind": "point_in_time", "dtype": "double"},
        {"name": "label", "kind": "point_in_time", "dtype": "string", "default": "none"},
        {"name": "price_2h", "kind": "point_in_time", "dtype": "double", "from": "prices:price", "ttl": "2h"},
        {
            "name": "price_late",
            "kind": "point_in_time",
            "dtype": "double",
            "from": "prices:price",
            "available": {"after": "30m"},
        },
        {"name": "known_of_price", "kind": "point_in_time", "dtype": "timestamp[ms]", "from": "prices:known_at"},
        {"name": "on_stock", "kind": "static", "dtype": "int64", "latest": True},
    ]
    specs = []
    for name, (spec, dtype) in SPECS.items():
        history = {"view": spec.get("view", "events"), "attributes": spec.get("attributes", [])}
        rest = {key: value for key, value in spec.items() if key not in ("view", "attributes")}
        specs.append({"name": name, "entity": "user", "history": history, **rest})
        outputs = [f"{name}_{window}" for window in spec["windows"]] if "windows" in spec else [name]
        if "q" in spec:
            outputs = [f"{output}_p{100 * q:.0f}" for output in outputs for q in spec["q"]]
        types = dict.fromkeys(outputs, dtype)
        if isinstance(dtype, dict):
            types = {f"{output}_{column}": kind for output in outputs for column, kind in dtype.items()}
        columns += [{"name": output, "kind": "rolling", "dtype": kind} for output, kind in types.items()]
    columns += [
        {"name": "share", "kind": "derived", "dtype": "double", "expression": "spent / nullif(events_1d, 0) * 1e-3"},
        {"name": "is_cheap", "kind": "derived", "dtype": "bool", "expression": "coalesce(price, 9) < 3 OR kind = 'x'"},
        {"name": "item_vector", "kind": "embedding", "dtype": "list<float>"},
        {"name": "recent_vector", "kind": "embedding", "dtype": "list<halffloat>"},
        {"name": "seen_vector", "kind": "embedding", "dtype": "list<halffloat>"},
    ]
    made.aggregations["aggregation_specs"] = specs
    made.aggregations["enrichment_specs"] = [
        {"name": "item_vector", "kind": "lookup", "column": "item_id", "store": "vectors"},
        {"name": "recent_vector", "kind": "avg_pool", "column": "recent_items", "store": "vectors", "normalize": "l2"},
        {"name": "seen_vector", "kind": "avg_pool", "column": "seen_6h_item_id", "store": "vectors"},
    ]
    made.service["columns"] += columns
    for one in columns:
        embedding = one["kind"] == "embedding"
        made.runtime["output_columns"].append({"name": one["name"], "default": None} if embedding else one["name"])


def _add_data(made: TinyProject) -> None:
    """Events on a grid of half an hour, so that times tie and fall on the borders of windows."""
    chance = random.Random(7)
    start = moment("01 00:00")
    times = sorted(start + dt.timedelta(minutes=30 * chance.randrange(3 * 48)) for _ in range(320))
    made.data["events"] = [
        (chance.choice(USERS), chance.choice([*ITEMS, 99]), at, chance.choice([0.1, 0.2, 1.5, None, 1e15, -3.0]),
         chance.choice(["like", "like", "open", "open", "skip", "refresh", None]),
         chance.choice([at.hour // 12] * 9 + [None]))
        for at in times
    ]  # fmt: skip
    made.data["events"] += made.data["events"][100:103]
    # One microsecond before the windows of six hours and of a day begin, for late rows of the last day.
    for row in made.data["events"][-12:-3:3]:
        for hours in (6, 24):
            made.data["events"].append((*row[:2], row[2] - dt.timedelta(hours=hours, microseconds=1), 2.5, "early", 0))
    made.data["items"] = [(item, f"category {item % 3}") for item in ITEMS if item != 12]
    made.data["sold"] = [(item,) for item in ITEMS]
    prices = []
    for item in ITEMS:
        for number in range(16):
            at = start + dt.timedelta(minutes=30 * chance.randrange(3 * 48))
            known = at + dt.timedelta(minutes=chance.choice([0, 0, 0, 30, 300]))
            prices.append(
                (item, at, None if number % 13 == 12 else known, chance.choice([1.5, 2.5, 3.5]), f"l{number}")
            )
            if number % 2 == 0:  # a tie in time and knowledge: the smaller price has the greater label
                prices.append((item, at, known, 0.5, "z"))
    for row in made.data["events"][-40:-3:4]:  # one microsecond older than the ttl of five hours
        then = row[2] - dt.timedelta(hours=5, microseconds=1)
        prices.append((row[1], then, then.replace(microsecond=0), 9.5, "old"))
    made.data["prices"] = sorted(prices, key=lambda row: row[1])
    made.data["stock"] = [
        (item, start + dt.timedelta(hours=10 * number), 10 * number + item) for item in ITEMS for number in range(7)
    ]


def _write_clicks(made: TinyProject) -> None:
    chance = random.Random(8)
    first = int(moment("01 00:00").replace(tzinfo=dt.UTC).timestamp() * 1000)
    rows = []
    for _ in range(150):
        at = first + 1_800_000 * chance.randrange(3 * 48)
        seen = chance.choice([at, at, at + 1_800_000, at + 90_000_000, None])
        rows.append((chance.choice(USERS), at, seen, chance.choice([None, [], ["a", "b"], ["c", None, "a"], ["d"]])))
    columns = {"user_id": "int64", "ts": "int64", "seen_at": "int64", "tags": "list<string>"}
    write_parquet(made.root / "data/clicks.parquet", columns, rows)


def build(
    made: TinyProject,
    swap: Swap = lambda operator: operator,
    days: Sequence[dt.date] = DAYS,
    data: Path | None = None,
    output: Path | None = None,
    searched: bool = False,
    broken_sql: bool = True,
) -> None:
    """Build and publish skeleton days; `swap` may change an operator before it runs, `data` and `output` may lie
    elsewhere. Look-ups are as-of joins, or are `searched`.

    Where `broken_sql` no statement of before is used, and none is kept: a test may have broken how they are made."""
    if not broken_sql:
        _build(made, swap, days, data, output, searched)
        return
    forget_statements()
    try:
        _build(made, swap, days, data, output, searched)
    finally:
        forget_statements()


def _build(
    made: TinyProject, swap: Swap, days: Sequence[dt.date], data: Path | None, output: Path | None, searched: bool
) -> None:  # fmt: skip
    project = made.load()
    service_dir = output or project.service_dir
    dag = compile_runnable(project).skeleton()
    operators = [swap(operator) for operator in dag.operators]
    with open_staging(Layout(service_dir)) as staging:
        context = RunContext(
            service=dag.service, data_root=str(data or made.root / "data"), service_dir=str(service_dir),
            run_dir=str(staging.directory), limits=DayLimits(1 << 30, 1, ""), day_workers=1, rows_per_part=50,
            label_columns=("user_id",), project_root=str(made.root),
            # A copy of the data consists of links, and what they lead to is read.
            sources=() if data is None else (str(data), str(made.root / "data")),
            searched=frozenset(join.name for join in operators if searched and isinstance(join, PointInTimeJoin)),
        )  # fmt: skip
        register_run(context, ThreadDaySlots(1))
        try:
            for day in days:
                handle = begin(context, DayHandle(day))
                session = session_of(handle)
                try:
                    for operator in operators:
                        with timed(session, operator.name):
                            handle = run_operator(session, operator, handle)  # type: ignore[arg-type]
                finally:
                    session.close()
        finally:
            forget_run(context)


def enrich(made: TinyProject, change: Callable[[VectorColumn], VectorColumn] = lambda column: column) -> None:
    """Publish the enriched days, without Ray; `change` may break what is computed."""
    ids = [item for item in ITEMS if item != 13]
    values = pa.array([[item * 0.37, -1.0 / item, item % 3] for item in ids], pa.list_(pa.float32(), 3))
    path = made.root / "data/vectors.lance"
    lance.write_dataset(pa.table({"item_id": pa.array(ids, pa.int64()), "vector": values}), str(path))
    store = open_store("vectors", str(path), "item_id", "vector", 3, 1)
    vectors = {"vectors": BatchedVectors(store, store.row_map())}
    columns = (
        change(VectorColumn("item_vector", "lookup", "item_id", "vectors", 3, "none", "float")),
        change(VectorColumn("recent_vector", "avg_pool", "recent_items", "vectors", 3, "l2")),
        change(VectorColumn("seen_vector", "avg_pool", "seen_6h_item_id", "vectors", 3, "none")),
    )
    layout = Layout(made.load().service_dir)
    for day in DAYS:
        skeleton = layout.day_dir("skeleton", day)
        source = read_manifest(skeleton)
        assert source is not None
        directory = layout.day_dir("enriched", day)
        directory.mkdir(parents=True, exist_ok=True)
        parts = []
        for number in range(len(source.parts)):
            path = directory / part_name(number)
            done = enrich_part(PartTask(str(skeleton / path.name), str(path), number, 16, columns), vectors)
            parts.append(Part(path.name, done.rows, done.bytes, hashlib.sha256(path.read_bytes()).hexdigest()))
        manifest = Manifest(
            "ranking", "enriched", day.isoformat(), source.rows, tuple(parts), source.columns, source.fingerprint
        )
        (directory / "_manifest.json").write_text(manifest.to_json())


def words(made: TinyProject, *more: str) -> Sequence[str]:
    """The words of an audit of the project."""
    return ["ranking", "--runtime-config-path", str(made.runtime_path), *more]

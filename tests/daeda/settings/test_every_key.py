"""Every key of every file that is written by hand, with values that do not belong there: one sentence of our own each.

The documents below hold every key that there is, which is checked: a new key is tested as soon as it has a place here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from daeda.catalog.service import FeatureService
from daeda.catalog.view import FeatureView
from daeda.settings.aggregations import Aggregations
from daeda.settings.document import Document, Mistakes
from daeda.settings.kinds import Dimensions
from daeda.settings.runtime import RuntimeSettings, load_runtime
from daeda.settings.validation import parse_model

Place = tuple[str | int, ...]

RUNTIME = """
service: ranking
data_root: data
output_root: output
staging_root: staging
lineage: events.jsonl
feed_start: 2024-01-02
feed_end: 2024-01-03
data_until: {events: 2024-01-05}
feature_refs: [items:category]
output_columns: [user_id, {name: price, default: 0.5}]
day_workers: 2
rows_per_part: 10
rolling_chunk_rows: 10
udf_chunk_rows: 10
enrich_batch_rows: 10
compute: {engine: duckdb, duckdb_config: {memory_limit: 1GiB, threads: 2, temp_directory: spill}}
ray:
  address: head.example:6379
  num_cpus: 2
  memory: 1GiB
  object_store_memory: 1GiB
  reserved_cpus: 1
  reserved_memory: 1GiB
  actor_percent: 50
  preload_day_embeddings: true
  start_timeout_seconds: 5
  day_timeout_minutes: 5
timeouts: {function_seconds: 5, day_minutes: 5, database_seconds: 5, storage_seconds: 5, lock_minutes: 5}
"""
AGGREGATIONS = """
aggregation_specs:
- {name: a, description: x, entity: [user, {item: item_key}], history: {view: events, attributes: [items:category]},
   kind: sequence, columns: [item_id, action], age: ago, layout: struct, where: x > 1, window: 7d,
   available: {after: 10m}, aligned_to: 1h, offset: 7d, max_length: length, order: oldest_first}
- {name: b, entity: user, history: {view: events}, kind: quantile, column: amount, windows: [1d, 7d], q: [0.5, 0.9],
   available: {daily_at: "03:00"}}
- {name: c, entity: user, history: {view: events}, kind: decayed_count, windows: several, half_life: 3d}
label_specs:
- {name: d, description: x, entity: user, history: {view: events}, kind: sequence, columns: [item_id, action], age: ago,
   layout: columns, where: x > 1, gap: 1h, window: 7d, max_length: 3, order: newest_first, matures_after: 1d,
   immature: null}
- {name: e, entity: user, history: {view: events}, kind: quantile, column: amount, windows: [1d, 7d], q: 0.5}
udf_specs:
- {name: f, description: x, function: "functions:f", columns: [amount, price], dtype: int64, version: 2}
enrichment_specs:
- {name: g, description: x, kind: avg_pool, column: items, store: vectors, normalize: l2}
embedding_stores:
- {name: vectors, path: vectors.lance, id_column: item_id, vector_column: vector, dimension: length, version: 3}
"""
VIEWS = (
    """
name: prices
description: x
entity: [item]
ttl: 1d
allow_exact: true
source: {path: prices, timestamp_field: at, timestamp_unit: s, created_field: made, available: {after: 10m},
         null_timestamps: drop, missing_partitions: empty, partition_slack: 1, first_day: 2024-01-02}
field_mapping: {cost: price}
fields:
- {name: item_id, dtype: int64, description: x}
- {name: at, dtype: int64}
- {name: made, dtype: "timestamp[us]"}
- {name: price, dtype: double}
""",
    """
name: items
entity: item
source: {postgres: shop, table: public.items}
fields: [{name: item_id, dtype: int64}]
""",
    """
name: items
entity: {item: item_key}
source: {postgres: shop, query: SELECT 1}
fields: [{name: item_key, dtype: int64}]
""",
    """
name: items
entity: item
source: {ducklake: lake.ducklake, table: items, snapshot: 3, timestamp_field: at, available: {daily_at: "03:00"}}
fields: [{name: item_id, dtype: int64}, {name: at, dtype: date}]
""",
)
SERVICE = """
name: ranking
version: 1
owner: me
description: x
grain: [user_id, item_id]
spine:
  view: events
  filters:
  - {where: amount > 1}
  - {covered_by: {view: items, column: item_id}}
  - {session: {key: [user_id, session_id], having: count(*) > 1}}
  - {sample: {share: 0.5, by: [user_id, item_id], seed: 7, where: amount > 1, weight: w}}
columns:
- {name: price, kind: point_in_time, dtype: double, description: x, default: 1.5, nullable: false, from: prices:cost,
   ttl: 1d, allow_exact: true, available: {after: 10m}}
- {name: hour, kind: derived, dtype: int64, expression: hour_of(at), timezone: Europe/Berlin, label: true}
- {name: cost, kind: point_in_time, dtype: double, available: {daily_at: "03:00"}}
- {name: category, kind: static, dtype: string, latest: true}
splits: {train: 2024-01-02..2024-01-03}
overlapping_labels: allow
checks:
- {column: price, null_share: "< 1%", severity: fail}
- {rows: "within 30% of last 7 days"}
- {unique: [user_id, item_id]}
- {column: price, between: [0, 500]}
- {drift: psi, below: 0.2, reference: last 7 days}
- {column: category, in: [a, b]}
- {coverage: price, at_least: 95%}
"""
DIMENSIONS = {"length": 8, "several": ["1d", "7d"]}
DOCUMENTS: tuple[tuple[type[BaseModel], str], ...] = (
    (RuntimeSettings, RUNTIME),
    (Aggregations, AGGREGATIONS),
    *((FeatureView, view) for view in VIEWS),
    (FeatureService, SERVICE),
)
# What stands in the place of each value, in the words of YAML. A list of one and a mapping hold the value itself.
HOSTILE = ("null", "true", "false", "0", "-1", "1", "1.5", "''", "x y", "[]", "{}", "[null]", "2024-01-02")
# Words of pydantic and of Python, which nobody who writes YAML has to know.
FOREIGN = re.compile(
    r"valid (?:dictionary|tuple|list|integer|string|boolean|number|date)|[Ii]nput should|[Vv]alidation"
    r"|[Ff]ield required|[Ee]xtra inputs|instance of|unable to|\bNone\b|\bTrue\b|\bFalse\b|\btuple\b|\bdict\b|datetime"
)
# Keys whose value may be anything, which is compared with the type of the column later.
ANY = {"default"}
BOOLEANS = {"allow_exact", "label", "nullable", "latest", "preload_day_embeddings"}
# Keys whose value is one of a few words.
WORDS = {
    "engine", "kind", "layout", "missing_partitions", "normalize", "null_timestamps", "order", "overlapping_labels",
    "timestamp_unit",
}  # fmt: skip
# Keys that have a meaning without a value: what is not said, or, of labels, NULL.
NULL = frozenset({
    "address", "age", "aligned_to", "available", "column", "created_field", "day_workers", "expression", "first_day",
    "from", "half_life", "immature", "layout", "lineage", "matures_after", "max_length", "memory_limit", "offset",
    "reference", "snapshot", "temp_directory", "threads", "timestamp_unit", "timezone", "ttl", "weight", "where",
})  # fmt: skip


def parse(model: type[BaseModel], data: Any) -> list[str]:
    """The mistakes in a document of a model, as they are told."""
    mistakes = Mistakes()
    document = Document(Path("file.yaml"), "file.yaml", data, {})
    if model is RuntimeSettings:
        load_runtime(document, {}, mistakes)
    else:
        parse_model(model, document, mistakes, Dimensions(copy.deepcopy(DIMENSIONS)))
    return mistakes.lines


def places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Every entry of a tree."""
    if place:
        yield place
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*place, key))


def value_at(tree: Any, place: Place) -> Any:
    for part in place:
        tree = tree[part]
    return tree


def changed(tree: Any, place: Place, value: Any) -> Any:
    tree = copy.deepcopy(tree)
    value_at(tree, place[:-1])[place[-1]] = value
    return tree


def keys_of(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """The keys of a model and of the models in it, each as `Model.key`."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield field.alias or name
        for nested in models_in(field.annotation):
            yield from keys_of(nested, seen)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


IDS = [f"{model.__name__}{number}" for number, (model, _) in enumerate(DOCUMENTS)]


def test_the_documents_have_every_key() -> None:
    models: dict[type[BaseModel], set[str]] = {}
    for model, text in DOCUMENTS:
        written = models.setdefault(model, set())
        written |= {str(place[-1]) for place in places(yaml.safe_load(text)) if isinstance(place[-1], str)}
    for model, written in models.items():
        assert set(keys_of(model, set())) - written == set(), model


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=IDS)
def test_the_documents_are_right(model: type[BaseModel], text: str) -> None:
    assert parse(model, yaml.safe_load(text)) == []


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=IDS)
def test_a_value_that_does_not_belong_there_is_told_in_our_own_words(model: type[BaseModel], text: str) -> None:
    tree = yaml.safe_load(text)
    for place in places(tree):
        check_values(model, tree, place)


def check_values(model: type[BaseModel], tree: Any, place: Place, null: frozenset[str] = NULL) -> None:
    """What is told of values that do not belong at a place, and what is accepted there."""
    own = value_at(tree, place)
    for value in (*map(yaml.safe_load, HOSTILE), {"a": own}, own * 2 if isinstance(own, list) else [own]):
        told = parse(model, changed(tree, place, value))
        about = f"{place} = {value!r}: {told}"
        assert len([one for one in told if "is missing" not in one and "unknown key" not in one]) <= 1, about
        assert not FOREIGN.search(" ".join(told)), about
        if told:
            check_place(told[0], place, about)
        elif isinstance(place[-1], str):
            check_accepted(place, own, value, null, about)


def check_place(told: str, place: Place, about: str) -> None:
    """What is told begins with the key, or with an entry in it or above it, as it is written."""
    _, _, rest = told.split(":", 2)
    key = rest.strip().partition(":")[0] if re.match(r" [\w.]+: ", rest) else ""
    written = ".".join(map(str, place))
    assert written.startswith(key) or key.startswith(f"{written}."), about


def check_accepted(place: Place, own: Any, value: Any, null: frozenset[str], about: str) -> None:
    """Nothing is accepted in silence that means something else, or nothing at all."""
    key = str(place[-1])
    if key in ANY or (isinstance(value, type(own)) and value != own):
        return
    if value is None:
        assert key in null, about
    if isinstance(value, bool):
        assert key in BOOLEANS, about
    if key in BOOLEANS:
        assert isinstance(value, bool), about


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=IDS)
def test_a_key_in_other_letters_is_unknown(model: type[BaseModel], text: str) -> None:
    tree = yaml.safe_load(text)
    for place in places(tree):
        key = place[-1]
        if not isinstance(key, str) or "field_mapping" in place[:-1] or place[0] in ("splits", "data_until"):
            continue
        if "entity" in place[:-1] or isinstance(value_at(tree, place[:-1]), list):
            continue
        other = copy.deepcopy(tree)
        holder = value_at(other, place[:-1])
        holder[key.upper()] = holder.pop(key)
        told = parse(model, other)
        assert told, place
        assert f"unknown key '{key.upper()}': did you mean '{key}'? " in told[0], told
        assert len(told) == 1, told


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=IDS)
def test_a_word_in_other_letters_is_unknown(model: type[BaseModel], text: str) -> None:
    tree = yaml.safe_load(text)
    for place in places(tree):
        if place[-1] in WORDS:
            own = value_at(tree, place)
            told = parse(model, changed(tree, place, own.upper()))
            assert len(told) == 1, told
            key = ".".join(map(str, place))
            assert f"{key}: '{own.upper()}' is not known here: did you mean '{own}'? Known: " in told[0], told

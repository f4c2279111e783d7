"""Feature views, feature services and aggregations: what they refuse, and with which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daeda.dtypes import TimeUnit
from daeda.errors import ConfigurationError, UsageError
from tests.projects import TinyProject

Change = Callable[[TinyProject], Any]


def prices(**entries: Any) -> Change:
    return lambda project: project.views["prices"].update(entries)


def source(**entries: Any) -> Change:
    return lambda project: project.views["prices"]["source"].update(entries)


def field(index: int, **entries: Any) -> Change:
    return lambda project: project.views["prices"]["fields"][index].update(entries)


def column(index: int, **entries: Any) -> Change:
    return lambda project: project.service["columns"][index].update(entries)


def spec(index: int, **entries: Any) -> Change:
    return lambda project: project.aggregations["aggregation_specs"][index].update(entries)


VIEW, SERVICE, SPECS = "feature_views/prices.yaml", "feature_services/ranking.yaml", "config/training/aggregations.yaml"
REFUSED: list[tuple[Change, str]] = [
    (prices(entity="product"), f"{VIEW}:1: the key of entity 'product', 'product_id' is not one of the fields: Known: "
                               "event_timestamp, item_id, price"),
    (prices(entity=[]), f"{VIEW}:2: entity: the list is empty: write at least one"),
    (prices(field_mapping={"x": "cost"}), f"{VIEW}:1: field_mapping gives 'cost' is not one of the fields: Known: "
                                          "event_timestamp, item_id, price"),
    (prices(field_mapping={"a": "price", "b": "price"}), f"{VIEW}:1: field_mapping gives price from two source "
                                                         "columns: keep one"),
    (prices(field_mapping={"item_id": "price"}),
     f"{VIEW}:1: field_mapping reads item_id for two fields: each source column stands once"),
    (field(2, name="item_id"), f"{VIEW}:1: fields names item_id twice: each field stands once"),
    (field(2, name="Item_Id"), f"{VIEW}:1: fields Item_Id, item_id differ only in case, and SQL does not tell them "
                               "apart: rename one"),
    (field(2, name="__row"), f"{VIEW}:12: fields.2.name: '__row' begins with '__', which is kept for columns that "
                             "daeda "
                             "makes while it works"),
    (field(2, dtype="list<halffloat>"),
     f"{VIEW}:1: fields price: DuckDB has no half type; vectors come from embedding_stores"),
    (source(timestamp_field="time"), f"{VIEW}:1: source.timestamp_field 'time' is not one of the fields: Known: "
                                     "event_timestamp, item_id, price"),
    (source(timestamp_field=None),
     f"{VIEW}:1: created_field, timestamp_unit, available and ttl need a source.timestamp_field"),
    (source(timestamp_field="price"),
     f"{VIEW}:1: 'price' is double: a timestamp is a timestamp[...], a date or an integer with a unit"),
    (source(timestamp_field="item_id"),
     f"{VIEW}:1: 'item_id' is int64: say its source.timestamp_unit (s, ms, us or ns)"),
    (source(timestamp_field="item_id", timestamp_unit="s"),
     f"{VIEW}:1: 'item_id' is both the timestamp and a key"),
    (source(timestamp_unit="s"), f"{VIEW}:1: source.timestamp_unit belongs to integer timestamps: remove it"),
    (source(partition_slack=-1),
     f"{VIEW}:7: source.partition_slack: -1 is too small: write at least 0"),
    (column(0, dtype="list<halffloat>"),
     f"{SERVICE}:9: columns.0: the type list<halffloat> belongs to kind 'embedding', found kind 'key'"),
    (column(8, dtype="list<double>"),
     f"{SERVICE}:39: columns.8: kind 'embedding' is a list<halffloat> or a list<float>, found list<double>"),
    (column(3, kind="derived"),
     f"{SERVICE}:21: columns.3: kind 'derived' and an 'expression' belong together: give both or neither"),
    (column(3, expression="1"),
     f"{SERVICE}:21: columns.3: kind 'derived' and an 'expression' belong together: give both or neither"),
    (column(3, name="price"), f"{SERVICE}:1: columns names price twice: each column stands once"),
    (column(3, kind="spin"), f"{SERVICE}:22: columns.3.kind: 'spin' is not known here: did you mean 'spine'? "
                             "Known: derived, embedding, key, label, point_in_time, rolling, spine, static, timestamp, "
                             "udf"),
    (lambda project: project.service["spine"].update(filters=[{"where": "true", "session": None}, {}]),
     f"{SERVICE}:11: spine.filters.1: a filter has exactly one of 'where', 'covered_by', 'session' and 'sample'"),
    (spec(0, window="1d"),
     f"{SPECS}:2: aggregation_specs.0: give either 'window' (one column) or 'windows' (one column each), and not both"),
    (spec(0, windows=["1d", "1d"]),
     f"{SPECS}:2: aggregation_specs.0: 'windows' names a duration twice, which would make the same column twice"),
    (spec(0, windows="activity"), f"{SPECS}:7: aggregation_specs.0.windows: 'activity' is neither a value nor a name "
                                  "of "
                                  "config/base.yaml: Known: history_len, vector_dim"),
    (spec(0, kind="sum"), f"{SPECS}:2: aggregation_specs.0: kind 'sum' needs a 'column' of the history; without one "
                          "there are only any, count, since_last, decayed_count"),
    (spec(0, max_length=3),
     f"{SPECS}:2: aggregation_specs.0: 'max_length' belongs to list kinds and not to 'count': remove it"),
    (spec(0, order="oldest_first"),
     f"{SPECS}:2: aggregation_specs.0: 'order' belongs to list kinds and not to 'count': remove it"),
    (spec(1, max_length=None), f"{SPECS}:9: aggregation_specs.1: kind 'last_distinct' needs a 'max_length': the newest "
                               "that many items are kept"),
    (spec(1, max_length=0), f"{SPECS}:16: aggregation_specs.1.max_length: '0' is not a whole number above 0"),
    (spec(1, name="events"), f"{SPECS}:9: aggregation_specs has 'events' twice: each name stands once"),
    (lambda project: project.aggregations["embedding_stores"][0].pop("version"),
     f"{SPECS}:23: 'embedding_stores.0.version' is missing"),
    (lambda project: project.views.update(more={**project.views["prices"]}),
     "feature_views/prices.yaml:1: the view 'prices' is declared in feature_views/more.yaml too: rename one"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    project = TinyProject(tmp_path)
    change(project)
    with pytest.raises(ConfigurationError) as raised:
        project.write().load()
    assert str(raised.value) == message


def test_a_view_knows_its_keys_features_units_and_source_names(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.views["prices"] |= {"entity": ["item", "shop"], "field_mapping": {"cost": "price"}}
    project.views["prices"]["source"] |= {"created_field": "known", "timestamp_unit": "ms"}
    project.views["prices"]["fields"][1]["dtype"] = "int64"
    project.views["prices"]["fields"] += [
        {"name": "shop_id", "dtype": "string"},
        {"name": "known", "dtype": "timestamp[ns]"},
    ]
    view = project.write().load().views["prices"]
    assert view.keys == ("item_id", "shop_id")
    assert view.features == ("price",)
    assert (view.source_name("price"), view.source_name("item_id")) == ("cost", "item_id")
    assert (view.unit_of("event_timestamp"), view.unit_of("known")) == (TimeUnit.MILLI, TimeUnit.NANO)


def test_a_spec_with_windows_makes_a_column_for_each(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.base["activity"] = ["1d", "36h", "unbounded"]
    project.aggregations["aggregation_specs"][0]["windows"] = "activity"
    specs = project.write().load().aggregations.aggregation_specs
    assert [output.name for output in specs[0].outputs] == ["events_1d", "events_36h", "events_unbounded"]
    assert [output.name for output in specs[1].outputs] == ["recent_items"]
    assert specs[1].max_length == 3


def test_a_runtime_file_belongs_to_one_service(tmp_path: Path) -> None:
    from daeda.catalog.project import ProjectPaths, load_project

    project = TinyProject(tmp_path).write()
    with pytest.raises(UsageError) as raised:
        load_project(ProjectPaths(project.runtime_path), "rating")
    assert str(raised.value) == "no feature service 'rating': did you mean 'ranking'? Known: ranking"
    (tmp_path / "feature_services/rating.yaml").write_text(
        (tmp_path / "feature_services/ranking.yaml").read_text("utf-8").replace("name: ranking", "name: rating"),
        "utf-8",
    )
    with pytest.raises(UsageError) as raised:
        load_project(ProjectPaths(project.runtime_path), "rating")
    assert str(raised.value) == (
        "config/training/runtime.yaml belongs to the service 'ranking' and not to 'rating': write "
        "config/training/rating/runtime.yaml, or give its file with --runtime-config-path"
    )

"""Keys that another view owns, `latest` columns, and filters of the spine: what the compiler makes, and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ConfigurationError
from daeda.operators.relational import Join, Scan
from daeda.planning.explain import explain_text
from tests.projects import TinyProject, fields

RUNTIME, SERVICE, SPECS = "config/training/runtime.yaml", "feature_services/ranking.yaml", "aggregations.yaml"


def shops(project: TinyProject) -> TinyProject:
    """The shop of an item changes over time, and a shop has a city."""
    project.views["item_shops"] = {
        "name": "item_shops",
        "entity": "item",
        "source": {"path": "item_shops", "timestamp_field": "since"},
        "fields": fields(item_id="int64", since="timestamp[us]", shop_id="int64"),
    }
    project.views["shops"] = {
        "name": "shops",
        "entity": "shop",
        "source": {"path": "shops.parquet"},
        "fields": fields(shop_id="int64", city="string"),
    }
    # The view that needs the key stands before the one that owns it.
    project.runtime["feature_refs"] += ["shops:city", "item_shops:shop_id"]
    return add(project, {"name": "city", "kind": "static", "dtype": "string"})


def add(project: TinyProject, column: dict[str, Any]) -> TinyProject:
    project.service["columns"].append(column)
    project.runtime["output_columns"].append(column["name"])
    return project


def refusal(project: TinyProject) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        project.write().compile()
    return str(raised.value).splitlines()


def flow(project: TinyProject) -> dict[str, tuple[str, ...]]:
    """Inputs of each operator, in the order in which they run."""
    return {operator.name: operator.inputs for operator in project.write().compile().operators}


def test_a_key_that_another_view_owns_is_looked_up_first(tmp_path: Path) -> None:
    inputs = flow(shops(TinyProject(tmp_path)))
    assert inputs["pit_item_shops"] == ("with_prices", "item_shops")
    assert inputs["join_shops"] == ("with_item_shops", "shops")


def test_an_entity_may_be_a_looked_up_key_and_an_attribute_of_its_history(tmp_path: Path) -> None:
    project = shops(TinyProject(tmp_path))
    spec = {"name": "shop_events", "entity": "shop", "kind": "count", "window": "1d"}
    spec["history"] = {"view": "events", "attributes": ["item_shops:shop_id"]}
    project.aggregations["aggregation_specs"].append(spec)
    add(project, {"name": "shop_events", "kind": "rolling", "dtype": "int64"})
    dag = project.write().compile()
    rolling = next(operator for operator in dag.operators if operator.name == "rolling_events_by_shop")
    assert dag.relations[rolling.inputs[0]].column("shop_id").dtype.name == "int64"
    assert rolling.inputs[1] == "events_by_shop_with_shop_id"


def test_views_whose_keys_are_features_of_each_other_are_refused(tmp_path: Path) -> None:
    project = shops(TinyProject(tmp_path))
    project.views["item_shops"]["fields"].append({"name": "owner_id", "dtype": "int64"})
    project.views["item_shops"]["entity"] = "owner"
    project.views["shops"]["fields"].append({"name": "owner_id", "dtype": "int64"})
    assert refusal(project) == [
        f"{RUNTIME}:6: the views shops -> item_shops -> shops need features of each other as keys, so none can be "
        "looked up first: give the spine one of these keys"
    ]


def test_a_key_that_two_views_own_is_refused(tmp_path: Path) -> None:
    project = shops(TinyProject(tmp_path))
    project.views["items"]["fields"].append({"name": "shop_id", "dtype": "int64"})
    assert refusal(project)[0] == (
        "feature_views/shops.yaml:2: the entity key 'shop_id' is a feature of 'items' and 'item_shops': rename one "
        "with field_mapping"
    )


def test_an_attribute_needs_its_keys_in_the_history_and_a_name_of_its_own(tmp_path: Path) -> None:
    project = shops(TinyProject(tmp_path))
    project.aggregations["aggregation_specs"][0]["history"] = {"view": "events", "attributes": ["shops:city"]}
    project.views["shops"]["fields"].append({"name": "amount", "dtype": "double"})
    project.views["shops"]["entity"] = "shop"
    project.aggregations["aggregation_specs"][1]["history"] = {
        "view": "events",
        "attributes": ["item_shops:shop_id", "shops:amount"],
    }
    assert refusal(project) == [
        f"config/training/{SPECS}:2: the attribute 'shops:city' is looked up by 'shop_id', which the history 'events' "
        "does not have: Known: amount, event_timestamp, item_id, user_id",
        f"config/training/{SPECS}:11: the attribute 'shops:amount' has the name of a column of the history: rename it "
        "in its view",
    ]


def latest_price(project: TinyProject) -> TinyProject:
    project.column("price").update(kind="static", latest=True)
    return project


def test_a_latest_column_reads_every_partition_and_says_that_it_sees_the_future(tmp_path: Path) -> None:
    project = latest_price(TinyProject(tmp_path))
    project.views["prices"]["source"]["created_field"] = "known"
    project.views["prices"]["fields"] += fields(known="timestamp[us]")
    dag = project.write().compile()
    scan = next(operator for operator in dag.operators if operator.name == "scan_latest_prices")
    join = next(operator for operator in dag.operators if operator.name == "join_latest_prices")
    assert isinstance(scan, Scan)
    assert isinstance(join, Join)
    assert (scan.reads, scan.lookback) == ("static", None)
    assert (join.created, join.tie_order) == (scan.created, ("price",))
    dag.require_runnable()
    assert "on item_id, newest by event_timestamp (sees the future); takes price" in explain_text(dag)


def test_latest_belongs_to_a_static_column_of_a_view_that_changes(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.column("category")["latest"] = True
    assert refusal(project) == [
        f"{SERVICE}:24: column 'category' is declared latest, and the view 'items' has no timestamp: it has one row "
        "per key, so remove 'latest'"
    ]
    project.column("price")["latest"] = True
    assert refusal(project) == [
        f"{SERVICE}:29: columns.5: 'latest' belongs to kind 'static' and not to 'point_in_time': remove it"
    ]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"session": {"key": "user_id", "having": "count(*)"}}, "having 'count(*)' gives BIGINT: a condition is true "
                                                                "or false"),
        ({"session": {"key": "user_id", "having": "amount > 1"}}, "having 'amount > 1' does not fit the columns: "
         'Binder Error: column "amount" must appear in the GROUP BY clause or must be part of an aggregate function.'),
        ({"session": {"key": "user_id", "having": "sum(count(*)) > 1"}}, "having 'sum(count(*)) > 1' does not fit the "
         "columns: Binder Error: aggregate function calls cannot be nested"),
        ({"covered_by": {"view": "prices", "column": "item_id"}}, "key 'item_id' is int64 on the left side and string "
                                                                  "on the right: declare the same type"),
    ],
)  # fmt: skip
def test_a_filter_that_does_not_fit_is_refused_with_its_line(
    tmp_path: Path, filters: dict[str, Any], message: str
) -> None:
    project = TinyProject(tmp_path).without("price")
    project.views["prices"]["fields"][0]["dtype"] = "string"
    project.service["spine"]["filters"] = [filters]
    sentences = refusal(project)
    assert len(sentences) == 1
    assert sentences[0].startswith(f"{SERVICE}:9: {message}")

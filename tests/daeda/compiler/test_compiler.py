"""From a project to its DAG: what is pruned, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ConfigurationError
from daeda.operators.dag import Dag
from daeda.operators.relational import Project, Scan
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate
from tests.projects import TinyProject

SERVICE, SPECS = "feature_services/ranking.yaml", "config/training/aggregations.yaml"
Change = Callable[[TinyProject], Any]


def scan(dag: Dag, name: str) -> list[str]:
    result = next(scan for scan in dag.scans if scan.name == name)
    return [column.name for column in result.columns]


def operator(dag: Dag, name: str) -> Any:
    return next(operator for operator in dag.operators if operator.name == name)


def with_fields(project: TinyProject, view: str, *names: str) -> None:
    project.views[view]["fields"] += [{"name": name, "dtype": "int64"} for name in names]


def test_columns_behind_the_last_needed_one_are_not_read(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.views["prices"]["fields"].insert(0, {"name": "shop", "dtype": "string"})
    with_fields(project, "prices", "colour", "size")
    dag = project.write().compile()
    pit = operator(dag, "pit_prices")
    assert isinstance(pit, PointInTimeJoin)
    assert (pit.tie_order, pit.columns) == (("shop", "price"), ("price",))
    assert scan(dag, "scan_prices") == ["shop", "item_id", "event_timestamp", "price"]


def test_a_history_that_is_only_counted_needs_no_tie_order(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("recent_items")
    dag = project.write().compile()
    rolling = operator(dag, "rolling_events_by_user")
    assert isinstance(rolling, RollingAggregate)
    assert rolling.tie_order == ()
    assert scan(dag, "scan_events_by_user") == ["user_id", "event_timestamp"]


def test_a_key_that_is_not_grouped_by_orders_ties(tmp_path: Path) -> None:
    rolling = operator(TinyProject(tmp_path).write().compile(), "rolling_events_by_user")
    assert rolling.tie_order == ("item_id",)


def test_the_spine_is_ordered_by_time_then_grain_then_what_the_output_needs(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.service["grain"] = ["item_id", "user_id"]
    with_fields(project, "events", "unused")
    spine = operator(project.write().compile(), "scan_spine")
    assert spine.order_by == ("event_timestamp", "item_id", "user_id", "amount")
    assert "unused" not in [column.name for column in spine.columns]


def test_the_key_of_a_looked_up_view_is_read_even_where_the_output_has_it_not(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("item_id", "item_vector")
    project.service["grain"] = ["user_id"]
    dag = project.write().compile()
    assert scan(dag, "scan_spine") == ["user_id", "item_id", "event_timestamp", "amount"]
    assert "item_id" not in dag.output.names


def test_windows_over_one_history_share_one_scan_and_one_sort(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.aggregations["aggregation_specs"][1]["window"] = "3d"
    dag = project.write().compile()
    scans = [scan for scan in dag.scans if scan.view == "events"]
    assert [(scan.name, str(scan.lookback)) for scan in scans] == [
        ("scan_spine", "None"),
        ("scan_events_by_user", "3d"),
    ]
    assert [aggregate.name for aggregate in operator(dag, "rolling_events_by_user").aggregates] == [
        "events_1d",
        "recent_items",
    ]


def test_a_filter_of_the_history_makes_a_history_of_its_own(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.aggregations["aggregation_specs"][0]["where"] = "amount > 1"
    dag = project.write().compile()
    assert [operator.name for operator in dag.operators if "events_by_user" in operator.name] == [
        "scan_events_by_user_rows", "filter_events_by_user", "rolling_events_by_user", "scan_events_by_user_2",
        "rolling_events_by_user_2",
    ]  # fmt: skip


def test_an_attribute_is_joined_as_of_the_time_of_the_history_row(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    spec = project.aggregations["aggregation_specs"][1]
    spec |= {"history": {"view": "events", "attributes": ["prices:price"]}, "column": "price"}
    project.column("recent_items")["dtype"] = "list<double>"
    dag = project.write().compile()
    join = next(operator for operator in dag.operators if operator.output == "events_by_user_2_with_price")
    assert isinstance(join, PointInTimeJoin)
    assert (join.left_time.column, str(join.ttl)) == ("event_timestamp", "1d")
    # The key of the attribute decides a tie, and with it which of two prices is the newer one.
    assert operator(dag, "rolling_events_by_user_2").tie_order == ("item_id",)


def test_an_unbounded_window_reads_everything_before(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    del project.views["prices"]["ttl"]
    scan = operator(project.write().compile(), "scan_prices")
    assert isinstance(scan, Scan)
    assert scan.lookback is not None
    assert scan.lookback.nanoseconds is None


def test_a_column_that_nobody_makes_is_its_default(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.runtime["output_columns"][5] = {"name": "price", "default": 9.5}
    project.runtime["feature_refs"] = ["items:category"]
    dag = project.write().compile()
    assemble = operator(dag, "assemble")
    assert isinstance(assemble, Project)
    price = next(column for column in assemble.columns if column.name == "price")
    assert (price.source, price.default) == (None, 9.5)
    assert all(scan.view != "prices" for scan in dag.scans)


def test_a_derived_column_brings_what_it_reads(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("amount", "price")
    project.runtime["feature_refs"].append("prices:price")
    project.runtime["output_columns"].append("dear")
    derived = {"name": "dear", "kind": "derived", "dtype": "bool", "expression": "amount > coalesce(price, 0.0)"}
    project.service["columns"].append(derived)
    dag = project.write().compile()
    assert "amount" in scan(dag, "scan_spine")
    assert operator(dag, "pit_prices").columns == ("price",)
    assert [name for name in dag.output.names if name in ("amount", "price", "dear")] == ["dear"]


def test_spine_filters_run_in_their_order_and_read_what_they_need(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("amount")
    project.service["spine"]["filters"] = [
        {"where": "amount > 0"},
        {"covered_by": {"view": "items", "column": "item_id"}},
    ]
    dag = project.write().compile()
    assert [(operator.name, operator.inputs) for operator in dag.operators if operator.op_kind == "filter"] == [
        ("filter_spine_1", ("spine",)),
        ("filter_spine_2", ("spine_1", "covered_2")),
    ]
    assert "amount" in scan(dag, "scan_spine")
    assert scan(dag, "scan_covered_2") == ["item_id"]


def column(which: str, /, **entries: Any) -> Change:
    return lambda project: project.column(which).update(entries)


def runtime(**entries: Any) -> Change:
    return lambda project: project.runtime.update(entries)


def output(index: int, value: Any) -> Change:
    return lambda project: project.runtime["output_columns"].__setitem__(index, value)


def references(*refs: str) -> Change:
    return lambda project: project.runtime.update(feature_refs=["items:category", "prices:price", *refs])


def spec(index: int, **entries: Any) -> Change:
    return lambda project: project.aggregations["aggregation_specs"][index].update(entries)


def enrichment(**entries: Any) -> Change:
    return lambda project: project.aggregations["enrichment_specs"][0].update(entries)


def prices_field(index: int, **entries: Any) -> Change:
    return lambda project: project.views["prices"]["fields"][index].update(entries)


def also_in_items(project: TinyProject) -> None:
    project.views["items"]["fields"].append({"name": "price", "dtype": "double"})


def spine(**entries: Any) -> Change:
    return lambda project: project.service["spine"].update(entries)


RUNTIME = "config/training/runtime.yaml"
REFUSED: dict[str, tuple[Change, list[str]]] = {
    "ambiguous feature": (also_in_items, [
        f"{SERVICE}:28: column 'price' is a feature of 'items' and 'prices': rename one with field_mapping",
        f"{RUNTIME}:8: nothing uses 'prices:price': remove it, or add a column 'price' to the service",
    ]),
    "feature not referenced": (runtime(feature_refs=["items:category"]), [
        f"{SERVICE}:28: column 'price' (kind point_in_time) is made by no referenced view: add 'prices:price' to "
        "feature_refs",
    ]),
    "no such feature": (column("price", name="cost"), [
        f"{RUNTIME}:15: output column 'price' is not a column of the service 'ranking': Known: amount, category, cost, "
        "event_timestamp, events_1d, item_id, item_vector, recent_items, user_id",
        f"{SERVICE}:28: column 'cost' is not in output_columns of runtime.yaml: add it there",
        f"{SERVICE}:28: column 'cost' (kind point_in_time) is made by no referenced view: Known: category, price",
        f"{RUNTIME}:8: nothing uses 'prices:price': remove it, or add a column 'price' to the service",
    ]),
    "reference that nothing uses": (lambda project: (also_in_items(project), references("items:price")(project)), [
        f"{SERVICE}:28: column 'price' is a feature of 'items' and 'prices': rename one with field_mapping",
        f"{RUNTIME}:8: nothing uses 'prices:price': remove it, or add a column 'price' to the service",
        f"{RUNTIME}:9: nothing uses 'items:price': remove it, or add a column 'price' to the service",
    ]),
    "reference to nothing": (references("itms:category", "items:categories", "items"), [
        f"{RUNTIME}:9: no feature view 'itms': did you mean 'items'? Known: events, items, prices",
        f"{RUNTIME}:10: the view 'items' has no feature 'categories': did you mean 'category'? Known: category",
        f"{RUNTIME}:11: 'items' is not a reference: write view:feature",
    ]),
    "kind of a view that changes": (column("price", kind="static"), [
        f"{SERVICE}:28: column 'price' is declared static, and the view 'prices' changes over time: its kind is "
        "point_in_time",
    ]),
    "kind of a view that does not": (column("category", kind="point_in_time"), [
        f"{SERVICE}:24: column 'category' is declared point_in_time, and the view 'items' has no timestamp: its kind "
        "is "
        "static",
    ]),
    "type of a feature": (column("price", dtype="float"), [
        f"{SERVICE}:28: column 'price' is declared float, and the view 'prices' makes double"]),
    "type of a spine column": (column("amount", dtype="float"), [
        f"{SERVICE}:21: column 'amount' is declared float, and the view 'events' makes double"]),
    "type of an aggregate": (column("events_1d", dtype="int32"), [
        f"{SERVICE}:31: column 'events_1d' is declared int32, and the aggregation 'events' makes int64"]),
    "no such spine column": (column("amount", name="amuont"), [
        f"{RUNTIME}:13: output column 'amount' is not a column of the service 'ranking': did you mean 'amuont'? Known: "
        "amuont, category, event_timestamp, events_1d, item_id, item_vector, price, recent_items, user_id",
        f"{SERVICE}:21: column 'amuont' (kind spine) is not a field of the spine view 'events': did you mean 'amount'? "
        "Known: amount, event_timestamp, item_id, user_id",
    ]),
    "defaults that differ": (output(4, {"name": "category", "default": "none"}), [
        f"{RUNTIME}:14: the default of 'category' is 'none' here and 'unknown' in the service: keep one"]),
    "default of another type": (column("category", default=3), [
        f"{SERVICE}:24: the default of 'category': 3 is not a value of string: YAML does not read it as text, so quote "
        "it"]),
    "default of another type in the output": (output(5, {"name": "price", "default": "none"}), [
        f"{RUNTIME}:15: the default of 'price': 'none' is not a value of double"]),
    "default of a vector": (column("item_vector", default=[]), [
        f"{SERVICE}:39: column 'item_vector' is an embedding: its only default is null"]),
    "column missing from the output": (lambda project: project.runtime["output_columns"].pop(3), [
        f"{SERVICE}:21: column 'amount' is not in output_columns of runtime.yaml: add it there"]),
    "no such aggregate": (column("events_1d", name="events_2d"), [
        f"{RUNTIME}:16: output column 'events_1d' is not a column of the service 'ranking': did you mean 'events_2d'? "
        "Known: amount, category, event_timestamp, events_2d, item_id, item_vector, price, recent_items, user_id",
        f"{SERVICE}:31: column 'events_2d' (kind rolling) is made by no aggregation_spec: did you mean 'events_1d'? "
        "Known: events_1d, recent_items",
    ]),
    "history of no view": (spec(0, history={"view": "event"}), [
        f"{SPECS}:2: no feature view 'event': did you mean 'events'? Known: events, items, prices"]),
    "history without time": (spec(0, history={"view": "items"}), [
        f"{SPECS}:2: the view 'items' has no source.timestamp_field, and a history needs one"]),
    "history without the entity": (spec(0, entity="basket"), [
        f"{SPECS}:2: the entity key 'basket_id' is not a field of the view 'events': did you mean 'user_id'? Known: "
        "amount, event_timestamp, item_id, user_id"]),
    "history that lacks the column": (spec(1, column="item"), [
        f"{SPECS}:9: no column 'item': did you mean 'item_id'? Known: amount, event_timestamp, item_id, user_id"]),
    "history without the attribute": (spec(0, history={"view": "events", "attributes": ["items:colour"]}), [
        f"{SPECS}:2: no attribute 'items:colour': did you mean 'items:category'? Known: events:amount, items:category, "
        "prices:price"]),
    "condition of a history": (spec(0, where="amout > 1"), [
        f"{SPECS}:9: where reads 'amout', which is not a column here: did you mean 'amount'? Known: amount, "
        "event_timestamp, item_id, user_id"]),
    "key of another type": (prices_field(0, dtype="int32"), [
        "feature_views/prices.yaml:2: the entity key 'item_id' is int64 in 'events' and int32 in 'prices': declare the "
        "same type"]),
    "no such enrichment": (lambda project: (enrichment(name="vector")(project), output(8, "item_vector")(project)), [
        f"{SERVICE}:39: column 'item_vector' (kind embedding) is made by no enrichment_spec: did you mean 'vector'? "
        "Known: vector"]),
    "no such store": (enrichment(store="vector"), [
        f"{SPECS}:18: no embedding store 'vector': did you mean 'vectors'? Known: vectors"]),
    "enrichment of no column": (enrichment(column="item"), [
        f"{SPECS}:18: 'item_vector' reads the column 'item', which the service does not have: did you mean 'item_id'? "
        "Known: amount, category, event_timestamp, events_1d, item_id, item_vector, price, recent_items, user_id"]),
    "spine of no view": (spine(view="event"), [
        f"{SERVICE}:7: no feature view 'event': did you mean 'events'? Known: events, items, prices"]),
    "spine without time": (spine(view="items"), [
        f"{SERVICE}:7: the view 'items' has no source.timestamp_field, and a spine needs one"]),
    "grain": (lambda project: project.service.update(grain=["user_id", "item"]), [
        f"{SERVICE}:5: grain 'item' is not a field of the spine view 'events': did you mean 'item_id'? Known: amount, "
        "event_timestamp, item_id, user_id"]),
    "filters": (spine(filters=[{"where": "amount"}, {"covered_by": {"view": "item", "column": "item_id"}},
                               {"covered_by": {"view": "items", "column": "user_id"}}]), [
        f"{SERVICE}:9: the filter 'amount' gives DOUBLE: a condition is true or false",
        f"{SERVICE}:10: no feature view 'item': did you mean 'items'? Known: events, items, prices",
        f"{SERVICE}:13: no column 'user_id': Known: category, item_id",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    change, messages = REFUSED[case]
    project = TinyProject(tmp_path)
    change(project)
    with pytest.raises(ConfigurationError) as raised:
        project.write().compile()
    assert str(raised.value).splitlines() == messages


def derived(expression: str, dtype: str) -> Change:
    def change(project: TinyProject) -> None:
        column = {"name": "more", "kind": "derived", "dtype": dtype, "expression": expression}
        project.service["columns"].append(column)
        project.runtime["output_columns"].append("more")

    return change


@pytest.mark.parametrize(
    ("expression", "dtype", "message"),
    [
        ("amount * 2", "int64", f"{SERVICE}:45: the expression of 'more' gives DOUBLE, and the contract says int64 "
                                "(BIGINT): change the type, or write CAST(... AS BIGINT)"),
        ("amout * 2", "double", f"{SERVICE}:45: the expression of 'more' reads 'amout', which nobody makes: did you "
                                "mean "
                                "'amount'? Known: amount, category, event_timestamp, events_1d, item_id, "
                                "item_vector, price, "
                                "recent_items, user_id"),
        ("sum(amount)", "double", f"{SERVICE}:45: the expression of 'more' 'sum(amount)' is limited to scalar SQL over "
                                  "columns, found 'SUM(amount)'"),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_refused(tmp_path: Path, expression: str, dtype: str, message: str) -> None:
    project = TinyProject(tmp_path)
    derived(expression, dtype)(project)
    with pytest.raises(ConfigurationError) as raised:
        project.write().compile()
    assert str(raised.value) == message

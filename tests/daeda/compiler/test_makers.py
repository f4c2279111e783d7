"""One maker for each column: two are refused with both places, whatever makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ConfigurationError
from tests.projects import TinyProject, fields

FUNCTION = {"name": "events_1d", "function": "own:f", "columns": ["amount"], "dtype": "int64"}
HERE = "config/training/aggregations.yaml"


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "entity": "user", "history": {"view": "events"}, "kind": "count", "window": "2d", **more}


def _spec(made: TinyProject) -> None:
    made.aggregations["aggregation_specs"].append(spec("events_1d"))


def _windows(made: TinyProject) -> None:
    made.aggregations["aggregation_specs"].append(spec("recent_items_1d"))
    del made.aggregations["aggregation_specs"][1]["window"]
    made.aggregations["aggregation_specs"][1]["windows"] = ["1d"]


def _function(made: TinyProject) -> None:
    made.aggregations["udf_specs"] = [FUNCTION]


def _vector(made: TinyProject) -> None:
    made.aggregations["enrichment_specs"][0]["name"] = "events_1d"


def _function_and_vector(made: TinyProject) -> None:
    made.aggregations["udf_specs"] = [{**FUNCTION, "name": "item_vector"}]


def _case(made: TinyProject) -> None:
    made.aggregations["aggregation_specs"].append(spec("EVENTS_1D"))


def _derived(made: TinyProject) -> None:
    made.column("events_1d").update(kind="derived", expression="item_id + 1")


def _read_of_two(made: TinyProject) -> None:
    made.service["columns"].append({"name": "twice", "kind": "derived", "dtype": "double", "expression": "other * 2"})
    made.runtime["output_columns"].append("twice")
    made.views["events"]["fields"] += fields(other="double")
    made.aggregations["aggregation_specs"].append(spec("other"))


def _read_of_two_views(made: TinyProject) -> None:
    made.service["columns"].append({"name": "twice", "kind": "derived", "dtype": "string", "expression": "other"})
    made.runtime["output_columns"].append("twice")
    for view in ("items", "prices"):
        made.views[view]["fields"] += fields(other="string")


def _alike(made: TinyProject) -> None:
    made.views["items"]["fields"] += fields(Amount="double")
    made.service["columns"].append({"name": "Amount", "kind": "static", "dtype": "double"})
    made.runtime["output_columns"].append("Amount")
    made.runtime["feature_refs"].append("items:Amount")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_spec, f"{HERE}:17: the column 'events_1d' is made here and in {HERE}:2: rename one"),
        (_windows, f"{HERE}:18: the column 'recent_items_1d' is made here and in {HERE}:9: rename one"),
        (_function, f"{HERE}:30: the column 'events_1d' is made here and in {HERE}:2: rename one"),
        (_vector, f"{HERE}:18: the column 'events_1d' is made here and in {HERE}:2: rename one"),
        (_function_and_vector, f"{HERE}:18: the column 'item_vector' is made here and in {HERE}:30: rename one"),
        (_case, f"{HERE}:17: the column 'EVENTS_1D' differs from 'events_1d' in {HERE}:2 only in case, and SQL does "
         "not tell them apart: rename one"),
        (_derived, "feature_services/ranking.yaml:31: the column 'events_1d' is made by its expression and by the "
         f"aggregation_spec at {HERE}:2: rename one"),
        (_read_of_two, "feature_services/ranking.yaml:45: the expression of 'twice' reads 'other', which is made by "
         "the spine view 'events' (feature_views/events.yaml:17) and by the aggregation_spec at "
         f"{HERE}:17: rename one"),
        (_read_of_two_views, "feature_services/ranking.yaml:45: the expression of 'twice' reads 'other', which is made "
         "by the view 'items' (feature_views/items.yaml:10) and by the view 'prices' (feature_views/prices.yaml:14): "
         "rename one"),
        (_alike, "feature_views/items.yaml:10: the column 'Amount' differs from 'amount' "
         "(feature_views/events.yaml:15) only in case, and SQL does not tell them apart: rename one, of a view with "
         "field_mapping"),
    ],
)  # fmt: skip
def test_two_makers_of_a_column_are_refused(change: Callable[[TinyProject], None], told: str, tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    change(made)
    with pytest.raises(ConfigurationError) as caught:
        made.write().compile()
    assert str(caught.value).splitlines()[0] == told


def test_an_expression_may_read_what_bears_its_own_name(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.column("events_1d").update(kind="derived", expression="coalesce(events_1d, 0) + 1")
    assert made.write().compile().output.column("events_1d").dtype.name == "int64"


def test_a_field_of_the_spine_goes_before_a_feature_that_nothing_refers_to(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.service["columns"].append({"name": "twice", "kind": "derived", "dtype": "double", "expression": "other * 2"})
    made.runtime["output_columns"].append("twice")
    for view in ("events", "prices"):
        made.views[view]["fields"] += fields(other="double")
    assert [scan.name for scan in made.write().compile().scans if any(c.name == "other" for c in scan.columns)] == [
        "scan_spine"
    ]

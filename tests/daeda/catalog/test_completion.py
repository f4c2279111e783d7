"""What files leave out is what they would say: the same operators, fingerprints and types; else one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_project
from daeda.errors import ConfigurationError
from daeda.planning.configuration import configuration
from tests.projects import TinyProject, fields

ROOT = Path(__file__).resolve().parents[3]
LEFT_OUT = ("feature_refs", "output_columns")


def shortened(project: TinyProject) -> TinyProject:
    """The same project, saying each thing once."""
    project.runtime = {key: value for key, value in project.runtime.items() if key not in LEFT_OUT}
    for column in project.service["columns"]:
        if column["kind"] in ("rolling", "label"):
            del column["dtype"]
    return project


def test_both_spellings_are_the_same_operators_and_fingerprints(tmp_path: Path) -> None:
    long = TinyProject(tmp_path / "long").write().load()
    short = shortened(TinyProject(tmp_path / "short")).write().load()
    assert short.runtime.output_columns[:3] == long.runtime.output_columns[:3]
    assert short.runtime.feature_refs == ("items:category", "prices:price") == long.runtime.feature_refs
    assert [column.dtype for column in short.service.columns] == [column.dtype for column in long.service.columns]
    assert compile_project(short).to_model() == compile_project(long).to_model()
    assert configuration(short) == configuration(long)


@pytest.mark.parametrize("example", [".", "examples/complete_journey"])
def test_the_examples_are_the_same_when_they_say_less(example: str, tmp_path: Path) -> None:
    written = load_project(ProjectPaths(ROOT / example / "config/training/runtime.yaml"))
    for folder in ("config", "feature_views", "feature_services"):
        for path in (ROOT / example / folder).rglob("*.yaml"):
            target = tmp_path / path.relative_to(ROOT / example)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_said_once(path), encoding="utf-8")
    short = load_project(ProjectPaths(tmp_path / "config/training/runtime.yaml"))
    assert set(short.runtime.feature_refs) == set(written.runtime.feature_refs)
    assert {column.name: column.dtype for column in short.service.columns} == {
        column.name: column.dtype for column in written.service.columns
    }
    # The order of references is that of the look-ups: left out, it is that of the names of the views.
    in_order = written.runtime.model_copy(update={"feature_refs": tuple(sorted(written.runtime.feature_refs))})
    written = replace(written, runtime=in_order)
    listed = short.runtime.model_copy(update={"output_columns": written.runtime.output_columns})
    short = replace(short, root=written.root, runtime=listed)
    assert compile_project(short).to_model() == compile_project(written).to_model()
    assert configuration(short) == configuration(written)


def _said_once(path: Path) -> str:
    data: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    for column in data.get("columns", ()) if path.parent.name == "feature_services" else ():
        if column["kind"] in ("rolling", "label"):
            column.pop("dtype")
    kept = {key: value for key, value in data.items() if key not in LEFT_OUT}
    return yaml.dump(kept, Dumper=yaml.CSafeDumper, sort_keys=False)


def test_a_key_is_named(tmp_path: Path) -> None:
    """Views name a key that has no `_id`; specs that only name the entity take it."""
    project = renamed_user(TinyProject(tmp_path)).without("recent_items")
    loaded = project.write().load()
    assert loaded.views["events"].keys == ("tailnum", "item_id")
    rolling = next(op for op in compile_project(loaded).operators if op.op_kind == "rolling_aggregate")
    assert (rolling.keys, rolling.name) == (("tailnum",), "rolling_events_by_user")


def renamed_user(project: TinyProject) -> TinyProject:
    project.views["events"] |= {
        "entity": [{"user": "tailnum"}, "item"],
        "fields": fields(tailnum="int64", item_id="int64", event_timestamp="timestamp[us]", amount="double"),
    }
    project.service["grain"] = ["tailnum", "item_id"]
    project.column("user_id")["name"] = "tailnum"
    project.runtime["output_columns"][0] = "tailnum"
    return project


def test_naming_the_usual_key_changes_nothing(tmp_path: Path) -> None:
    usual = TinyProject(tmp_path / "usual").write().compile()
    named = TinyProject(tmp_path / "named")
    named.views["events"]["entity"] = {"user": "user_id", "item": "item_id"}
    assert named.write().compile().to_model() == usual.to_model()


def test_an_entity_has_one_key(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.views["items"]["entity"] = {"item": "sku"}
    project.views["items"]["fields"] = fields(sku="int64", category="string")
    assert message(project) == (
        "feature_views/events.yaml:2: the key of entity 'item' is 'item_id' here and 'sku' in the view 'items': an "
        "entity has one key everywhere, so rename the column of one with field_mapping\n"
        "feature_views/prices.yaml:2: the key of entity 'item' is 'item_id' here and 'sku' in the view 'items': an "
        "entity has one key everywhere, so rename the column of one with field_mapping"
    )


def test_two_views_with_one_feature_are_not_chosen_between(tmp_path: Path) -> None:
    project = shortened(TinyProject(tmp_path))
    project.views["others"] = {**project.views["items"], "name": "others"}
    assert message(project) == (
        "feature_services/ranking.yaml:24: column 'category' is a feature of 'items' and 'others', and feature_refs "
        "of runtime.yaml, which is left out, does not choose: write items:category and the other references there, "
        "rename one with field_mapping, or write 'from' where the kind is point_in_time"
    )


def test_features_that_only_expressions_and_keys_need(tmp_path: Path) -> None:
    """What a text or a function is called is no column; a key that the spine lacks is looked up first."""
    project = shortened(TinyProject(tmp_path))
    project.views["items"]["fields"] += fields(shop_id="int64", price_text="string")
    project.views["shops"] = {
        "name": "shops", "entity": "shop", "source": {"path": "shops.parquet"},
        "fields": fields(shop_id="int64", city="string"),
    }  # fmt: skip
    project.service["columns"] = [one for one in project.service["columns"] if one["name"] != "category"]
    project.service["columns"].append(
        {"name": "label", "kind": "derived", "dtype": "string", "expression": "concat(city, 'price_text')"}
    )
    loaded = project.write().load()
    assert loaded.runtime.feature_refs == ("items:shop_id", "prices:price", "shops:city")
    compile_project(loaded)


def test_a_type_is_left_out_only_where_an_aggregate_tells_it(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    del project.column("price")["dtype"]
    assert message(project) == (
        "feature_services/ranking.yaml:28: columns.5: 'dtype' is missing, and only kinds rolling and label can do "
        "without, found 'point_in_time'"
    )


def test_a_literal_has_its_type_written(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.service["columns"].append({"name": "later", "kind": "rolling"})
    project.runtime["output_columns"].append({"name": "later", "default": 1})
    assert message(project) == (
        "feature_services/ranking.yaml:42: column 'later' has no dtype, and no aggregate that would tell it makes the "
        "column: write its dtype"
    )


def test_mistakes_of_a_spec_are_told_without_its_type(tmp_path: Path) -> None:
    project = shortened(TinyProject(tmp_path))
    project.aggregations["aggregation_specs"][1]["column"] = "itm_id"
    assert "'itm_id'" in message(project)


def message(project: TinyProject) -> str:
    with pytest.raises(ConfigurationError) as caught:
        project.write().compile()
    return str(caught.value)


@pytest.mark.parametrize("name", ["every_kind", "labels", "sequences"])
def test_the_types_of_all_kinds(name: str, tmp_path: Path) -> None:
    """`every_kind` declares each kind of windows: without its types it is the same, and so are labels."""
    case = ROOT / "tests/cases" / name
    long = load_project(ProjectPaths(case / "config/training/runtime.yaml"))
    for path in case.rglob("*.yaml"):
        target = tmp_path / path.relative_to(case)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_said_once(path), encoding="utf-8")
    short = load_project(ProjectPaths(tmp_path / "config/training/runtime.yaml"))
    assert types(short) == types(long)


def test_the_types_of_labels_that_are_sequences(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    spec = {"entity": "user", "history": {"view": "events"}, "kind": "sequence", "columns": ["item_id", "amount"],
            "age": "age", "window": "1d", "max_length": 3}  # fmt: skip
    project.aggregations["label_specs"] = [{"name": "rows", **spec}, {"name": "apart", **spec, "layout": "columns"}]
    made = {
        "rows": "list<struct<item_id: int64, amount: double, age: int64>>",
        "apart_item_id": "list<int64>",
        "apart_amount": "list<double>",
        "apart_age": "list<int64>",
    }
    project.service["columns"] += [{"name": name, "kind": "label"} for name in made]
    project.runtime["output_columns"] += list(made)
    read = project.write().load()
    assert {name: dtype for name, dtype in types(read).items() if name in made} == made
    compile_project(read)


def types(project: Project) -> dict[str, str]:
    return {column.name: column.dtype.name for column in project.service.columns}

"""What nothing uses is told with its line, and fields that nobody reads are checked in the files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from daeda.cli.main import main
from daeda.compiler.compile import compile_project
from daeda.compiler.unused import unused_fields, warnings_of
from tests.projects import TinyProject, fields, moment, write_parquet


def told(made: TinyProject) -> list[str]:
    loaded = made.write().load()
    return list(warnings_of(loaded, compile_project(loaded)))


def test_a_project_that_uses_all_it_declares_is_told_nothing(tmp_path: Path) -> None:
    assert told(TinyProject(tmp_path)) == []


def test_each_kind_of_declaration(tmp_path: Path) -> None:
    made = TinyProject(tmp_path).without("item_vector", "recent_items", "price")
    made.runtime["feature_refs"] = [ref for ref in made.runtime["feature_refs"] if "price" not in ref]
    made.aggregations["udf_specs"] = [{"name": "f", "function": "a.b:c", "columns": ["amount"], "dtype": "double"}]
    made.aggregations["aggregation_specs"][0] |= {"windows": ["1d", "7d"], "name": "events"}
    made.views["items"]["fields"] += fields(colour="string", size="int64")
    made.base["forgotten"] = 3
    assert told(made) == [
        "config/base.yaml:3: 'forgotten' is used by no other file",
        "config/training/aggregations.yaml:2: nothing uses the aggregation 'events_7d'",
        "config/training/aggregations.yaml:10: nothing uses the aggregation 'recent_items'",
        "config/training/aggregations.yaml:31: nothing uses the udf 'f'",
        "config/training/aggregations.yaml:19: nothing uses the enrichment 'item_vector'",
        "config/training/aggregations.yaml:24: nothing uses the embedding store 'vectors'",
        "feature_views/prices.yaml:1: nothing uses the feature view 'prices'",
    ]
    loaded = made.write().load()
    assert list(unused_fields(loaded, compile_project(loaded))) == [
        "feature_views/items.yaml:10: nothing uses 'colour', 'size' of the view 'items': its files are checked for it, "
        "and it is not read",
    ]


def test_many_of_one_kind_are_one_line(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    for number in range(8):
        made.views[f"other_{number}"] = made.views["items"] | {"name": f"other_{number}"}
    assert told(made) == [
        "feature_views/other_0.yaml:1: nothing uses the feature view 'other_0', 'other_1', 'other_2', 'other_3', "
        "'other_4', 'other_5' and 2 more"
    ]


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_what_another_service_may_use_is_told_by_nobody(own: bool, tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    vector = made.column("item_vector")
    made.without("item_vector", "recent_items", "price")
    made.base["theirs"] = 3
    made.write()
    columns = [column for column in made.service["columns"] if column["kind"] in ("key", "timestamp")]
    columns += [{"name": "recent_items", "kind": "rolling"}, vector]
    other = made.service | {"name": "other", "columns": columns}
    (tmp_path / "feature_services" / "other.yaml").write_text(yaml.safe_dump(other))
    theirs = tmp_path / "config" / "training" / "other"
    theirs.mkdir()
    (theirs / "runtime.yaml").write_text(yaml.safe_dump(made.runtime | {"service": "other"}))
    if own:
        recent = {
            "name": "recent",
            "entity": "user",
            "history": {"view": "events"},
            "column": "item_id",
            "kind": "list",
        }
        text = yaml.safe_dump({"aggregation_specs": [recent | {"windows": ["1d"], "max_length": "theirs"}]})
        (theirs / "aggregations.yaml").write_text(text)
    loaded = made.load()
    assert list(warnings_of(loaded, compile_project(loaded))) == (
        [
            "config/training/aggregations.yaml:9: nothing uses the aggregation 'recent_items'",
            "config/training/aggregations.yaml:18: nothing uses the enrichment 'item_vector'",
            "config/training/aggregations.yaml:23: nothing uses the embedding store 'vectors'",
        ]
        if own
        else ["config/base.yaml:3: 'theirs' is used by no other file"]
    )


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("colour", "has no column 'colour': Known: category, item_id; correct fields or field_mapping of the view"),
        ("categor", "has no column 'categor': did you mean 'category'? Known: category, item_id; correct fields or "
                    "field_mapping of the view"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("view", ["items", "prices"])
def test_a_field_that_nothing_reads_is_looked_for_in_the_files(
    view: str, field: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = TinyProject(tmp_path).without("item_vector").write().write_data()
    made.views[view]["fields"] += fields(**{field: "string"})
    made.write()
    assert main(["pipeline", "train", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 2
    said = capsys.readouterr().err
    assert f"error: view '{view}': " in said
    assert f" has no column '{field}': " in said
    if view == "items":
        assert said.endswith(f"{sentence}\n")


def test_a_field_that_nothing_reads_has_the_type_of_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = TinyProject(tmp_path).without("item_vector", "category")
    made.write().write_data()
    made.service["columns"].append({"name": "code", "kind": "static", "dtype": "int64"})
    made.views["items"]["fields"] = fields(item_id="int64", category="int64")
    made.service["columns"].pop()
    made.service["spine"]["filters"] = [{"covered_by": {"view": "items", "column": "item_id"}}]
    made.write()
    assert main(["pipeline", "train", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: view 'items': in {tmp_path}/data/items.parquet the column 'category' is string, and the view declares "
        "int64: correct the view or the file\n"
    )


def test_a_run_tells_once_what_is_not_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3, "forgotten": 3}
    made.service["version"] = 3
    made.write().write_data()
    assert main(["pipeline", "train", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 0
    out, said = capfd.readouterr()
    assert out == f"{tmp_path}/output/ranking/v3/skeleton\n"
    assert sorted(path.name for path in (tmp_path / "output/ranking").iterdir()) == ["v3"]
    assert said.count("warning: config/base.yaml:2: 'forgotten' is used by no other file") == 1
    assert said.startswith("warning: ")


def test_an_unread_field_may_be_newer_than_some_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path).without("item_vector").write().write_data()
    columns = {"item_id": "int64", "event_timestamp": "timestamp[us]", "price": "double", "currency": "string"}
    rows = [(10, moment("03 07:00"), 3.5, "NOK")]
    made.views["prices"]["fields"] += fields(currency="string")
    made.write()
    words = ["pipeline", "plan", "ranking", "--runtime-config-path", str(made.runtime_path)]
    assert main(words) == 0
    assert "blocked" in capsys.readouterr().out
    write_parquet(tmp_path / "data/prices/dt=2024-01-03/part-0.parquet", columns, rows)
    assert main(words) == 0
    assert "blocked" not in capsys.readouterr().out

"""Outcomes of the row itself, which `label: true` makes labels of: their role, and who may read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.in_memory.own_spine import over_own_spine
from daeda.cli.main import main
from daeda.compiler.column_roles import column_kinds
from daeda.compiler.compile import compile_project, project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.identity import recipes_of
from daeda.compiler.pipeline_file import pipeline_text
from daeda.dataset.fingerprint import operator_digests
from daeda.errors import ConfigurationError
from daeda_audit.declared import declared_columns, labels_ahead, labels_among
from tests.daeda.compiler.test_identity import add
from tests.projects import TinyProject

COPY = {"name": "outcome", "kind": "derived", "dtype": "double", "expression": "(amount)", "label": True}
COMPUTED = {"name": "large", "kind": "derived", "dtype": "bool", "expression": "amount > 2", "label": True}
GIVEN = ["user_id", "item_id", "event_timestamp", "amount"]


def project(root: Path, *columns: dict[str, Any]) -> TinyProject:
    """A column that reads the field, one that reads what is added, and windows over the field in other rows."""
    made = TinyProject(root).without_enrichment()
    spent = {"name": "spent", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum"}
    made.aggregations["aggregation_specs"].append({**spent, "window": "1d", "where": "amount > 0"})
    add(made, {"name": "spent", "kind": "rolling", "dtype": "double"})
    for column in columns:
        add(made, column)
        read = {"name": f"of_{column['name']}", "kind": "derived", "dtype": column["dtype"]}
        add(made, {**read, "expression": column["name"]})
    add(made, {"name": "leak", "kind": "derived", "dtype": "double", "expression": "amount * 2"})
    add(made, {"name": "further", "kind": "derived", "dtype": "bool", "expression": "leak > price"})
    return made


def labels(made: TinyProject) -> set[str]:
    """The labels of a service, by the compiler and by the audit's own reading of the YAML."""
    loaded = made.write().load()
    found = {name for name, kind in column_kinds(loaded.service, project_dag(loaded)).items() if kind == "label"}
    declared = declared_columns(loaded)
    assert found == labels_among(loaded, declared) & {column.name for column in declared}
    assert not labels_ahead(loaded, declared)
    return found


def test_whatever_reads_an_outcome_is_a_label(tmp_path: Path) -> None:
    marked = project(tmp_path / "field")
    assert labels(marked) == set()
    marked.column("amount")["label"] = True
    assert labels(marked) == {"amount", "leak", "further"}
    copied = project(tmp_path / "copy", COPY)
    assert labels(copied) == {"outcome", "of_outcome", "amount", "leak", "further"}
    # The field itself need not be a column of the service.
    assert labels(copied.without("amount")) == {"outcome", "of_outcome", "leak", "further"}
    assert labels(project(tmp_path / "computed", COMPUTED)) == {"large", "of_large"}
    # A name of the contract is that column, and no field.
    shadowed = project(tmp_path / "shadowed", {**COPY, "expression": "leak"})
    assert labels(shadowed) == {"outcome", "of_outcome"}


def test_the_mark_is_told_by_its_operator_and_changes_no_value(tmp_path: Path) -> None:
    before = project(tmp_path / "before", {**COPY, "label": False}, {**COMPUTED, "label": False}).write().compile()
    assert "label" not in json.dumps(before.to_model().model_dump(mode="json"))
    after = project(tmp_path / "after", COPY, COMPUTED).write().compile()
    changed = dict(operator_digests(after.operators).items() - operator_digests(before.operators).items())
    assert set(changed) == {"scan_spine", "assemble"}
    assert recipes_of(after, {}).columns == {
        name: recipe
        for name, recipe in recipes_of(after, {}).columns.items()
        if recipe.digest == recipes_of(before, {}).columns[name].digest
    }


@pytest.mark.parametrize("column", [COPY, COMPUTED], ids=["copy", "computed"])
def test_rows_of_ones_own_get_no_label_unasked(tmp_path: Path, column: dict[str, Any]) -> None:
    made = project(tmp_path, column)
    expected = labels(made)
    dag = made.compile()
    made_unasked = over_own_spine(dag, GIVEN)
    assert made_unasked.left_out == dict.fromkeys(expected, "it is a label")
    assert set(made_unasked.dag.output.names) == set(dag.output.names) - expected
    assert not over_own_spine(dag, GIVEN, labels=True).left_out
    # Who scores a row has no outcome of it, and is asked for none.
    without = over_own_spine(dag, GIVEN[:3]).left_out
    assert expected <= set(without)
    assert without["outcome" if column is COPY else "large"] == "it is a label"


def test_catalog_and_explain_say_label_of_what_reads_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path, COPY)
    again = {"name": "again", "entity": "user", "history": {"view": "events"}, "kind": "any", "window": "1h"}
    made.aggregations["label_specs"] = [again]
    add(made, {"name": "never", "kind": "derived", "dtype": "bool", "expression": "NOT again"})
    made.write().write_data()
    expected = {"outcome", "of_outcome", "amount", "leak", "further", "never"}
    for words in (["catalog", "columns"], ["pipeline", "explain", "ranking"]):
        assert main([*words, "--json", "--runtime-config-path", str(made.runtime_path)]) == 0
        columns = json.loads(capsys.readouterr().out)["columns"]
        assert {one["name"] for one in columns if one["kind"] == "label"} == expected
    assert main(["pipeline", "explain", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "labels, of what comes after the row: amount, outcome, of_outcome, leak, further, never" in told


def edited(made: TinyProject, *changes: tuple[str, str]) -> None:
    loaded = made.write().load()
    text = pipeline_text(compile_project(loaded).to_model())
    for old, new in changes:
        assert old in text
        # The scan of the spine comes first.
        text = text.replace(old, new, 1)
    path = edited_path(loaded)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    project_dag(loaded)


FIELD = "{name: amount, source: amount, dtype: double, label: true}"
MARKED = "{name: large, dtype: bool, expression: amount > 2, label: true}"


def test_an_edited_pipeline_keeps_the_marks(tmp_path: Path) -> None:
    edited(project(tmp_path / "copy", COPY))
    edited(project(tmp_path / "computed", COMPUTED))
    for columns, change, told in (
        (
            [COPY], (FIELD, FIELD.replace(", label: true", "")),
            "operator 'scan_spine' (scan): the service makes a label of 'amount' (label: true), and the pipeline does "
            "otherwise: say the same in both",
        ),
        (
            [], (FIELD.replace(", label: true", ""), FIELD),
            "operator 'scan_spine' (scan): the service makes no label of 'amount' (label: true), and the pipeline does "
            "otherwise: say the same in both",
        ),
        (
            [COMPUTED], (MARKED, MARKED.replace(", label: true", "")),
            "operator 'sink' (sink): the service says label: true for the column 'large', and the pipeline does "
            "otherwise: say the same in both",
        ),
        (
            [{**COMPUTED, "label": False}], (MARKED.replace(", label: true", ""), MARKED),
            "operator 'sink' (sink): the service says no label: true for the column 'large', and the pipeline does "
            "otherwise: say the same in both",
        ),
    ):  # fmt: skip
        made = project(tmp_path / str(len(list(tmp_path.iterdir()))), *columns)
        with pytest.raises(ConfigurationError) as refused:
            edited(made, change)
        assert told in str(refused.value)

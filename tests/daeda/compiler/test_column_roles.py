"""What manifests say of columns and of the sample; pipelines edited by hand are held to the kinds of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.compiler.column_roles import column_kinds, sample_of
from daeda.compiler.compile import project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.pipeline_file import pipeline_text
from daeda.dataset.manifest import SampleOfDay
from daeda.errors import ConfigurationError
from tests.projects import TinyProject

LABEL = {"name": "again", "entity": "user", "history": {"view": "events"}, "kind": "any", "window": "1d"}


@pytest.fixture
def made(tmp_path: Path) -> TinyProject:
    """A label, one that only an expression reads, what reads them, and a sample with a weight."""
    made = TinyProject(tmp_path)
    made.aggregations["label_specs"] = [LABEL, {**LABEL, "name": "later", "kind": "count"}]
    added = [
        {"name": "again", "kind": "label", "dtype": "bool"},
        {"name": "often", "kind": "derived", "dtype": "bool", "expression": "later > 1"},
        {"name": "never", "kind": "derived", "dtype": "bool", "expression": "NOT again"},
        {"name": "seldom", "kind": "derived", "dtype": "bool", "expression": "events_1d < 2"},
        {"name": "w", "kind": "spine", "dtype": "double"},
    ]
    made.service["columns"] += added
    made.runtime["output_columns"] += [column["name"] for column in added]
    made.service["spine"]["filters"] = [
        {"sample": {"share": 0.50, "by": "user_id", "where": "amount > 2", "weight": "w"}}
    ]
    return made.write()


def test_kinds_are_those_of_the_contract_but_for_what_reads_a_label_and_for_the_weight(made: TinyProject) -> None:
    project = made.load()
    dag = project_dag(project)
    kinds = column_kinds(project.service, dag)
    assert kinds == column_kinds(project.service, dag.skeleton())
    assert list(kinds) == list(dag.output.names)
    contract = {column.name: column.kind for column in project.service.columns}
    assert kinds == contract | {"often": "label", "never": "label", "w": "weight"}
    assert sample_of(dag) == SampleOfDay("0.5", ("user_id",), 0, "amount > 2", "w")
    assert sample_of(TinyProject(made.root / "plain").write().compile()) is None


def edited(made: TinyProject, *changes: tuple[str, str]) -> str:
    """The mistakes of the compiled pipeline after some changes of its text."""
    project = made.load()
    text = pipeline_text(project_dag(project).to_model())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = edited_path(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        project_dag(project)
    return str(refused.value)


def test_an_edited_pipeline_makes_labels_where_the_service_has_them_and_nowhere_else(made: TinyProject) -> None:
    told = edited(
        made,
        ("{name: again, dtype: bool, source: again}", "{name: again, dtype: bool, expression: amount > 1}"),
        ("{name: events_1d, dtype: int64, source: events_1d}", "{name: events_1d, dtype: int64, source: later}"),
    )
    assert (
        "the service says kind 'label' for the column 'again', and no label_aggregate makes it: make it by one, or say "
        "another kind there"
    ) in told
    assert (
        "operator 'sink' (sink): the column 'events_1d' is a label, of what comes after the row, and the service says "
        "kind 'rolling': say kind: label there, or make it of rows before"
    ) in told


def test_the_weight_of_a_sample_is_no_feature_of_an_edited_pipeline(made: TinyProject) -> None:
    told = edited(made, ("{name: price, dtype: double, source: price}", "{name: price, dtype: double, source: w}"))
    assert (
        "operator 'sink' (sink): the column 'price' is the weight of a sample, and the service says kind "
        "'point_in_time': say kind: spine there"
    ) in told

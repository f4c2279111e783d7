"""What explain shows: golden texts of the example, SQL that runs, and a flowchart that marks what sees the future."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_project
from daeda.planning.explain import explain_text, mermaid
from daeda.planning.explain_sql import explain_sql
from tests.projects import TinyProject, moment

GOLDEN = Path(__file__).parent / "golden"
RUNTIME = Path(__file__).parents[3] / "examples/complete_journey/config/training/runtime.yaml"


def shown(form: str) -> str:
    project = load_project(ProjectPaths(RUNTIME))
    dag = compile_project(project)
    match form:
        case "explain.txt":
            return explain_text(dag)
        case "sql":
            return explain_sql(dag.skeleton(), project.runtime.days[0], project.runtime.rows_per_part)
        case _:
            return mermaid(dag)


@pytest.mark.parametrize("form", ["explain.txt", "sql", "mermaid"])
def test_the_example_is_shown_as_its_golden_text(form: str) -> None:
    """The text is what `daeda pipeline explain household_ranking` prints, and is renewed with it."""
    assert shown(form) + "\n" == (GOLDEN / f"household_ranking.{form}").read_text(encoding="utf-8")


def test_the_sql_of_a_service_without_windows_makes_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = TinyProject(tmp_path).without("events_1d", "recent_items", "item_vector")
    project.service["spine"]["filters"] = [
        {"where": "amount < 100"},
        {"session": {"key": "user_id", "having": "count(*) > 1"}},
    ]
    project.service["columns"].append(
        {"name": "order", "kind": "derived", "dtype": "double", "expression": "amount / price"}
    )
    project.runtime["output_columns"].append("order")
    dag = project.write().write_data().compile()
    script = explain_sql(dag.skeleton(), dt.date(2024, 1, 3), 100)
    monkeypatch.chdir(tmp_path / "data")
    with duckdb.connect() as connection:
        connection.execute(script)
        rows = connection.execute("FROM 'part-0-0.parquet'").fetchall()
    day = (1, 10, moment("03 08:00"), 5.0, "toys", 3.5, 5.0 / 3.5)
    assert rows == [day, day]


def test_names_that_sql_takes_for_words_keep_their_quotes(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.views["items"]["fields"].append({"name": "order", "dtype": "int64"})
    project.views["items"]["fields"].append({"name": "Shop", "dtype": "int64"})
    for name in ("order", "Shop"):
        project.service["columns"].append({"name": name, "kind": "static", "dtype": "int64"})
        project.runtime["output_columns"].append(name)
        project.runtime["feature_refs"].append(f"items:{name}")
    script = explain_sql(project.write().compile().skeleton(), dt.date(2024, 1, 3), 100)
    assert 'CAST("order" AS BIGINT) AS "order"' in script
    assert 'CAST("Shop" AS BIGINT) AS "Shop"' in script
    assert "CAST(category AS TEXT) AS category" in script


def test_a_flowchart_marks_what_sees_the_future_and_writes_conditions_as_text(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.service["spine"]["filters"] = [
        {"where": 'amount > 1 AND "amount" < 9'},
        {"session": {"key": ["user_id"], "having": "count(*) > 1"}},
    ]
    lines = mermaid(project.write().compile()).splitlines()
    conditions = [line for line in lines if "where" in line]
    assert "where amount #gt; 1 AND #quot;amount#quot; #lt; 9" in conditions[0]
    assert "sessions by user_id<br/>where count(*) #gt; 1" in conditions[1]
    assert lines[-2:] == ["  classDef future stroke:#c00,stroke-dasharray:4", "  class op_filter_spine_2 future"]

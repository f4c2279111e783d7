"""Pipelines with labels, a sequence, availability and a sample, edited by hand: what fits is run, the rest refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from daeda.catalog.project import Project
from daeda.compiler.compile import project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.pipeline_file import pipeline_text
from daeda.errors import ConfigurationError
from daeda.operators.dag import Dag
from daeda.planning.explain import explain_text
from daeda.planning.explain_sql import explain_sql
from tests.projects import TinyProject

OF_USER: dict[str, Any] = {"entity": "user", "history": {"view": "events"}}
AGGREGATIONS = {
    "aggregation_specs": [
        {"name": "events", **OF_USER, "kind": "count", "windows": ["1d"], "available": {"after": "10m"}},
        {
            "name": "recent", **OF_USER, "kind": "sequence", "columns": ["item_id", "amount"], "age": "since",
            "window": "1d", "max_length": 3,
        },
    ],
    "label_specs": [
        {"name": "again", **OF_USER, "kind": "any", "window": "1d"},
        {
            "name": "dear", "entity": "user", "history": {"view": "events", "attributes": ["prices:price"]},
            "kind": "max", "column": "price", "gap": "12h", "window": "12h",
        },
    ],
}  # fmt: skip
COLUMNS = [
    {"name": "recent", "kind": "rolling", "dtype": "list<struct<item_id: int64, amount: double, since: int64>>"},
    {"name": "again", "kind": "label", "dtype": "bool"},
    {"name": "dear", "kind": "label", "dtype": "double"},
    {"name": "w", "kind": "spine", "dtype": "double"},
]
DAY = dt.date(2024, 1, 2)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = TinyProject(tmp_path_factory.mktemp("edited")).without("item_vector", "category", "recent_items")
    made.aggregations = AGGREGATIONS
    made.views["prices"]["source"]["available"] = {"daily_at": "03:00"}
    made.service["columns"] += COLUMNS
    made.runtime["output_columns"] += [column["name"] for column in COLUMNS]
    made.service["spine"]["filters"] = [{"sample": {"share": 0.5, "by": "user_id", "weight": "w"}}]
    return made.write().load()


@pytest.fixture(scope="module")
def compiled(project: Project) -> Dag:
    return project_dag(project)


def edited(project: Project, compiled: Dag, *changes: tuple[str, str]) -> Dag:
    """The pipeline with each text in place of another, of which the first place counts."""
    text = pipeline_text(compiled.to_model())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = edited_path(project)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        return project_dag(project)
    finally:
        path.unlink()


def test_a_pipeline_that_was_copied_is_the_same_and_is_explained_in_the_same_words(
    project: Project, compiled: Dag
) -> None:
    copied = edited(project, compiled)
    assert copied == compiled
    assert explain_text(copied) == explain_text(compiled)


def test_the_sql_is_that_of_the_edited_pipeline(project: Project, compiled: Dag) -> None:
    dag = edited(project, compiled, *ALLOWED["another sample"], *ALLOWED["a longer look ahead"])
    sql = explain_sql(dag, DAY, 100)
    # A quarter of 2^64, the seed before the key, and nine days and one after the begin of the day.
    assert "4000000000000000" in sql
    assert "MD5('7' || '|'" in sql
    assert "2024-01-12" in sql


AHEAD = "reads: lookahead\n  gap: 0s\n  lookahead: 1d"
BEFORE = "reads: lookback\n  lookback: 1d"
OF_USER_TIME = "\n  time: {column: event_timestamp}\n  columns:\n  - {name: user_id"
SAMPLE = "  sample:\n    share: '0.5'\n    by: [user_id]\n    weight: w"
ALLOWED = {
    "a longer look ahead": [(AHEAD, AHEAD.replace("lookahead: 1d", "lookahead: 9d"))],
    "days before it, too": [(AHEAD, f"{BEFORE}\n  lookahead: 1d")],
    "partitions by arrival": [(AHEAD, f"partition_slack: 2\n  {AHEAD}")],
    "labels before windows": [
        ("inputs: [with_prices, events_by_user]", "inputs: [with_events_after_user, events_by_user]"),
        ("inputs: [with_events_by_user_2, events_after_user]", "inputs: [with_prices, events_after_user]"),
        ("inputs: [with_events_after_user, events_after_user_2", "inputs: [with_events_by_user_2, events_after_user_2"),
    ],
    "another sample": [("share: '0.5'", "share: '0.25'"), ("weight: w", "seed: 7\n    weight: w")],
    "another availability": [("available: {after: 10m}", "available: {daily_at: '06:30'}")],
    "a shorter sequence": [("max_length: 3", "max_length: 2")],
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_fits_together_is_the_pipeline(project: Project, compiled: Dag, name: str) -> None:
    dag = edited(project, compiled, *ALLOWED[name])
    assert dag != compiled
    assert dag.output == compiled.output
    assert explain_text(dag) != explain_text(compiled) or name == "partitions by arrival"


def late(entry: str) -> list[tuple[str, str]]:
    """A filter behind the labels."""
    filtered = "- name: late\n  op_kind: filter\n  engine: sql\n  inputs: [with_events_after_user_2]\n  output: late\n"
    return [
        (SAMPLE, f"{SAMPLE}\n\n{filtered}  {entry}"),
        ("inputs: [with_events_after_user_2]\n  output: assembled", "inputs: [late]\n  output: assembled"),
    ]


READ = "which is a label and tells what comes after the row: only a derived column may read it, and is a label then"
SHORT = (
    "operator 'label_events_after_user' (label_aggregate): 'again' looks {} ahead, and 'scan_events_after_user' does "
    "not read so far: say reads: lookahead, with a lookahead that reaches"
)
ATTRIBUTE = (
    "operator 'pit_events_after_user_2_with_price' (pit_join): looks back from a history that reaches 1d after the "
    "day: make the lookahead of 'scan_events_after_user_2_attribute_1' as long"
)
REFUSED = {
    "a look ahead that is too short": ([(AHEAD, AHEAD.replace("1d", "12h"))], SHORT.format("1d")),
    "a window that is longer than it": ([("kind: any, window: 1d", "kind: any, window: 2d")], SHORT.format("2d")),
    "no look ahead": ([(AHEAD, BEFORE)], SHORT.format("1d")),
    "the day alone": ([(AHEAD, "reads: day")], SHORT.format("1d")),
    "a gap that is too long": (
        [(AHEAD, AHEAD.replace("0s", "1h"))],
        "'again' begins 0s after the row, and 'scan_events_after_user' reads only what lies 1h after the begin of the "
        "day and later: make its gap as short",
    ),
    "attributes that end before": ([("lookback: unbounded\n  lookahead: 1d", "lookback: unbounded")], ATTRIBUTE),
    "a window over rows after": (
        [(f"{BEFORE}{OF_USER_TIME}", f"{AHEAD}{OF_USER_TIME}")],
        "'scan_events_by_user' reads rows after the day, which only a label may see: read the view once more, without "
        "lookahead",
    ),
    "a label that is filtered by": (late("predicate: again"), f"operator 'late' (filter): reads 'again', {READ}"),
    "a second sample, by a label": (
        late("sample: {share: 0.5, by: [again]}"), f"operator 'late' (filter): reads 'again', {READ}",
    ),
    "a sample where a label is": (
        late("sample: {share: 0.5, by: [user_id], where: dear > 1}"), f"operator 'late' (filter): reads 'dear', {READ}",
    ),
    "an unbounded label": (
        [("kind: any, window: 1d", "kind: any, window: unbounded")],
        "operators.9.aggregates.0: a label has no unbounded window: it would never be known; write a duration like 28d",
    ),
    "an availability of a label": (
        [("  aggregates:\n  - {name: again", "  available: {after: 10m}\n  aggregates:\n  - {name: again")],
        "unknown key 'available'",
    ),
    "a label twice": (
        [("{name: dear, kind: max", "{name: again, kind: max")],
        "the column again exists already on the left side: give the aggregate another name",
    ),
    "a weight that is a column": (
        [("weight: w", "weight: amount")],
        "the column amount exists already on the left side: give the weight another name",
    ),
    "a sequence of a column twice": (
        [("columns: [item_id, amount]", "columns: [item_id, item_id]")],
        "operators.7.aggregates.0: 'columns' names item_id more than once: each column stands once",
    ),
    "fields of a sequence in another order": (
        [("columns: [item_id, amount]", "columns: [amount, item_id]")],
        "column 'recent' is declared list<struct<item_id: int64, amount: double, since: int64>> and made as "
        "list<struct<amount: double, item_id: int64, since: int64>>",
    ),
    "two availabilities in one": (
        [("available: {after: 10m}", "available: {after: 10m, daily_at: '03:00'}")],
        """operators.5.available: available has either 'after', like 10m, or 'daily_at', like "03:00", and not both""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_is_refused_with_the_operator_and_what_to_do(project: Project, compiled: Dag, name: str) -> None:
    changes, told = REFUSED[name]
    with pytest.raises(ConfigurationError) as refused:
        edited(project, compiled, *changes)
    assert told in str(refused.value)
    assert "at least 1 item" not in str(refused.value)

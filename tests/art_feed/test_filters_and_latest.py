"""Filters of the spine and `latest` columns, from YAML to Parquet: what stays, and what a history sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from beam_pipeline.command import main
from daeda.compiler.edited import PIPELINES
from daeda.compiler.pipeline_file import pipeline_text
from daeda.operators.dag import PipelineModel
from tests.projects import TinyProject, fields, moment

Row = tuple[Any, ...]
EVENTS: list[Row] = [
    # user, item, time, amount, visit
    (1, 10, moment("01 23:50"), 1.0, "late"), (1, 11, moment("01 23:55"), 1.0, "late"),
    (1, 10, moment("02 00:05"), 1.0, "late"),
    (1, 11, moment("02 09:00"), 3.0, "long"), (1, 99, moment("02 09:00"), 3.0, "long"),
    (1, 11, moment("02 09:30"), 0.0, "long"), (1, 11, moment("02 09:30"), 0.0, "long"),
    (2, 10, moment("02 10:00"), 4.0, "long"),
    (2, 11, moment("02 11:00"), 5.0, None), (2, 11, moment("02 11:01"), 5.0, None),
    (1, 10, moment("03 08:00"), 5.0, "next"),
]  # fmt: skip


def project(tmp_path: Path, *filters: dict[str, Any]) -> TinyProject:
    """Visits in the feed, and no vectors."""
    made = TinyProject(tmp_path).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base.pop("vector_dim")
    made.views["events"]["fields"] += fields(visit="string")
    made.data["events"] = EVENTS
    made.service["spine"]["filters"] = list(filters)
    return made


def built(made: TinyProject, output: str = "output") -> dict[str, list[Row]]:
    """The rows of each day: user, item, time, amount, and then all others."""
    made.runtime["output_root"] = output
    made.write().write_data()
    assert main(["--runtime-config-path", str(made.runtime_path), "--runner", "DirectRunner"]) == 0
    days = sorted((made.root / output / "ranking" / "skeleton").glob("dt=*"))
    tables = {day.name.removeprefix("dt="): pq.read_table(day / "part-0-0.parquet") for day in days}
    return {day: [tuple(row.values()) for row in table.to_pylist()] for day, table in tables.items()}


LONG = {"session": {"key": ["user_id", "visit"], "having": "count(*) >= 2 AND sum(amount) > 1"}}
COVERED = {"covered_by": {"view": "items", "column": "item_id"}}
NOT_EMPTY = {"where": "amount > 0"}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        # The visit 'late' has one row on this day; 'long' is one visit of user 1 and another of user 2; NULL is none.
        ([LONG], [(11, "09:00"), (99, "09:00"), (11, "09:30"), (11, "09:30")]),
        ([LONG, COVERED], [(11, "09:00"), (11, "09:30"), (11, "09:30")]),
        ([LONG, NOT_EMPTY, COVERED], [(11, "09:00")]),
        # Filters before it take rows away from a visit: of 'long', one is left.
        ([COVERED, NOT_EMPTY, LONG], []),
    ],
)
def test_filters_act_in_their_order_on_the_rows_of_the_day(
    tmp_path: Path, filters: list[dict[str, Any]], kept: list[tuple[int, str]]
) -> None:
    rows = built(project(tmp_path, *filters))["2024-01-02"]
    assert [(row[1], row[2].strftime("%H:%M")) for row in rows] == kept


def test_a_history_sees_the_rows_that_the_filters_drop(tmp_path: Path) -> None:
    everything = {row[:4]: row for row in built(project(tmp_path))["2024-01-02"]}
    filtered = built(project(tmp_path, LONG, NOT_EMPTY, COVERED), "filtered")["2024-01-02"]
    assert filtered == [everything[1, 11, moment("02 09:00"), 3.0]]
    # Three rows in the day before it, of which the filters keep none.
    assert filtered[0][-2:] == (3, [10, 11])


def test_a_filter_after_the_windows_gives_the_same_rows(tmp_path: Path) -> None:
    made = project(tmp_path, LONG, COVERED)
    early = built(made)
    operators = {operator.name: operator for operator in made.write().compile().operators}
    first, last = operators.pop("filter_spine_1"), operators.pop("filter_spine_2")
    assemble = operators["assemble"]
    late = {
        "join_items": operators["join_items"].model_copy(update={"inputs": ("spine", "items")}),
        "filter_spine_1": first.model_copy(update={"inputs": assemble.inputs}),
        "filter_spine_2": last,
        "assemble": assemble.model_copy(update={"inputs": (last.output,)}),
    }
    text = pipeline_text(PipelineModel(service="ranking", operators=tuple({**operators, **late}.values())))
    edited = tmp_path / PIPELINES / "ranking.yaml"
    edited.parent.mkdir()
    edited.write_text(text, encoding="utf-8")
    assert yaml.safe_load(text)["operators"][-1]["name"] != "sink"  # the file gives no order, the inputs do
    assert built(made, "edited") == early
    assert [len(rows) for rows in early.values()] == [3, 0]


def test_a_latest_column_is_the_newest_row_for_every_day(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.column("price").update(kind="static", latest=True)
    made.views["prices"]["source"]["created_field"] = "known"
    made.views["prices"]["fields"] += fields(known="timestamp[us]")
    made.data["prices"] = [
        (10, moment("01 00:00"), 1.5, moment("01 00:00")), (10, moment("05 00:00"), 2.5, moment("05 00:00")),
        (10, moment("05 00:00"), 3.5, moment("06 00:00")), (10, moment("07 00:00"), 4.5, None),
        (11, moment("02 00:00"), 5.5, moment("09 00:00")), (11, moment("02 00:00"), 6.5, moment("09 00:00")),
    ]  # fmt: skip
    rows = [row for rows in built(made).values() for row in rows]
    assert {(row[1], row[5]) for row in rows} == {(10, 3.5), (11, 6.5), (99, None)}
    assert len(rows) == 9

"""Behind a run it is told what its filters left of empty days, and which columns hold nothing in any row."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_pipeline import command
from daeda.cli.main import main
from tests.projects import TinyProject, moment, write_parquet


def project_of(root: Path) -> TinyProject:
    made = TinyProject(root).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3}
    return made


def warnings(made: TinyProject, capsys: pytest.CaptureFixture[str], *, driver: bool = False) -> list[str]:
    """The warnings of a run that ends well: of the skeleton alone, or of `train`."""
    made.write()
    words = ["--runtime-config-path", str(made.runtime_path)]
    capsys.readouterr()
    assert (main(["pipeline", "train", "ranking", *words]) if driver else command.main(words)) == 0
    told = capsys.readouterr().err
    return [line.removeprefix("warning: ") for line in told.splitlines() if line.startswith("warning: ")]


def test_a_run_that_found_something_for_every_column_is_told_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path).write().write_data()
    assert warnings(made, capsys) == []


FILTERS = [
    {"where": "amount > 2.5"},
    {"covered_by": {"view": "items", "column": "item_id"}},
    {"session": {"key": ["user_id"], "having": "count(*) > 5"}},
]


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("driver", [False, True])
def test_filters_that_leave_nothing_are_counted(
    driver: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path)
    made.service["spine"]["filters"] = FILTERS
    made.write().write_data()
    expected = [
        "2 of 2 days are without a row: of 4 rows of the view 'events', where amount > 2.5 "
        "(feature_services/ranking.yaml:9) left 4, then covered_by on item_id (feature_services/ranking.yaml:10) left "
        "3, then session by user_id having count(*) > 5 (feature_services/ranking.yaml:13) left 0: 2024-01-02, "
        "2024-01-03"
    ]
    assert warnings(made, capsys, driver=driver) == expected
    # A data set that is there already is told of as well.
    assert warnings(made, capsys, driver=driver) == expected


def test_an_empty_day_among_others_is_told_from_one_that_was_filtered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path)
    made.write().write_data()
    columns = {field["name"]: field["dtype"] for field in made.views["events"]["fields"]}
    write_parquet(tmp_path / "data/events/dt=2024-01-03/part-0.parquet", columns, [])
    assert warnings(made, capsys) == ["1 of 2 days is without a row: the view 'events' has none: 2024-01-03"]
    write_parquet(tmp_path / "data/events/dt=2024-01-03/part-0.parquet", columns, [(1, 10, moment("03 08:00"), 0.5)])
    made.service["spine"]["filters"] = [{"where": "amount > 1"}]
    assert warnings(made, capsys) == [
        "1 of 2 days is without a row: of 1 row of the view 'events', where amount > 1 "
        "(feature_services/ranking.yaml:9) left 0: 2024-01-03"
    ]


def test_keys_of_two_kinds_make_columns_that_hold_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path)
    made.data["items"] = [(1010, "toys"), (1011, "books")]
    made.data["prices"] = [(1010, moment("01 00:00"), 1.5), (1011, moment("02 08:00"), 1.5)]
    made.data["prices"] += [(1011, moment("03 08:00"), 1.5)]
    for spec in made.aggregations["aggregation_specs"]:
        spec["where"] = "item_id > 1000"
    made.write().write_data()
    told = warnings(made, capsys)
    assert {line.partition(": ")[0].rpartition(":")[0] for line in told} == {"feature_services/ranking.yaml"}
    asked = "do the keys of both sides hold the same ids?"
    assert [line.partition(": ")[2] for line in told] == [
        "column 'category' (static) is its default 'unknown' in each of 4 rows: no row of its view has the key of any "
        f"row; {asked}",
        "column 'price' (point_in_time) is NULL in each of 4 rows: no row of its view has the key of any row and lies "
        f"within ttl before it; {asked}",
        "column 'events_1d' (rolling) is 0 in each of 4 rows: no row of its history lies in the window of any row; "
        f"{asked}",
        "column 'recent_items' (rolling) is an empty list in each of 4 rows: no row of its history lies in the window "
        f"of any row; {asked}",
    ]


def test_a_window_that_never_holds_a_row_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path)
    spec = {"name": "active", "entity": "user", "history": {"view": "events"}, "kind": "any", "window": "1d"}
    made.aggregations["aggregation_specs"].append({**spec, "where": "item_id > 1000"})
    made.service["columns"].append({"name": "active", "kind": "rolling", "dtype": "bool"})
    made.runtime["output_columns"].append("active")
    made.write().write_data()
    assert [line.partition(": ")[2] for line in warnings(made, capsys)] == [
        "column 'active' (rolling) is false in each of 4 rows: no row of its history lies in the window of any row; do "
        "the keys of both sides hold the same ids?"
    ]


@pytest.mark.parametrize("layout", ["struct", "columns"])
def test_a_sequence_of_nulls_is_no_empty_list(tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = project_of(tmp_path)
    spec = {
        "entity": "user", "history": {"view": "events"}, "kind": "sequence", "columns": ["amount"], "window": "1d",
        "max_length": 2, "layout": layout,
    }  # fmt: skip
    dtype = "list<struct<amount: double>>" if layout == "struct" else "list<double>"
    for name, more in {"unknown": {}, "never": {"where": "item_id > 1000"}}.items():
        made.aggregations["aggregation_specs"].append({"name": name, **spec, **more})
        column = name if layout == "struct" else f"{name}_amount"
        made.service["columns"].append({"name": column, "kind": "rolling", "dtype": dtype})
        made.runtime["output_columns"].append(column)
    made.data["events"] = [(*row[:3], None) for row in made.data["events"]]
    made.write().write_data()
    told = [line.partition(": ")[2] for line in warnings(made, capsys) if "empty list" in line]
    column = "never" if layout == "struct" else "never_amount"
    assert [line.partition(" in each")[0] for line in told] == [f"column '{column}' (rolling) is an empty list"]

"""`daeda preview --explain ROW`: which raw rows are behind a value, which nearly are, and that the audit agrees."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from beam_pipeline.in_memory.features import FeatureRows, Features, open_features
from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from daeda.errors import InputError
from daeda_preview.command import main
from daeda_preview.explained import RowExplanation
from enrich.in_memory import fill_vectors
from tests.cases.jobs import Entry
from tests.daeda.cli.test_answers import checked
from tests.daeda_preview.household import SHOWN, household_project
from tests.projects import TinyProject, fields, moment

# The spine of `planned` by what its rows are for: `amount` is unique.
LATE, AT_THE_END, OF_NOBODY, ALONE = 7.0, 8.0, 9.0, 10.0


def planned(root: Path) -> TinyProject:
    """Ties, prices that became known late or never, a row at each end of the window, NULL keys, an empty window."""
    project = TinyProject(root).without("item_vector", "recent_items")
    project.views["prices"]["fields"] += fields(known_at="timestamp[us]", note="string")
    project.views["prices"]["source"]["created_field"] = "known_at"
    project.aggregations["aggregation_specs"][0] |= {"where": "amount < 6 and item_id <> 99"}
    project.aggregations["aggregation_specs"].append(
        {"name": "spent", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum",
         "windows": ["1d"]}
    )  # fmt: skip
    project.service["columns"] += [
        {"name": "spent_1d", "kind": "rolling"},
        {"name": "cheap", "kind": "derived", "dtype": "bool", "expression": "price < 3 and events_1d > 1"},
    ]
    project.runtime["output_columns"] += ["spent_1d", "cheap"]
    for name in ("user_id", "item_id"):
        project.column(name)["nullable"] = True
    project.data["events"] = [
        (1, 10, moment("01 12:00"), 1.0), (1, 99, moment("01 13:00"), 2.0), (1, 10, moment("01 14:00"), None),
        (1, 10, moment("01 11:59:59"), 3.0), (1, 11, moment("01 18:00"), 6.5),
        (1, 10, moment("02 12:00"), LATE), (1, 12, moment("02 12:00"), AT_THE_END),
        (None, None, moment("02 12:00"), OF_NOBODY), (5, 13, moment("02 12:00"), ALONE),
        (1, 10, moment("03 12:00"), 11.0),
    ]  # fmt: skip
    known = moment("02 12:00")
    project.data["prices"] = [
        (10, moment("02 10:00"), 2.0, moment("02 10:30"), "b"), (10, moment("02 10:00"), 2.0, moment("02 10:30"), "a"),
        (10, moment("02 10:00"), 2.0, moment("02 10:10"), "c"),
        (10, moment("02 11:00"), 4.0, known, None), (10, moment("02 11:30"), 5.0, None, None),
        (10, known, 6.0, known, None), (10, moment("01 11:00"), 7.0, moment("01 11:00"), None),
        (10, moment("02 13:00"), 7.0, moment("02 11:00"), None),
    ]  # fmt: skip
    return project.write().write_data()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    planned(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["ranking", *words, "--json"]) == 0
    return checked(capsys.readouterr().out, "daeda.explained_row/1")


def of_day(capsys: pytest.CaptureFixture[str], amount: float) -> dict[str, Any]:
    """The columns of the row of 2024-01-02 that has this amount, by name."""
    for number in range(4):
        document = explained(capsys, "--day", "2024-01-02", "--explain", str(number))
        columns = {column["column"]: column for column in document["columns"]}
        if columns["amount"]["value"] == amount:
            assert document["passed"]
            assert document["row"] == number
            return columns
    raise AssertionError("no such row")


def told(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Time, the values of these names, and the reason, of each raw row."""
    return [(row["time"][8:], *(row["values"].get(name) for name in names), row["reason"]) for row in rows]


def test_a_look_up_tells_what_it_took_and_why_not_its_neighbours(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Late, at the very moment, never known, tied in time, tied in both times, too old, and after the row."""
    price = of_day(capsys, LATE)["price"]
    assert price["value"] == price["recomputed"] == 2.0
    assert price["key"] == {"item_id": 10}
    assert (price["begin"], price["end"], price["ends"]) == ("2024-01-01T12:00:00", "2024-01-02T12:00:00", "[)")
    assert price["order"] == ["event_timestamp", "known_at", "price", "note"]
    assert price["rows"] == 1
    assert [row["known"] for row in price["counted"]] == ["2024-01-02T10:30:00"]
    assert told(price["counted"], "price") == [("02T10:00:00", 2.0, "")]
    assert told(price["missed"], "price", "note") == [
        ("02T13:00:00", 7.0, None, "it is after the row"),
        ("02T12:00:00", 6.0, None, "it is of the very time of the row"),
        ("02T11:30:00", 5.0, None, "it never became known"),
        ("02T11:00:00", 4.0, None, "it became known only later"),
        ("02T10:00:00", 2.0, "a", "it is of the same time, and its 'note' 'a' comes before 'b'"),
        ("02T10:00:00", 2.0, None, "it is of the same time, and the row that is taken became known later"),
    ]


def test_a_look_up_says_when_serving_has_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = TinyProject(tmp_path).without("item_vector")
    project.views["prices"]["source"]["available"] = {"daily_at": "03:00"}
    project.write().write_data()
    monkeypatch.chdir(tmp_path)
    (price,) = explained(capsys, "--day", "2024-01-02", "--explain", "0", "--columns", "price")["columns"]
    assert price["made_by"] == (
        "prices:price by item_id, the newest row that is known and available (03:00 UTC of the day after "
        "event_timestamp) by then"
    )


def test_a_window_tells_its_bounds_and_what_just_missed_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row at its begin counts, one a second before it does not; nor what `where` leaves out, and what is NULL."""
    columns = of_day(capsys, LATE)
    events, spent = columns["events_1d"], columns["spent_1d"]
    assert (events["begin"], events["end"], events["ends"]) == ("2024-01-01T12:00:00", "2024-01-02T12:00:00", "[)")
    assert events["key"] == {"user_id": 1}
    assert events["rows"] == events["value"] == 1
    assert told(events["counted"], "amount", "item_id") == [("01T12:00:00", 1.0, 10, "")]
    assert told(events["missed"], "amount") == [
        ("03T12:00:00", 11.0, "it is after the row"),
        ("02T12:00:00", LATE, "it is of the very time of the row"),
        ("02T12:00:00", AT_THE_END, "it is of the very time of the row"),
        ("01T18:00:00", 6.5, "'where' is not true"),
        ("01T14:00:00", None, "'where' is not true"),
        ("01T11:59:59", 3.0, "it is before the window of 1d"),
    ]
    assert spent["value"] == 9.5
    assert [row[0] for row in told(spent["counted"])] == ["01T18:00:00", "01T13:00:00", "01T12:00:00"]
    assert ("01T14:00:00", None, "its 'amount' is NULL") in told(spent["missed"], "amount")


def test_a_null_key_and_an_empty_window_are_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody, alone = of_day(capsys, OF_NOBODY), of_day(capsys, ALONE)
    assert nobody["price"]["notes"] == ["item_id is NULL, and NULL matches no row"]
    assert nobody["events_1d"]["notes"] == ["user_id is NULL, and NULL matches no row"]
    assert nobody["category"]["notes"] == [
        "item_id is NULL, and NULL matches no row", "there is no value, so that its default unknown stands",
    ]  # fmt: skip
    for columns in (nobody, alone):
        for name, value in (("price", None), ("events_1d", 0), ("spent_1d", None)):
            assert (columns[name]["value"], columns[name]["rows"], columns[name]["counted"]) == (value, 0, [])
    assert nobody["events_1d"]["missed"] == []
    assert told(alone["spent_1d"]["missed"]) == [("02T12:00:00", "it is of the very time of the row")]


def test_a_derived_column_tells_its_sql_and_what_it_read(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cheap = of_day(capsys, LATE)["cheap"]
    assert cheap["sql"] == "price < 3 and events_1d > 1"
    assert cheap["inputs"] == {"price": 2.0, "events_1d": 1}
    assert cheap["value"] is False


def test_a_row_of_ones_own_is_explained_by_its_number(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"user_id": [9, 1], "event_timestamp": [moment("02 12:00"), moment("03 11:59")]}
    pq.write_table(pa.table(rows), root / "own.parquet")
    document = explained(capsys, "--spine", "own.parquet", "--explain", "1", "--columns", "events_1d,spent_1d")
    assert document["rows_of"] == "own.parquet"
    assert document["identity"] == {"event_timestamp": "2024-01-03T11:59:00", "user_id": 1}
    assert [(column["column"], column["value"], column["rows"]) for column in document["columns"]] == [
        ("events_1d", 0, 0), ("spent_1d", 15.0, 2),
    ]  # fmt: skip


def test_a_terminal_of_80_columns_shows_all_of_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranking", "--day", "2024-01-02", "--explain", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80, lines
    assert lines[0] == "ranking: row 1 of 2024-01-02: event_timestamp 2024-01-02T12:00:00, user_id 1,"
    text = "\n".join(lines)
    assert re.search(r"^price = 2$\n  point_in_time: prices:price by item_id, the newest row", text, re.MULTILINE)
    assert "  times [2024-01-01 12:00:00, 2024-01-02 12:00:00) in UTC" in lines
    assert "    2024-01-02 10:00:00  2024-01-02 10:30:00  2    " in [f"{line:<51}" for line in lines]
    assert "  SQL price < 3 and events_1d > 1" in lines


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--day", "2024-01-02", "--explain", "4"],
         "error: --explain 4: 2024-01-02 has 4 rows, numbered from 0 to 3: choose one of them"),
        (["--spine", "own.csv", "--explain", "1"],
         "error: --explain 1: own.csv has 1 row, numbered from 0 to 0: choose one of them"),
        (["--explain", "0", "--output", "rows.csv"],
         "error: --explain tells of one row, and --output writes rows to a file: give one of them"),
        (["--explain", "0", "--rows", "4"],
         "error: --explain names one row by its number, and --rows says how many are shown: give one of them"),
        (["--explain", "0", "--columns", "prize"], "error: --columns: no column 'prize': did you mean 'price'?"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_exist_is_refused(
    words: list[str], sentence: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "own.csv").write_text("user_id,event_timestamp\n1,2024-01-02 12:00:00\n", encoding="utf-8")
    assert main(["ranking", *words]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence)
    assert output.err.count("\n") == 1


def test_another_value_than_the_audit_makes_is_a_fault(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value that is shown is changed behind the engine."""
    whole = Features.of_day

    def changed(self: Features, *words: Any, **options: Any) -> FeatureRows:
        made = whole(self, *words, **options)
        place = made.table.column_names.index("events_1d")
        table = made.table.set_column(place, "events_1d", pa.array([41] * made.table.num_rows))
        return FeatureRows(table, made.dag)

    monkeypatch.setattr(Features, "of_day", changed)
    assert main(["ranking", "--day", "2024-01-02", "--explain", "1", "--columns", "events_1d,spent_1d"]) == 1
    output = capsys.readouterr()
    assert "  THE AUDIT MAKES 1 OF THESE ROWS" in output.out.splitlines()
    assert output.err == (
        "error: row 1 of 2024-01-02: 'events_1d' is 41, and the audit makes 1 of the raw rows: this is a fault of "
        "daeda: do not train on the column, and report it\n"
    )


def reasons(project: Project, features: Features, made: FeatureRows, row: pa.Table, number: int) -> Mapping[str, Any]:
    """What is behind each column of a row of the first day that was made."""
    explanation = RowExplanation(project, features.exports, number, None)
    answer = explanation.of_day(made, row, project.runtime.days[0])
    assert answer.passed, [column for column in answer.columns if not column.agrees]
    return {column.column: column for column in answer.columns}


def test_the_household_example_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every column of some rows of a day, and the vectors of one by their ids."""
    monkeypatch.chdir(household_project(tmp_path))
    runtime = Path("config/training/runtime.yaml")
    text = yaml.safe_load(runtime.read_text("utf-8")) | {"feed_start": str(SHOWN), "feed_end": str(SHOWN)}
    runtime.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    project = load_project(ProjectPaths(runtime))
    dag = compile_runnable(project)
    with open_features(project, dag) as features:
        made = features.of_day(SHOWN)
        whole = fill_vectors(project, made.dag, made.table)
        numbers = (0, made.table.num_rows - 1)
        found = [reasons(project, features, made, whole.slice(number, 1), number) for number in numbers]
    pooled = [columns["recent_products_vector"] for columns in found]
    assert all(1 not in column.inputs["ids"] or column.inputs["without a vector"] == [1] for column in pooled)
    assert any(column.inputs["without a vector"] for column in pooled)
    for columns in found:
        assert columns["purchases_28d"].rows == columns["purchases_28d"].value
        assert bool(columns["bought_again_28d"].rows) == columns["bought_again_28d"].value
    assert main(["--explain", "0", "--columns", "recent_products_vector"]) == 0
    having = pooled[0].notes[0]
    assert re.fullmatch(r"\d of \d ids? had a vector", having)
    assert f"  {having}" in capsys.readouterr().out.splitlines()


def test_every_kind_of_column_is_explained(golden_once: list[Entry]) -> None:
    """The first and the last row of the first day of each golden case, vectors apart, which another test has."""
    explained_columns = 0
    for entry in (one for one in golden_once if one.name.endswith("_duckdb")):
        project = load_project(ProjectPaths(entry.runtime), flags=entry.settings)
        dag = compile_runnable(project)
        with open_features(project, dag) as features:
            try:
                made = features.of_day(project.runtime.days[0])
            except InputError as error:
                if "labels that are not known yet" not in str(error):
                    raise
                continue
            row = made.table.drop_columns([one.column for one in dag.enrichments])
            for number in sorted({0, row.num_rows - 1} if row.num_rows else ()):
                explained_columns += len(reasons(project, features, made, row.slice(number, 1), number))
    assert explained_columns > 200


def test_a_label_tells_what_comes_after_its_row_and_by_when_it_has_to_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open where its gap ends, closed at its end; what became known behind that and `matures_after` does not count."""
    project = TinyProject(tmp_path).without("item_vector")
    project.views["prices"]["fields"] += fields(known_at="timestamp[us]")
    project.views["prices"]["source"]["created_field"] = "known_at"
    project.aggregations["label_specs"] = [
        {"name": "raised", "entity": "item", "history": {"view": "prices"}, "kind": "count", "where": "price > 2",
         "gap": "1h", "windows": ["6h"], "matures_after": "30m"}
    ]  # fmt: skip
    project.service["columns"].append({"name": "raised_6h", "kind": "label"})
    project.runtime["output_columns"].append("raised_6h")
    project.runtime |= {"feed_end": "2024-01-02", "data_until": "2024-01-04"}
    project.data["events"] = [(1, 10, moment("01 12:00"), 1.0), (1, 10, moment("02 12:00"), 2.0)]
    project.data["prices"] = [
        (10, moment("01 12:00"), 1.0, moment("01 12:00")), (10, moment("02 13:00"), 3.0, moment("02 13:00")),
        (10, moment("02 13:00:01"), 4.0, moment("02 13:01")), (10, moment("02 14:00"), 2.0, moment("02 14:00")),
        (10, moment("02 18:30"), 5.0, moment("02 19:31")), (10, moment("02 19:00"), 6.0, moment("02 19:30")),
        (10, moment("02 19:00:01"), 7.0, moment("02 19:01")), (10, moment("03 12:00"), 7.0, moment("03 12:00")),
    ]  # fmt: skip
    project.write().write_data()
    monkeypatch.chdir(tmp_path)
    document = explained(capsys, "--day", "2024-01-02", "--explain", "0", "--columns", "raised_6h")
    (label,) = document["columns"]
    assert label["value"] == label["rows"] == 2
    assert (label["begin"], label["end"], label["ends"]) == ("2024-01-02T13:00:00", "2024-01-02T19:00:00", "(]")
    assert label["made_by"] == "count of rows of prices by item_id where price > 2, window 6h from 1h after the row on"
    assert label["notes"] == ["a row counts that became known by 2024-01-02 19:30:00"]
    assert told(label["counted"], "price") == [("02T13:00:01", 4.0, ""), ("02T19:00:00", 6.0, "")]
    assert told(label["missed"], "price") == [
        ("03T12:00:00", 7.0, "it is after the window of 6h"),
        ("02T19:00:01", 7.0, "it is after the window of 6h"),
        ("02T18:30:00", 5.0, "it became known only when the label was mature"),
        ("02T14:00:00", 2.0, "'where' is not true"),
        ("02T13:00:00", 3.0, "it is not after the row and its gap"),
    ]

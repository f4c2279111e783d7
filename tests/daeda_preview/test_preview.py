"""`daeda preview`: rows of a day, and rows of one's own, in the forms that people and programs read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.day import side_by_side
from beam_pipeline.session.started import StartedOperators
from daeda.operators.temporal import WindowOperator
from daeda.process.console import HarmlessConsole
from daeda_preview.command import main
from daeda_preview.documents import as_json
from daeda_preview.terminal import print_rows
from tests.daeda.cli.test_answers import checked
from tests.projects import TinyProject, moment


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without an enrichment, and the working directory."""
    project = TinyProject(tmp_path).without("item_vector")
    project.data["events"] = [*project.data["events"], (1, 12, moment("02 10:00"), 6.0)]
    project.write().write_data()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def _document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    found: dict[str, object] = checked(capsys.readouterr().out, "daeda.preview/1")
    return found


def test_a_table_fits_the_terminal_and_shows_every_column(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranking", "--day", "2024-01-02"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ranking: 2024-01-02, the first ")
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines[1:] if line.strip()]
    for name in ("user_id", "item_id", "event_timestamp", "amount", "category", "price", "events_1d", "recent_items"):
        assert name in names
    assert not (root / "output").exists()


def test_a_document_has_types_and_rows(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "ranking", "--day", "2024-01-02", "--rows", "1")
    assert document["service"] == "ranking"
    assert document["left_out"] == {}
    rows = document["rows"]
    assert isinstance(rows, list)
    assert len(rows) == 1
    assert document["columns"] == {name: kind for name, kind in document["columns"].items() if name in rows[0]}  # type: ignore[attr-defined]


def test_operators_that_run_beside_others_are_waited_for(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEDA_COMPUTE__DUCKDB_CONFIG__THREADS", "3")
    document = _document(capsys, "ranking", "--day", "2024-01-02")
    begun: list[str] = []
    start = StartedOperators.start

    def noted(self: StartedOperators, operator: WindowOperator, *given: Any) -> None:
        begun.append(operator.name)
        start(self, operator, *given)

    monkeypatch.setattr(side_by_side, "_LEAST_BYTES", 0)
    monkeypatch.setattr(StartedOperators, "start", noted)
    assert _document(capsys, "ranking", "--day", "2024-01-02") == document
    assert begun


def test_a_document_spells_types_as_yaml_does() -> None:
    price = pa.list_(pa.struct([("price", pa.float64()), ("at", pa.timestamp("us", tz="UTC"))]))
    table = pa.table({"day": pa.array([None], pa.date32()), "prices": pa.array([None], price)})
    kinds = json.loads(as_json("ranking", table, {}))["columns"]
    assert kinds == {"day": "date", "prices": "list<struct<price: double, at: timestamp[us, UTC]>>"}


def test_times_that_python_has_none_for_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    far = pa.scalar(10**7, pa.date32())
    lists = pa.array([[1_001, None]], pa.list_(pa.timestamp("ns")))
    table = pa.table({"day": pa.repeat(far, 1), "days": pa.array([[far]]), "exact": lists})
    (row,) = json.loads(as_json("ranking", table, {}))["rows"]
    assert (row["day"], row["days"]) == ("29349-01-26", ["29349-01-26"])
    assert row["exact"][0].endswith("00:00:00.000001001")
    print_rows(HarmlessConsole(), table, "rows")
    assert "29349-01-26" in capsys.readouterr().out


@pytest.mark.parametrize("end", ["parquet", "arrow", "jsonl"])
def test_rows_go_to_a_file(end: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranking", "--columns", "user_id,price", "--output", f"rows.{end}"]) == 0
    assert capsys.readouterr().out == f"{root / f'rows.{end}'}\n"
    assert (root / f"rows.{end}").stat().st_size > 0


def test_a_document_goes_to_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, "ranking", "--day", "2024-01-02")
    assert main(["ranking", "--day", "2024-01-02", "--output", "rows.json"]) == 0
    assert json.loads((root / "rows.json").read_text("utf-8")) == document
    assert capsys.readouterr().out == f"{root / 'rows.json'}\n"


def test_lists_do_not_go_into_a_csv(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranking", "--day", "2024-01-02", "--output", "rows.csv"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "error: --output rows.csv: a cell of a CSV is one value, and 'recent_items' is list<int64>: write .parquet, "
        ".arrow or .jsonl, or name other columns with --columns\n",
    )
    assert not (root / "rows.csv").exists()
    assert main(["ranking", "--day", "2024-01-02", "--columns", "item_id,price", "--output", "rows.csv"]) == 0
    capsys.readouterr()
    assert (root / "rows.csv").read_text("utf-8") == '"item_id","price"\n11,2.5\n12,\n99,\n'


def test_rows_before_the_data_see_nothing_and_later_ones_are_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [moment("02 12:00"), moment("02 12:00").replace(year=2020), moment("03 12:00").replace(year=2021)]
    rows = pa.table({"user_id": [1] * 3, "item_id": [11] * 3, "event_timestamp": times})
    pq.write_table(rows, root / "own.parquet")
    assert main(["ranking", "--spine", "own.parquet", "--json"]) == 0
    told = capsys.readouterr()
    seen = [(row["category"], row["price"], row["events_1d"]) for row in json.loads(told.out)["rows"]]
    assert seen == [("books", 2.5, 3), ("books", None, 0), ("books", None, 0)]
    assert told.err.splitlines()[1:] == [
        f"note: 2 rows are before 2024-01-01, the first day of view '{view}', and see nothing of it"
        for view in ("prices", "events")
    ]
    pq.write_table(rows.slice(0, 1).set_column(2, "event_timestamp", [[moment("09 12:00")]]), root / "own.parquet")
    assert main(["ranking", "--spine", "own.parquet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "has no partition for 2024-01-08, 2024-01-09: " in told.err


def test_a_store_that_is_missing_is_refused_where_its_vectors_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    TinyProject(tmp_path).write().write_data()
    monkeypatch.chdir(tmp_path)
    assert main(["ranking"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"error: embedding store 'vectors': {tmp_path}/data/vectors.lance does not exist: correct the path or "
        "data_root, or put the data there\n"
    )
    # Other columns do without.
    assert main(["ranking", "--columns", "price,events_1d"]) == 0
    assert capsys.readouterr().err == ""


def test_rows_of_ones_own_get_what_rows_of_the_day_have(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From Parquet and from CSV, backwards."""
    main(["ranking", "--day", "2024-01-02", "--rows", "100", "--output", "day.parquet"])
    day = pq.read_table(root / "day.parquet")
    own = day.select(["user_id", "item_id", "event_timestamp", "amount"]).take([*reversed(range(day.num_rows))])
    pq.write_table(own, root / "own.parquet")
    lines = [",".join(own.column_names), *(",".join(map(str, row.values())) for row in own.to_pylist())]
    (root / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    for name in ("own.parquet", "own.csv"):
        main(["ranking", "--spine", name, "--output", "made.parquet"])
        made = pq.read_table(root / "made.parquet")
        assert made.to_pylist() == day.take([*reversed(range(day.num_rows))]).to_pylist()
    capsys.readouterr()


def test_what_rows_of_ones_own_lack_is_left_out_and_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"user_id": [1, None, 99], "event_timestamp": [moment("02 12:00")] * 3}
    pq.write_table(pa.table(rows), root / "own.parquet")
    assert main(["ranking", "--spine", "own.parquet", "--json"]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert told.err == (
        "left out, since the rows have no column 'item_id': item_id, category, price\n"
        "left out, since the rows have no column 'amount': amount\n"
    )
    assert list(document["left_out"]) == ["item_id", "amount", "category", "price"]
    assert [row["user_id"] for row in document["rows"]] == [1, None, 99]
    assert [row["events_1d"] for row in document["rows"]][1:] == [0, 0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--day", "soon"], "error: --day 'soon' is not a day: write YYYY-MM-DD"),
        (
            ["--day", "2024-01-02", "--spine", "own.csv"],
            "error: --day chooses rows of the service, and --spine gives rows of your own: give one of them",
        ),
        (
            ["--json", "--output", "rows.csv"],
            "error: --json prints the rows, and --output writes them to a file: give one of them",
        ),
        (
            ["--output", "rows.xls"],
            "error: --output rows.xls: files are written by the end of their name: .parquet, .arrow, .csv, .json, "
            ".jsonl",
        ),
        (
            ["--spine", "own.csv"],
            "error: --spine own.csv is no file: give a table of keys and times, as .parquet, .arrow or .csv",
        ),
        (["--columns", "prize"], "error: --columns: no column 'prize': did you mean 'price'? Known: amount, "),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], sentence: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ranking", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(sentence), told.err
    assert told.err.count("\n") == 1


def test_a_day_without_its_partitions_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranking", "--day", "2024-01-09"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"error: view 'events': {root}/data/events has no partition for 2024-01-09: " in told.err


def test_own_rows_of_another_type_or_without_a_time_are_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [moment("02 12:00"), None]
    pq.write_table(pa.table({"user_id": ["a", "b"], "event_timestamp": times}), root / "own.parquet")
    assert main(["ranking", "--spine", "own.parquet"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: column 'user_id' of the rows is string, and the view 'events' declares int64 ("
    )
    pq.write_table(pa.table({"user_id": [1, 2], "event_timestamp": times}), root / "own.parquet")
    assert main(["ranking", "--spine", "own.parquet"]) == 2
    assert capsys.readouterr().err == (
        "error: 1 row without 'event_timestamp': a row without a time belongs to no day, remove it\n"
    )


def test_the_command_answers_without_beam_or_ray(root: Path) -> None:
    """The whole way, from the command to the process that it starts."""
    script = (
        "import sys; from daeda_preview.command import main; code = main(sys.argv[1:], alone=True); "
        "assert not {'apache_beam', 'ray', 'pandas', 'daeda_audit'} & set(sys.modules); sys.exit(code)"
    )
    words = ["ranking", "--rows", "1", "--columns", "user_id"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300, check=True
    )
    through = subprocess.run(
        [sys.executable, "-m", "daeda", "preview", *words], capture_output=True, text=True, timeout=300, check=True
    )
    assert through.stdout == done.stdout

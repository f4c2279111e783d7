"""`daeda import` at the command line: what it says, answers and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda.cli.main import main

EVENTS = 'user,zeit,preis\n1,01.02.2024,"1,5"\n2,04.02.2024,x\n3,03.02.2024,2\n'
GERMAN = ("--decimal-comma", "--time-format", "%d.%m.%Y")
VIEW = """\
name: sales
entity: user
source: {path: sales, timestamp_field: at}
field_mapping: {user: user_id, zeit: at}
fields:
  - {name: user_id, dtype: int32}
  - {name: at, dtype: "timestamp[us]"}
  - {name: preis, dtype: double}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_text(EVENTS)
    (tmp_path / "feature_views").mkdir()
    (tmp_path / "feature_views" / "sales.yaml").write_text(VIEW)
    return tmp_path


def test_a_view_says_time_columns_and_types(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "sales.csv", "--to", "data/sales", "--view", "sales", *GERMAN]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{here}/data/sales\n"
    assert shown.err == (
        f"sales.csv: 2 rows of 2 days (2 new), 1 kept aside in {here}/data/sales/_rejected/"
        "part-sales.csv.jsonl\n"
        "  line 3: preis: 'x' is no double\n"
        "warning: 1 day between the first row and the last one has no partition (2024-02-02): with --empty-days they "
        "are empty ones, or say source.missing_partitions: empty\n"
        "error: 1 row does not fit, and what fits is published: repair the files and import them again, or say how "
        "they are read; --max-rejected 1 does without them\n"
    )
    table = pq.ParquetFile(here / "data/sales/dt=2024-02-01/part-sales.csv.parquet").read()
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("user", "int32"), ("zeit", "timestamp[us]"), ("preis", "double"),
    ]  # fmt: skip
    assert main(["import", "sales.csv", "--to", "data/sales", "--view", "sales", *GERMAN, "--max-rejected", "1"]) == 0
    assert "sales.csv: 2 rows, imported before and unchanged, 1 kept aside in" in capsys.readouterr().err


def test_a_dry_run_answers_in_json_and_leaves_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import", "sales.csv", "--to", "data", "--timestamp-field", "zeit", "--dtype", "preis=double", *GERMAN]
    assert main([*words, "--dry-run", "--json", "--max-rejected", "9"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["files"] == [
        {
            "name": "sales.csv", "outcome": "would import", "rows": 2, "rejected": 1, "new_days": 2, "replaced_days": 0,
            "rejections": None, "unchanged_days": 0, "removed_days": 0, "lost_rows": 0,
        }
    ]  # fmt: skip
    assert (answer["published"], answer["columns"]["preis"]) == (False, "double")
    assert not (here / "data").exists()


def test_what_stands_for_null_is_named_and_how_text_is_read_is_remembered(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "user,zeit,preis\n"
    words = ["--to", "data/sales", "--view", "sales"]
    Path("sales.csv").write_text(more + '1,01.02.2024,"1,5"\n2,02.02.2024,NA\n3,03.02.2024,NA\n4,03.02.2024,x\n')
    assert main(["import", "sales.csv", *words, *GERMAN]) == 1
    told = capsys.readouterr().err
    assert "published: 2 of them with --null NA, for NA may stand for NULL; repair the files" in told
    assert main(["import", "sales.csv", *words, "--null", "NA", "--max-rejected", "1"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("read as at the import before: --decimal-comma --time-format %d.%m.%Y\n")
    Path("more.csv").write_text(more + '1,04.02.2024,"2,25"\n2,05.02.2024,NA\n')
    assert main(["import", "more.csv", *words]) == 0
    assert capsys.readouterr().err.startswith(
        "read as at the import before: --null NA --decimal-comma --time-format %d.%m.%Y\n"
    )
    read = [pq.ParquetFile(path).read()["preis"].to_pylist() for path in sorted(here.glob("data/sales/*/*more*"))]
    assert read == [[2.25], [None]]
    Path("point.csv").write_text(more + "1,2024-02-06,2.5\n")
    assert main(["import", "point.csv", *words, "--no-decimal-comma", "--time-format", "iso"]) == 0
    assert capsys.readouterr().err.startswith("read as at the import before: --null NA\npoint.csv: 1 row of 1 day")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "daeda import: say once which time the rows have: --timestamp-field NAME, --view NAME for that of a "
         "feature view, or --static for a table without a time"),
        (["--view", "sale"], "feature_views: no view 'sale': did you mean 'sales'? Known: sales"),
        (["--view", "sales", "--dtype", "a=int64"],
         "daeda import: the view 'sales' says it already: leave --dtype out"),
        (["--static", "--dtype", "a"], "daeda import: --dtype 'a' is not NAME=TYPE, like price=double"),
        (["--timestamp-field", "zeit", "--dtype", "zeit=int64"],
         "'zeit' is int64: say what it counts, --timestamp-unit s, ms, us or ns"),
        (["--timestamp-field", "zeit"],
         "'zeit' is string and not a time: choose another --timestamp-field, or say how its text is read, "
         "--time-format '%d.%m.%Y %H:%M'"),
        (["--static", "--encoding", "klingon"],
         "--encoding 'klingon' is not known: write one like utf-8, latin-1, cp1252, utf-16"),
        (["--static", "--max-rejected", "-1"],
         "daeda import: argument --max-rejected: -1 is below 0; see daeda import --help"),
        (["--static", "--timezone", "Mars"], "--timezone: 'Mars' is not a time zone: write a name like Europe/Berlin"),
    ],
)  # fmt: skip
def test_what_is_refused(here: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "sales.csv", "--to", "data", *words]) == 2
    assert capsys.readouterr().err == f"error: {sentence.replace('feature_views:', f'{here}/feature_views:')}\n"
    assert not (here / "data").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([".", "--to", "data"], ". is a directory: name its files, as ./*.csv"),
        (["nothing", "--to", "data"], "nothing does not exist"),
        (["sales.csv", "--to", "sales.csv"],
         "{here}/sales.csv: File exists: what stands there is in the way: choose another path"),
        (["sales.csv", "--to", "sales.csv/data"],
         "{here}/sales.csv/data: Not a directory: what stands there is in the way: choose another path"),
    ],
)  # fmt: skip
def test_a_path_that_is_no_file_or_no_directory(
    here: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", *words, "--static"]) == 2
    assert capsys.readouterr().err == f"error: {sentence.replace('{here}', str(here))}\n"


def test_a_file_without_rows_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty.csv").write_text("at,price\n", "utf-8")
    words = ["--timestamp-field", "at", "--dtype", "at=timestamp[us]", "price=double"]
    assert main(["import", "empty.csv", "--to", "data", *words]) == 0
    assert capsys.readouterr().err == "empty.csv: 0 rows of 0 days\n"

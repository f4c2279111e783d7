"""Rows that are none, times that are words, numbers that a reader has rounded: kept aside with their line, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.daeda.init_project.test_quiet_mistakes import init, project_of, values
from tests.daeda.init_project.variants import csv_text, lines, moments, of_json, rows


def kept(root: Path) -> list[tuple[int, str]]:
    found = [json.loads(line) for path in root.rglob("_rejected/*.jsonl") for line in path.read_text().splitlines()]
    return sorted((one["line"], one["reason"]) for one in found)


def text_of(capfd: pytest.CaptureFixture[str]) -> str:
    return " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize("nested", [False, True])
def test_a_line_that_is_no_object_is_kept_aside(nested: bool, tmp_path: Path) -> None:
    more: dict[str, Any] = {"page": lambda number: {"id": number % 9}} if nested else {}
    written = of_json(rows(**more)).decode().splitlines()
    written[50:50] = ["oops", "", "[1]", '{"user_id": "u1", "at": "2024-0']
    (tmp_path / "log.jsonl").write_text("\n".join(written))
    assert init(tmp_path / "made", tmp_path / "log.jsonl") == 1
    assert kept(tmp_path / "made") == [(line, "no object of JSON") for line in (51, 53, 54)]
    assert values(tmp_path / "made", "log", "count(*)") == [(120,)]


def test_keys_that_are_one_name_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.jsonl").write_bytes(of_json(rows(page=lambda number: {"id": number, "Id": number})))
    assert init(tmp_path / "made", tmp_path / "log.jsonl") == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}/log.jsonl has the keys page.id, page.Id, which are one name, capital letters or not: rename"
        " the others"
    )


def test_line_ends_may_differ(tmp_path: Path) -> None:
    ends = ("\r\n", "\n", "\r")
    written = csv_text(rows(note=lambda number: f"a\nb{number}" if number == 3 else "c")).split("\n")[:-1]
    written[60:60] = ["u1,broken"]
    # The cell with a line in it has one end of its own.
    (tmp_path / "log.csv").write_text("".join(f"{line}{ends[at % 3]}" for at, line in enumerate(written)), newline="")
    assert init(tmp_path / "made", tmp_path / "log.csv") == 1
    assert kept(tmp_path / "made") == [(61, "2 cells, and 4 columns")]
    assert values(tmp_path / "made", "log", "count(*), count(DISTINCT note)") == [(120, 2)]


def test_words_for_times_keep_their_rows_aside_and_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_bytes(lines(rows(), "u1,never,5", "u2,infinity,6"))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 1
    assert "at: text of the format ISO 8601, but for 2 like 'infinity', whose rows are kept aside" in text_of(capfd)
    assert "but for 2 like 'infinity', whose rows are kept" in (tmp_path / "made/feature_views/log.yaml").read_text()
    assert kept(tmp_path / "made") == [
        (61, "at: 'never' is no timestamp[us]"), (62, "at: 'infinity' is no timestamp[us]"),
    ]  # fmt: skip


def test_a_second_time_with_a_word_stays_a_text_and_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = rows(seen_until=lambda number: "never" if number == 9 else str(moments()[number]))
    (tmp_path / "log.csv").write_text(csv_text(found))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 0
    assert "seen_until has times, but for 1 row like 'never': read as texts" in text_of(capfd)
    assert project_of(tmp_path / "made").views["log"].dtype("seen_until").name == "string"


def test_an_end_that_is_none_is_no_time_of_events(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = rows(valid_to=lambda number: "9999-12-31" if number % 2 else str(moments()[number].date()))
    (tmp_path / "log.csv").write_text(csv_text(found))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 0
    assert "valid_to has times behind the year 2200, as 9999-12-31 for one that has not ended" in text_of(capfd)
    assert project_of(tmp_path / "made").views["log"].source.timestamp_field == "at"
    (tmp_path / "ends.csv").write_text(
        csv_text([{"user_id": one["user_id"], "valid_to": one["valid_to"]} for one in found])
    )
    assert init(tmp_path / "none", tmp_path / "ends.csv") == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: ends.csv: valid_to has times behind the year 2200, as 9999-12-31 for one that has not ended: no event "
        "happens then: take those rows out, or name a file with another time"
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_keys_that_a_reader_has_made_doubles_are_whole_numbers(kind: str, tmp_path: Path) -> None:
    def key(number: int) -> Any:
        return (None if kind == "jsonl" else "") if number % 10 == 0 else float(number % 7)

    found = [{**one, "user_id": key(number)} for number, one in enumerate(rows())]
    path = tmp_path / f"log.{kind}"
    path.write_bytes(of_json(found) if kind == "jsonl" else csv_text(found).encode())
    assert init(tmp_path / "made", path) == 0
    assert project_of(tmp_path / "made").views["log"].dtype("user_id").name == "int64"
    counted = values(tmp_path / "made", "log", "count(user_id), count(DISTINCT user_id), count(*)")
    assert counted == [(108, 7, 120)]


def test_a_key_that_is_no_whole_number_keeps_its_row_aside(tmp_path: Path) -> None:
    keys = "CAST(CASE WHEN range = 77 THEN 2.5 WHEN range = 78 THEN 9007199254740994 ELSE range % 7 END AS DOUBLE)"
    query = f"SELECT {keys} AS user_id, TIMESTAMP '2024-03-01' + to_hours(range) AS at FROM range(200)"
    duckdb.sql(f"COPY ({query}) TO '{tmp_path}/log.parquet' (ROW_GROUP_SIZE 2048)")
    from daeda.dtypes import DType
    from daeda.importing.conversion import from_value

    made = from_value("v", DType.parse("int64"), "double")
    found = duckdb.sql(f"SELECT {made} FROM (SELECT unnest([2.5::DOUBLE, 9007199254740994, 3, NULL]) AS v)").fetchall()
    assert found == [(None,), (None,), (3,), (None,)]


def test_what_stands_for_null_among_texts_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = rows(
        country=lambda number: ["NA", "DE", "FR"][number % 3], n=lambda number: "NA" if number == 9 else number
    )
    (tmp_path / "log.csv").write_text(csv_text(found))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 0
    assert "country has NA in 40 rows among texts, read as NULL as in all of the file; where it is a value" in text_of(
        capfd
    )


@pytest.mark.parametrize(("often", "told"), [(150, "a value like 'abc'"), (50, "3 values like 'abc'")])
def test_what_is_no_number_among_numbers_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], often: int, told: str
) -> None:
    found = rows(
        price=lambda number: "abc" if number % often == 7 else number + 0.5, code=lambda number: f"{number:05}"
    )
    (tmp_path / "log.csv").write_text(csv_text(found))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 0
    said = text_of(capfd)
    assert f"price has {told} among numbers: read as texts; write them like 1234.56, or leave them empty" in said
    assert "code has" not in said


def test_thousands_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text(csv_text(rows(price=lambda number: f"{number + 1}.234,56"), delimiter=";"))
    assert init(tmp_path / "made", tmp_path / "log.csv") == 0
    assert "price has values like 99.234,56, with signs between thousands: read as texts" in text_of(capfd)

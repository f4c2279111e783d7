"""What init could get wrong without a word: values of files, and features that know what comes later."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.cli.main import main
from daeda.compiler.compile import compile_runnable
from daeda.init_project import reading
from daeda.sources.local import find_local_files
from daeda.sources.models.files import FileSource
from tests.daeda.init_project.tables import START, write_csv


def init(root: Path, *files: Path) -> int:
    return main(["init", str(root), "--from", *map(str, files), "--yes", "--no-build"])


def project_of(root: Path) -> Project:
    project = load_project(ProjectPaths(root / "config/training/runtime.yaml"))
    compile_runnable(project)
    return project


def values(root: Path, view: str, columns: str) -> list[tuple[Any, ...]]:
    files = f"{root}/data/{view}/**/*.parquet"
    query = f"SELECT {columns} FROM read_parquet('{files}', hive_partitioning = false)"
    return duckdb.sql(query).fetchall()


def moments(number: int = 240) -> list[dt.datetime]:
    return [START + dt.timedelta(hours=at) for at in range(number)]


def events(folder: Path, names: Sequence[str], cells: Iterable[Sequence[Any]]) -> Path:
    """A row each hour, with a time before what is given."""
    rows = [[at, *others] for at, others in zip(moments(), cells, strict=False)]
    return write_csv(folder / "events.csv", ["at", *names], rows)


def kinds(project: Project) -> dict[str, str]:
    return {column.name: column.kind for column in project.service.columns}


def test_long_ids_stay_what_they_are(tmp_path: Path) -> None:
    ids = [2**62 + number % 9 for number in range(240)]
    longer = [f"{10**21 + number % 7}" for number in range(240)]
    path = events(tmp_path, ["user_id", "order_key"], zip(ids, longer, strict=True))
    assert init(tmp_path / "made", path) == 0
    assert project_of(tmp_path / "made").service.column("user_id").kind == "key"
    assert sorted(values(tmp_path / "made", "events", "user_id, order_key")) == sorted(zip(ids, longer, strict=True))


@pytest.mark.parametrize(
    ("form", "dtype"),
    [
        ("%d/%m/%y", "date"),
        ("%Y-%m-%d {at.hour}:%M", "timestamp[us]"),
        ("%Y-%m-%dT%H:%M:%S.000000001Z", "timestamp[ns]"),
    ],
)
def test_times_are_those_of_the_file(form: str, dtype: str, tmp_path: Path) -> None:
    """Years of two digits, hours of one, and nanoseconds, as they are found in logs."""
    rows = [[at.strftime(form.format(at=at)), number % 7] for number, at in enumerate(moments(24 * 20))]
    assert init(tmp_path / "made", write_csv(tmp_path / "events.csv", ["at", "user_id"], rows)) == 0
    assert project_of(tmp_path / "made").views["events"].dtype("at").name == dtype
    expected = sorted(at.replace(hour=0) if dtype == "date" else at for at in moments(24 * 20))
    assert sorted(at for (at,) in values(tmp_path / "made", "events", 'CAST("at" AS TIMESTAMP)')) == expected
    if dtype == "timestamp[ns]":
        assert set(values(tmp_path / "made", "events", 'epoch_ns("at") % 1000')) == {(1,)}


def test_a_column_without_a_name_is_left_out_and_a_name_that_stands_twice_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [[number, at, number % 5] for number, at in enumerate(moments())]
    assert init(tmp_path / "made", write_csv(tmp_path / "events.csv", ["", "at", "user_id"], rows)) == 0
    assert project_of(tmp_path / "made").views["events"].dtype("user_id").name == "int64"
    text = (tmp_path / "made/feature_views/events.yaml").read_text()
    assert "or no name for it: column 1 without a name." in text
    assert init(tmp_path / "twice", write_csv(tmp_path / "twice.csv", ["User_ID", "at", "user_id"], rows)) == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}/twice.csv has User_ID, user_id in its first line, which are one name, capital letters or "
        "not: rename the others"
    )


def test_another_encoding_is_refused_with_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{at},Zoë {number % 5}\n" for number, at in enumerate(moments()))
    path = tmp_path / "events.csv.gz"
    for encoding, line in (("latin-1", 2), ("utf-16", 1)):
        path.write_bytes(gzip.compress(f"at,user\n{rows}".encode(encoding)))
        assert init(tmp_path / "made", path) == 2
        how = "cp1252" if encoding == "latin-1" else encoding
        assert capfd.readouterr().err.splitlines()[-1] == (
            f"error: {path}: line {line} is not UTF-8, and init reads no other encoding: write it anew, as with "
            f"`iconv -f {how} -t utf-8`"
        )


def json_lines(path: Path, documents: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(one)}\n" for one in documents))
    return path


def test_fields_of_objects_have_the_types_of_all_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """DuckDB finds types in 20,480 lines, and then rounds 1.5 to 2 without a word."""
    documents = [
        {"at": str(START + dt.timedelta(seconds=30 * number)), "user_id": number % 50, "paid": {"sum": 1}}
        for number in range(21_000)
    ]
    documents += [{**documents[-1], "paid": {"sum": 1.5, "late": 7}}]
    path = json_lines(tmp_path / "events.jsonl", documents)
    assert init(tmp_path / "made", path) == 0
    found = values(tmp_path / "made", "events", 'sum("paid.sum"), count(*), sum("paid.late")')
    assert found == [(21_001.5, 21_001, 7)]
    monkeypatch.setattr(reading, "_TYPED_BYTES", 1)
    capfd.readouterr()
    assert init(tmp_path / "large", path) == 1
    said = capfd.readouterr().err
    assert "left out are keys that come up only behind the rows that were looked at: paid.late" in said
    [kept] = (tmp_path / "large/data/events/_rejected").iterdir()
    assert json.loads(kept.read_text())["reason"] == "paid.sum: 1.5 is no int64"
    assert values(tmp_path / "large", "events", 'sum("paid.sum"), count(*)') == [(21_000, 21_000)]


def test_documents_of_two_tables_are_two_tables(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    json_lines(tmp_path / "in/clicks.jsonl", [{"at": str(at), "user_id": at.hour, "page": "a"} for at in moments()])
    json_lines(tmp_path / "in/users.jsonl", [{"user_id": hour, "town": "ab"[hour % 2]} for hour in range(24)])
    assert init(tmp_path / "made", tmp_path / "in") == 0
    assert "kept aside" not in capfd.readouterr().err
    assert kinds(project_of(tmp_path / "made"))["town"] == "static"


def test_days_whose_columns_differ_are_looked_at(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number, names in enumerate((["at", "user_id", "old"], ["at", "user_id"], ["at", "user_id", "new"]) * 4):
        day = START + dt.timedelta(days=number)
        columns = {"at": pa.array([day + dt.timedelta(hours=hour) for hour in range(6)], pa.timestamp("us"))}
        columns |= {name: pa.array([1, 2, 3] * 2) for name in names[1:]}
        path = tmp_path / f"log/dt={day.date()}/a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), path)
    assert init(tmp_path / "made", tmp_path / "log") == 0
    empty = tmp_path / "empty/dt=2024-01-01/a.parquet"
    empty.parent.mkdir(parents=True)
    pq.write_table(pa.table({"at": pa.array([], pa.timestamp("us"))}), empty)
    assert init(tmp_path / "none", tmp_path / "empty") == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"error: {empty} has no row that can be read: name files with rows"
    )


def test_no_feature_is_counted_up_to_today_or_compares_a_plan_with_what_came(tmp_path: Path) -> None:
    names = ["user_id", "planned_minutes", "planned_vs_actual", "status_id"]
    path = events(tmp_path, names, [[number % 20, 5, number % 9, number % 4] for number in range(240)])
    users = [[user, "ab"[user % 2], user % 3, user * 1.5, user % 7] for user in range(20)]
    tables = [
        path,
        write_csv(tmp_path / "users.csv", ["user_id", "town", "rooms", "total_spent", "orders_count"], users),
        write_csv(tmp_path / "states.csv", ["status_id", "phase"], [[state, "xy"[state % 2]] for state in range(4)]),
    ]
    assert init(tmp_path / "made", *tables) == 0
    found = kinds(project_of(tmp_path / "made"))
    assert (found["town"], found["rooms"], found["planned_minutes"]) == ("static", "static", "spine")
    assert not {"total_spent", "orders_count", "planned_vs_actual", "phase", "status_id"} & found.keys()
    text = (tmp_path / "made/feature_services/events_training.yaml").read_text()
    assert "  # - {name: total_spent, kind: static, dtype: double}   # named like a count up to today\n" in text


def test_a_row_of_a_day_is_looked_up_when_the_day_is_over(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = events(tmp_path, ["station_id"], [[number % 3] for number in range(240)])
    days = [[(START + dt.timedelta(days=day)).date(), station, day] for day in range(10) for station in range(3)]
    weather = write_csv(tmp_path / "weather.csv", ["date", "station_id", "rain"], days)
    assert init(tmp_path / "made", path, weather) == 0
    available = project_of(tmp_path / "made").views["weather"].source.available
    assert available is not None
    assert str(available.after) == "1d"
    said = " ".join(capfd.readouterr().err.split())
    assert "that is 1d old, for it has a date and no hour, so that it may tell of the whole day" in said
    assert "90 % of the rows of events have an earlier row here" in said


def test_a_view_reads_the_files_that_were_named_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files lie beside others that their names begin like, or that a bracket in their name matches."""
    monkeypatch.chdir(tmp_path)
    table = pa.table({"user_id": [f"u{step % 9}" for step in range(240)], "at": moments()})
    for number, name in enumerate(("log-1", "log-2", "log-3", "data[1]", "data1")):
        pq.write_table(table.slice(40 * number, 40 + number), f"{name}.parquet")
    for word, root, rows, place in (
        ("log-[12].parquet", "some", 81, "log-[12].parquet"),
        ("log-*.parquet", "all", 123, "log-*.parquet"),
        ("data[1].parquet", "one", 43, "data[[]1].parquet"),
    ):
        assert init(tmp_path / root, Path(word)) == 0
        (view,) = project_of(tmp_path / root).views.values()
        assert isinstance(view.source, FileSource)
        assert view.source.path == str(tmp_path / place)
        files = find_local_files(view.source.path, view.name).in_order
        assert sum(pq.read_metadata(file).num_rows for file in files) == rows
    # No pattern that is theirs alone: a directory of two tables.
    Path("both").mkdir()
    pq.write_table(table.slice(0, 40), "both/a1.parquet")
    pq.write_table(table.slice(40, 40), "both/a2.parquet")
    pq.write_table(pa.table({"user_id": ["u1", "u2"], "age": [1, 2]}), "both/ages.parquet")
    assert init(tmp_path / "apart", Path("both")) == 0
    assert sorted(path.name for path in (tmp_path / "apart/data").iterdir()) == ["a"]
    assert len(values(tmp_path / "apart", "a", "user_id")) == 80

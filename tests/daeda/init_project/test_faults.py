"""What looks at files may take for something else: outcomes for plans and keys, ids for measures, days for others."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import zoneinfo
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from daeda.cli.main import main
from daeda.compiler.compile import compile_runnable
from daeda.compiler.labels import is_label
from daeda.compiler.resolved import Resolved
from daeda.init_project.create import _undone_on_failure, _write_new
from daeda.init_project.yaml_text import comment, flow, scalar
from tests.daeda.init_project import tables
from tests.daeda.init_project.test_projects import init, project_of

DAYS = [tables.START + dt.timedelta(hours=6 * step) for step in range(48)]


def service_of(root: Path) -> str:
    [path] = (root / "feature_services").iterdir()
    return path.read_text()


def answers(path: Path, text: str) -> tuple[str, str]:
    path.write_text(text)
    return "--answers", str(path)


def visits(folder: Path) -> list[Path]:
    """Visits with answers that are named like plans, and a status that another table explains."""
    rows = [
        [f"u{number % 5}", at.isoformat(), number % 2, number % 7, f"{at:%H}00", ["kept", "void", "late"][number % 3]]
        for number, at in enumerate(DAYS)
    ]
    names = ["user_id", "at", "booked", "plan_vs_actual_delay", "sched_start_time", "status"]
    verdicts = [["kept", "good", 1], ["void", "bad", 2], ["late", "bad", 3]]
    return [
        tables.write_csv(folder / "visits.csv", names, rows),
        tables.write_csv(folder / "statuses.csv", ["status", "verdict", "rank"], verdicts),
    ]


def test_no_outcome_is_a_feature_because_it_is_named_like_a_plan(tmp_path: Path) -> None:
    files = visits(tmp_path / "files")
    given = answers(tmp_path / "a.yaml", "predict: booked\n")
    assert init(tmp_path / "made", files[:1], "--no-build", *given) == 0
    project = project_of(tmp_path / "made")
    compile_runnable(project)
    live = {column.name for column in project.service.columns if column.kind == "spine"}
    assert live == {"sched_start_time"}
    text = service_of(tmp_path / "made")
    assert "# - {name: plan_vs_actual_delay, kind: spine, dtype: int64}   # named like an outcome" in text
    assert "name: booked," not in text


@pytest.mark.parametrize("predicted", ["again", "rating"])
def test_no_outcome_is_a_key_by_which_its_verdict_is_looked_up(
    predicted: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    visit_file, status_file = visits(tmp_path / "files")
    if predicted == "rating":
        # Named like nothing that is known late: that it is predicted makes it one.
        for path in (visit_file, status_file):
            path.write_text(path.read_text().replace("status", "rating"))
    given = answers(tmp_path / "a.yaml", f"predict: {predicted}\n")
    assert init(tmp_path / "made", [visit_file, status_file], "--no-build", *given) == 0
    project = project_of(tmp_path / "made")
    names = {column.name: column.kind for column in project.service.columns}
    assert [name for name, kind in names.items() if kind == "key"] == ["user_id"]
    assert "verdict" not in names
    assert "rank" not in names
    said = " ".join(capfd.readouterr().err.split())
    column = "status" if predicted == "again" else "rating"
    assert f"statuses.csv shares {column} with visits.csv, which is what is predicted or is named like" in said


NUMBERS = ["1700000000000000001", "1700000000000000002", "1700000000000000003"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_long_ids_stay_what_they_are(kind: str, tmp_path: Path) -> None:
    rows = [
        {"user_id": NUMBERS[number % 3], "card": f"{NUMBERS[number % 2]}0000", "big": f"{2**64 - 1 - number}",
         "at": at.isoformat(), "p": number + 0.5}
        for number, at in enumerate(DAYS)
    ]  # fmt: skip
    if kind == "csv":
        path = tables.write_csv(tmp_path / "posts.csv", list(rows[0]), [list(row.values()) for row in rows])
    else:
        path = tmp_path / "posts.jsonl"
        written = ({**row, **{name: int(row[name]) for name in ("user_id", "card", "big")}} for row in rows)  # type: ignore[call-overload]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in written))
    assert init(tmp_path / "made", [path], "--no-build") == 0
    view = project_of(tmp_path / "made").views["posts"]
    assert view.dtype("user_id").name == "int64"
    assert view.dtype("card").name == "string"
    found = duckdb.sql(
        f"SELECT user_id::VARCHAR, card, big::VARCHAR FROM read_parquet('{tmp_path}/made/data/posts/dt=*/*.parquet') "
        'ORDER BY "at"'
    ).fetchall()
    assert found == [(row["user_id"], row["card"], row["big"]) for row in rows]


def test_columns_of_two_formats_are_read_each_by_its_own(tmp_path: Path) -> None:
    rows = [
        [f"u{number % 4}", f"{at:%d/%m/%Y %H:%M}", f"{at + dt.timedelta(days=1):%m/%d/%Y %H:%M}", number]
        for number, at in enumerate(tables.START + dt.timedelta(hours=20 * step) for step in range(40))
    ]
    path = tables.write_csv(tmp_path / "tasks.csv", ["user_id", "ts", "due", "n"], [*rows, ["u1", "", "", 5]])
    with path.open("a") as file:
        file.write('u2,01/03/2024 00:00,"03/02/2024 00:00",1,2,3\r\n')
    given = answers(tmp_path / "a.yaml", "timezone: Europe/Berlin\n")
    assert init(tmp_path / "made", [path], "--no-build", *given) == 1
    data = tmp_path / "made/data/tasks"
    found = duckdb.sql(f"SELECT ts, due, n FROM read_parquet('{data}/dt=*/*.parquet') ORDER BY n").fetchall()
    hour, day = dt.timedelta(hours=1), dt.timedelta(days=1)
    starts = [tables.START + dt.timedelta(hours=20 * step) for step in range(40)]
    # Summer time begins on 2024-03-31.
    assert found[:20] == [(at - hour, at + day - hour, number) for number, at in enumerate(starts[:20])]
    assert len(found) == 40
    text = (tmp_path / "made/feature_views/tasks.yaml").read_text()
    assert "daeda import /" not in text
    kept = [json.loads(line) for path in sorted(data.glob("_rejected/*")) for line in path.read_text().splitlines()]
    assert sorted((one["line"], one["reason"]) for one in kept) == [(42, "no time: ts"), (43, "6 cells, and 4 columns")]


def test_a_cell_of_an_object_that_does_not_fit_keeps_its_row_aside_and_late_keys_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"user_id": f"u{number % 5}", "at": at.isoformat(), "page": {"n": number, "seen": at.isoformat()}}
        for number, at in enumerate(DAYS[0] + dt.timedelta(seconds=9 * step) for step in range(21_000))
    ]
    rows[20_990]["page"] = {"n": 1.5, "seen": DAYS[0].isoformat()}
    rows[20_991]["page"] = {"n": 7, "seen": "yesterday"}
    rows[20_992] |= {"coupon": "x", "page": {"n": 8, "seen": DAYS[0].isoformat(), "depth": 3}}
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    # Few rows are looked at, as of a large file.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daeda.init_project.sampling.MOST_ROWS", 20_000)
        patch.setattr("daeda.init_project.reading._TYPED_BYTES", 1)
        assert init(tmp_path / "made", [path], "--no-build") == 1
    said = capfd.readouterr().err
    late = "left out are keys that come up only behind the rows that were looked at: coupon, page.depth"
    assert f"log.jsonl: {late}" in said
    assert f"log.jsonl: 2 rows kept aside in {tmp_path}/made/data/log/_rejected" in said
    [kept] = (tmp_path / "made/data/log/_rejected").iterdir()
    reasons = [json.loads(line)["reason"] for line in kept.read_text().splitlines()]
    assert reasons == ["page.n: 1.5 is no int64", "page.seen: yesterday is no timestamp[us]"]
    assert "coupon, page.depth" in (tmp_path / "made/feature_views/log.yaml").read_text()


def test_local_times_of_parquet_become_utc(tmp_path: Path) -> None:
    query = "SELECT 'u' || range % 3 AS user_id, TIMESTAMP '2024-01-01' + range * INTERVAL 5 HOUR AS at FROM range(60)"
    duckdb.sql(f"COPY ({query}) TO '{tmp_path}/e.parquet'")
    given = answers(tmp_path / "a.yaml", "timezone: Europe/Berlin\n")
    assert init(tmp_path / "made", [tmp_path / "e.parquet"], "--no-build", *given) == 0
    first = duckdb.sql(f"SELECT min(\"at\") FROM read_parquet('{tmp_path}/made/data/e/dt=*/*.parquet')").fetchall()
    assert first == [(dt.datetime(2023, 12, 31, 23),)]


ODD = [
    "@timestamp", "%x", "*id", "&a", "!t", "|", ">", "?", "? a", "-", "- a", "`b", "a\tb", "a\nb", "a: b", "a #b", "#a",
    "=", "~", "null", "on", "1e3", "'q", '"q', "a\\b", "", " a ", "[a", "{a", "a,b", "---", "\u2028", "é", "0x1f",
]  # fmt: skip


def test_each_text_is_a_scalar_of_yaml() -> None:
    for text in ODD:
        assert yaml.safe_load(f"key: {scalar(text)}\n") == {"key": text}, text
        assert yaml.safe_load(flow({scalar(text): scalar(text), "n": "1"})) == {text: text, "n": 1}, text
        assert all(line.startswith("# ") for line in comment(f"of {text} and\n{text}x"))


def test_odd_names_of_columns_and_files_stay_within_their_lines(tmp_path: Path) -> None:
    rows = [[at.isoformat(), f"h{number % 3}", number, 1] for number, at in enumerate(DAYS)]
    names = ["@timestamp", "%host_id", "*v", "a\tb"]
    folder = tmp_path / "it's\nname: mine"
    path = tables.write_csv(folder / "log.csv", names, rows)
    assert init(tmp_path / "made", [path], "--no-build") == 0
    project = project_of(tmp_path / "made")
    compile_runnable(project)
    text = (tmp_path / "made/feature_views/log.yaml").read_text()
    assert set(names) == set(yaml.safe_load(text)["field_mapping"])
    [command] = [line for line in text.splitlines() if "daeda import" in line]
    assert command.isprintable()
    assert "'it\\x27s\\x0aname: mine/log.csv'" in command.replace(str(tmp_path) + "/", "")


def test_the_command_of_many_files_reads_all_of_them(tmp_path: Path) -> None:
    files = [
        tables.write_csv(tmp_path / f"in put/e{day}.csv", ["user_id", "at"], [[f"u{n % 2}", at] for n, at in
                         enumerate(DAYS[4 * day : 4 * day + 4])])
        for day in range(12)
    ]  # fmt: skip

    def command(made: str, given: str) -> list[str]:
        assert init(tmp_path / made, [tmp_path / "in put" / given], "--no-build") == 0
        [view] = (tmp_path / made / "feature_views").iterdir()
        [line] = [line for line in view.read_text().splitlines() if "daeda import" in line]
        return shlex.split(line.removeprefix("  # "))

    assert command("all", "*.csv")[2] == f"{tmp_path}/in put/*.csv"
    assert command("ten", "e?.csv")[2:12] == [str(file) for file in files[:10]]


def test_what_somebody_else_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "runtime.yaml"
    mine.write_text("mine")
    with pytest.raises(FileExistsError), _undone_on_failure(tmp_path) as made:
        _write_new(mine, "other", made)
    assert mine.read_text() == "mine"
    files = tables.sensors(tmp_path / "files")
    theirs = tmp_path / "made/data/sensors/theirs"

    def meanwhile(*_: object) -> None:
        theirs.parent.mkdir(parents=True)
        theirs.write_text("theirs")

    monkeypatch.setattr("daeda.init_project.create._refuse_files", meanwhile)
    assert main(["init", str(tmp_path / "made"), "--from", str(files[0]), "--yes", "--no-build"]) == 1
    assert theirs.read_text() == "theirs"


def test_the_share_of_rows_that_are_known_too_early_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [
        [f"u{number % 9}", at.isoformat(), (at + dt.timedelta(seconds=-5 if number == 7 else 60)).isoformat()]
        for number, at in enumerate(DAYS[0] + dt.timedelta(minutes=10 * step) for step in range(1_500))
    ]
    path = tables.write_csv(tmp_path / "log.csv", ["user_id", "at", "received_at"], rows)
    assert init(tmp_path / "made", [path], "--no-build") == 0
    assert "received_at: before at in 0.1 % of the rows, named like" in " ".join(capfd.readouterr().err.split())


def test_a_column_called_dt_stays_beside_days_that_are_made_of_several_columns(tmp_path: Path) -> None:
    hours = [tables.START + dt.timedelta(hours=number) for number in range(200)]
    rows = [[f"u{at.hour % 4}", at.year, at.month, at.day, at.hour, f"d{at.hour % 3}"] for at in hours]
    path = tables.write_csv(tmp_path / "visits.csv", ["user_id", "year", "month", "day", "hour", "dt"], rows)
    assert init(tmp_path / "made", [path], "--no-build") == 0
    files = sorted((tmp_path / "made/data/visits").glob("dt=*/*.parquet"))
    assert {file.parent.name for file in files} == {f"dt={at:%Y-%m-%d}" for at in hours}
    listed = ", ".join(f"'{file}'" for file in files)
    found = duckdb.sql(
        f"SELECT event_time, dt FROM read_parquet([{listed}], hive_partitioning = false) ORDER BY event_time"
    ).fetchall()
    assert found == [(at, f"d{at.hour % 3}") for at in hours]


def test_words_of_yaml_and_of_sql_are_names(tmp_path: Path) -> None:
    rows = [[f"u{step % 4}", tables.START + dt.timedelta(hours=step), step / 4, step / 2] for step in range(200)]
    path = tables.write_csv(tmp_path / "null.csv", ["user_id", "when", "like", "No"], rows)
    assert init(tmp_path / "made", [path], "--no-build", "--predict", "like") == 0
    project = project_of(tmp_path / "made")
    assert project.service.spine.view == "null"
    assert {field.name for field in project.views["null"].fields} == {"user_id", "when", "like", "No"}
    assert is_label(Resolved(project), project.service.column("label_like"))


def test_local_times_of_columns_that_are_copied_are_those_of_an_import(tmp_path: Path) -> None:
    there = zoneinfo.ZoneInfo("Europe/Berlin")
    # Clocks skip 02:00 of the last of March, and show 02:00 of 27 October twice.
    begins = [dt.datetime(2024, 3, 30, 20), dt.datetime(2024, 10, 26, 20)]
    shown = [at + dt.timedelta(minutes=30 * step) for at in begins for step in range(40)]
    nanoseconds = [int(at.replace(tzinfo=dt.UTC).timestamp()) * 10**9 + 7 for at in shown]
    columns = {
        "user_id": [f"u{number % 4}" for number in range(len(shown))],
        "at": pa.array(nanoseconds, pa.timestamp("ns")),
        "n": list(range(len(shown))),
    }
    pq.write_table(pa.table(columns), tmp_path / "tasks.parquet")
    given = answers(tmp_path / "a.yaml", "timezone: Europe/Berlin\n")
    assert init(tmp_path / "made", [tmp_path / "tasks.parquet"], "--no-build", *given) == 1
    data = tmp_path / "made/data/tasks"
    found = duckdb.sql(f"SELECT n, epoch_ns(\"at\") FROM read_parquet('{data}/dt=*/*.parquet') ORDER BY n").fetchall()
    instants = [at.replace(tzinfo=there).astimezone(dt.UTC) for at in shown]
    assert found == [
        (number, int(instant.timestamp()) * 10**9 + 7)
        for number, (at, instant) in enumerate(zip(shown, instants, strict=True))
        if instant.astimezone(there).replace(tzinfo=None) == at
    ]
    kept = [json.loads(line) for line in (data / "_rejected/part-tasks.parquet.jsonl").read_text().splitlines()]
    assert [one["reason"] for one in kept] == [
        f"at: 2024-03-31 02:{minute}:00.000000007 is skipped by clocks in Europe/Berlin; no time: at"
        for minute in ("00", "30")
    ]


def test_times_of_another_unit_than_they_say_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seconds = [int(tables.START.replace(tzinfo=dt.UTC).timestamp()) + step for step in range(200)]
    at = pa.array([number * 10**9 for number in seconds], pa.timestamp("us"))
    pq.write_table(pa.table({"user_id": [step % 4 for step in range(200)], "at": at}), tmp_path / "log.parquet")
    assert init(tmp_path / "made", [tmp_path / "log.parquet"], "--no-build") == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: log.parquet: at has times outside of the years 1 to 9999, as where milliseconds are taken for seconds: "
        "write the file anew, with their unit"
    )

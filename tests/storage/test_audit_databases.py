"""The audit of days whose views lie in databases: of a DuckLake what each day read, of Postgres what is there now."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beam_pipeline import command
from daeda.planning.export_views import main as export
from daeda_audit.command import main
from daeda_preview.command import main as preview
from tests.projects import TinyProject
from tests.storage.conftest import in_lake
from tests.storage.postgres import PASSWORD, Postgres
from tests.storage.test_audit import leaking, words

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SHOP = "postgres://environment/shop.prices"


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.write().write_data()
    made.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "postgres": "environment", "table": "shop.prices",
    }  # fmt: skip
    return made.write()


@pytest.fixture
def in_a_lake(project: TinyProject, lake: Path) -> TinyProject:
    project.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "ducklake": "lake.ducklake", "table": "prices",
    }  # fmt: skip
    return project.write()


def train(project: TinyProject, *more: str) -> None:
    assert command.main([*words(project)[1:], "--runner", "DirectRunner", *more]) == 0


def test_a_preview_and_its_explanation_read_one_export(
    in_a_lake: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit is given the file that the preview was made of, and reaches no database."""
    command_words = [*words(in_a_lake), "--columns", "price", "--json"]
    assert preview(command_words) == 0
    price = json.loads(capsys.readouterr().out)["rows"][0]["price"]
    assert preview([*command_words, "--explain", "0"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["passed"]
    assert [column["value"] for column in explained["columns"]] == [price]
    assert [row["time"] for row in explained["columns"][0]["counted"]] == ["2024-01-02T08:00:00"]


@pytest.mark.cases
def test_a_table_of_postgres_passes_both_probes_and_nothing_stays(
    project: TinyProject, database: Postgres, tmp_path: Path
) -> None:
    train(project)
    (tmp_path / "temporary").mkdir()
    before = {path for path in project.root.rglob("*") if "_staging" not in path.parts}
    done = subprocess.run(
        [sys.executable, "-m", "daeda", "audit", "leakage", *words(project, "--rows", "20")],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        " values recomputed, 0 mismatches; 2 rows rebuilt with later rows added, 0 changes\n"
    ), done.stdout
    assert done.stderr.count("note: ") == 1
    assert done.stderr.startswith(
        f"note: view 'prices' is read from {SHOP} as it is now, and not as it was for the days: rows that changed "
        "since then show as mismatches\n"
    )
    assert "(events 12, prices 18): 2 rows up to then compared" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert database.run("SELECT count(*) FROM shop.prices") == "3"
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list((project.root / "output/ranking/_staging").glob("run-*"))
    assert {path for path in project.root.rglob("*") if "_staging" not in path.parts} == before


@pytest.mark.cases
def test_a_leak_in_postgres_is_found_and_rows_that_changed_are_told(
    project: TinyProject, database: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database.run("INSERT INTO shop.prices VALUES (11, '2024-01-02 09:00', 9, 'at the very time of an event')")
    with leaking(monkeypatch):
        train(project)
    capsys.readouterr()
    assert main(words(project, "--probe", "recompute")) == 1
    told = capsys.readouterr()
    assert told.out.endswith(" values recomputed, 1 mismatch in price\n")
    assert "\n  published   9.0\n  recomputed  2.5\n" in told.err
    assert "warning: " not in told.err
    database.run("UPDATE shop.prices SET price = 7 WHERE event_timestamp = '2024-01-03 07:00'")
    assert main(words(project, "--probe", "recompute", "--days", "2024-01-03")) == 1
    told = capsys.readouterr()
    assert told.out.endswith(" values recomputed, 2 mismatches in price\n")
    assert (
        f"warning: 2024-01-03 was built from other bytes of {SHOP}: mismatches may come from that; build the "
        "day again\n"
    ) in told.err
    monkeypatch.setenv("PGPASSWORD", "a-wrong-password")
    assert main(words(project)) == 2
    told = capsys.readouterr()
    assert "error: view 'prices': postgres://environment cannot be read (IO Error: Unable to connect" in told.err
    assert "a-wrong-password" not in told.err


@pytest.mark.cases
def test_each_day_is_judged_by_the_snapshot_that_it_read(
    in_a_lake: TinyProject, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(in_a_lake, "--target-date", "2024-01-02")
    in_lake(lake, "UPDATE l.prices SET price = 4 WHERE event_timestamp = '2024-01-03 07:00'")
    train(in_a_lake, "--target-date", "2024-01-03")
    in_lake(lake, "UPDATE l.prices SET price = 5")
    capsys.readouterr()
    assert main(words(in_a_lake)) == 0
    told = capsys.readouterr()
    assert told.out.endswith(" values recomputed, 0 mismatches; 2 rows rebuilt with later rows added, 0 changes\n")
    notes = [line for line in told.err.splitlines() if line.startswith("note: ")]
    assert notes == [
        f"note: view 'prices' is read from ducklake://lake.ducklake/prices@{number}, the snapshot that was built from"
        for number in (3, 4)
    ]


@pytest.mark.cases
def test_a_snapshot_that_is_gone_is_told_and_the_newest_is_read(
    in_a_lake: TinyProject, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(in_a_lake)
    in_lake(lake, "UPDATE l.prices SET price = 5", "CALL ducklake_expire_snapshots('l', versions => [3])")
    capsys.readouterr()
    assert main(words(in_a_lake, "--probe", "recompute", "--days", "2024-01-02")) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        "note: what 2024-01-02 read is not there any more (view 'prices': ducklake://lake.ducklake/prices@3 cannot be "
        "read (Invalid Input Error: No snapshot found at version 3): correct source and fields of the view): the "
        "newest is read instead",
        "note: view 'prices' is read from ducklake://lake.ducklake/prices@4 as it is now, and not as it was for the "
        "days: rows that changed since then show as mismatches",
    ]
    assert told[2].startswith("warning: 2024-01-02 was built from other bytes of ducklake://lake.ducklake/prices@3: ")


def test_only_views_in_databases_are_exported(
    in_a_lake: TinyProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("items", "nothing", "prices@last"):
        assert export([*words(in_a_lake, "--into", str(tmp_path), "--view", word)]) == 2
        assert capsys.readouterr().err == (
            f"error: --view '{word}' is not a view in a database: name one, with the number of a snapshot or none\n"
        )

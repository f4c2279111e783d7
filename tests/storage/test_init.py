"""`daeda init` with a table of Postgres: looked at, declared as it is, and built; the password stands nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.catalog.project import ProjectPaths, load_project
from daeda.cli.main import main
from tests.storage.postgres import PASSWORD, Postgres

EVENTS = """
CREATE TABLE shop.events AS SELECT n AS event_id, n % 17 AS user_id, (10 + n % 2)::bigint AS item_id,
  n / 4.0::double precision AS paid, timestamp '2024-01-01' + n * interval '37 minutes' AS event_timestamp
  FROM generate_series(0, 400) AS n
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_tables_of_a_database_become_a_project(
    database: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database.run(EVENTS)
    words = [f"postgres://environment/shop.{table}" for table in ("events", "prices")]
    assert main(["init", str(tmp_path / "made"), "--yes", "--from", *words]) == 0
    told = capfd.readouterr()
    project = load_project(ProjectPaths(tmp_path / "made/config/training/runtime.yaml"))
    views = {name: (view.source.reference, view.source.timestamp_field) for name, view in project.views.items()}
    assert views == {name: (f"postgres://environment/shop.{name}", "event_timestamp") for name in ("events", "prices")}
    kinds = {column.name: column.kind for column in project.service.columns}
    assert (kinds["user_id"], kinds["price"], kinds["user_next_paid_1d"]) == ("key", "point_in_time", "label")
    assert list((tmp_path / "made/output/events_training/skeleton").glob("dt=2024-01-0*/_manifest.json"))
    written = [path.read_bytes() for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert not [body for body in written if PASSWORD.encode() in body]
    assert PASSWORD not in told.out + told.err


@pytest.mark.usefixtures("database")
def test_what_is_no_table_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = str(tmp_path / "made")
    assert main(["init", made, "--yes", "--from", "postgres://environment/shop.none"]) == 2
    assert "error: postgres://environment/shop.none cannot be read (" in capfd.readouterr().err
    assert main(["init", made, "--yes", "--from", f"postgres://trainer:{PASSWORD}@127.0.0.1/shop.prices"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(
        "error: --from: an address with credentials in it is no table of a database: write postgres://"
    )
    assert PASSWORD not in said
    assert not (tmp_path / "made").exists()

"""Views in a Postgres server and in a DuckLake: the same days as from files, one snapshot, nothing written there."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from beam_pipeline import command
from daeda.catalog.project import Project
from daeda.cli.main import main as cli
from daeda.compiler.compile import compile_runnable
from daeda.errors import ConfigurationError, InputError
from daeda.planning import exports
from daeda.planning.exports import exported
from daeda.settings.runtime import EXPORTS_VARIABLE
from daeda.sources.exports import process as module
from daeda.sources.files import Export
from daeda.storage.regular import file_digest
from tests.projects import TinyProject
from tests.storage.postgres import PASSWORD, Postgres

PRICES = {"table": "shop.prices", "timestamp_field": "event_timestamp"}


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    return made.write().write_data()


def train(project: TinyProject, output: str, **source: object) -> int:
    if source:
        project.views["prices"]["source"] = {"timestamp_field": "event_timestamp", **source}
    project.runtime["output_root"] = output
    project.write()
    words = ["--runtime-config-path", str(project.runtime_path), "--runner", "DirectRunner"]
    return command.main(words)


def parts(project: TinyProject, output: str) -> dict[str, str]:
    root = project.root / output / "ranking/skeleton"
    return {str(path.relative_to(root)): file_digest(path) for path in root.rglob("*.parquet")}


def export_of(project: TinyProject, **source: object) -> bytes:
    project.views["prices"]["source"] = {"timestamp_field": "event_timestamp", **source}
    loaded = project.write().load()
    with exported(loaded, compile_runnable(loaded).skeleton()) as by_view:
        return Path(by_view["prices"].path).read_bytes()


QUERY = "SELECT item_id, event_timestamp, price FROM shop.prices WHERE item_id > 0"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_days_of_a_table_are_those_of_files(
    project: TinyProject, database: Postgres, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(project, "files") == 0
    assert train(project, "table", postgres="environment", table="shop.prices") == 0
    assert parts(project, "table") == parts(project, "files")
    capfd.readouterr()
    database.run("UPDATE shop.prices SET more = 'what no field names'")
    assert train(project, "table", postgres="environment", query=QUERY) == 0
    told = capfd.readouterr()
    assert "skeleton: all 2 days are there already" in told.err
    database.run("UPDATE shop.prices SET price = 9 WHERE event_timestamp = '2024-01-02 08:00'")
    assert train(project, "table") == 0
    assert parts(project, "table") != parts(project, "files")
    staging = project.root / "table/ranking/_staging"
    assert not list(staging.glob("run-*"))
    written = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    assert not [body for body in written if PASSWORD.encode() in body]
    assert PASSWORD not in told.out + told.err


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are made in this process: their own takes longer to start than they, and others have it."""

    def in_this_process(project: Project, wanted: list[module.Wanted], directory: Path) -> dict[str, Export]:
        return module.export(module.Request(tuple(wanted), project.data_root, directory, None))

    monkeypatch.setattr(exports, "_in_process", in_this_process)


exported_here = pytest.mark.usefixtures("here")


@exported_here
def test_an_export_depends_on_the_rows_alone(project: TinyProject, database: Postgres) -> None:
    first = export_of(project, postgres="environment", table="shop.prices")
    database.run("CREATE TABLE shop.sorted AS SELECT * FROM shop.prices ORDER BY price DESC")
    assert export_of(project, postgres="environment", table="shop.sorted") == first
    assert export_of(project, postgres="environment", query=QUERY) == first


# In this process, where another can come in between.
@exported_here
def test_all_views_of_a_database_see_one_snapshot(
    project: TinyProject, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run("CREATE TABLE shop.items (item_id bigint, category text); INSERT INTO shop.items VALUES (10, 'toys')")
    project.views["items"]["source"] = {"postgres": "environment", "table": "shop.items"}
    copy, seen = module._copy, []

    def interleaved(*arguments: object) -> Export:
        made = copy(*arguments)  # type: ignore[arg-type]
        seen.append(duckdb.connect().execute(f"SELECT count(*) FROM '{made.path}'").fetchone())
        database.run("INSERT INTO shop.items VALUES (12, 'late'); INSERT INTO shop.prices VALUES (12, now(), 1, NULL)")
        return made

    monkeypatch.setattr(module, "_copy", interleaved)
    export_of(project, postgres="environment", table="shop.prices")
    assert sorted(seen) == [(1,), (3,)]


@exported_here
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"table": "shop.nothing"}, "Catalog Error: Table with name nothing does not exist!"),
        ({"query": f"{QUERY} AND nextval('shop.numbers') > 0"}, "cannot execute nextval() in a read-only transaction"),
        ({"query": "DELETE FROM shop.prices RETURNING item_id, event_timestamp, price"}, "syntax error"),
        ({"query": f"{QUERY}; DROP TABLE shop.prices"}, "cannot insert multiple commands into a prepared statement"),
        ({"query": "SELECT 1 AS item_id"}, "has no column 'event_timestamp': Known: item_id"),
    ],
)
def test_what_postgres_refuses_is_told_and_changes_nothing(
    project: TinyProject, database: Postgres, source: dict[str, object], reason: str
) -> None:
    database.run("CREATE SEQUENCE shop.numbers")
    with pytest.raises(InputError) as raised:
        export_of(project, postgres="environment", **source)
    assert str(raised.value).startswith("view 'prices': postgres://environment/")
    assert reason in str(raised.value)
    assert database.run("SELECT count(*) FROM shop.prices") == "3"


@exported_here
def test_a_login_that_fails_shows_no_password(
    project: TinyProject, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "a-wrong-password")
    with pytest.raises(InputError) as raised:
        export_of(project, postgres="environment", table="shop.prices")
    assert str(raised.value) == (
        "view 'prices': postgres://environment cannot be read (IO Error: Unable to connect to Postgres at "
        '"options=\'-c default_transaction_read_only=on\'": connection to server at "127.0.0.1", port '
        f'{database.port} failed: FATAL:  password authentication failed for user "trainer"): correct source and '
        "fields of the view, or the environment (PGHOST, PGUSER, PGPASSWORD ..., or the service)"
    )


@exported_here
def test_a_service_of_the_service_file(
    project: TinyProject, database: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = export_of(project, postgres="environment", table="shop.prices")
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    lines = [f"{names[name]}={value}" for name, value in database.environment.items()]
    (tmp_path / "services.conf").write_text("\n".join(["[warehouse]", *lines, ""]))
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services.conf"))
    assert export_of(project, postgres="warehouse", table="shop.prices") == whole


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_days_of_a_ducklake_are_those_of_files(project: TinyProject, lake: Path) -> None:
    assert train(project, "files") == 0
    before = file_digest(lake)
    assert train(project, "lake", ducklake="lake.ducklake", table="prices") == 0
    assert parts(project, "lake") == parts(project, "files")
    newest = export_of(project, ducklake="lake.ducklake", table="prices")
    assert export_of(project, ducklake="lake.ducklake", table="main.prices", snapshot=3) == newest
    assert export_of(project, ducklake="lake.ducklake", table="prices", snapshot=2) != newest
    assert file_digest(lake) == before


def test_plan_leaves_no_export_behind(
    project: TinyProject, lake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "ducklake": "lake.ducklake", "table": "prices",
    }  # fmt: skip
    project.write()
    words = ["pipeline", "plan", "ranking", "--runtime-config-path", str(project.runtime_path)]
    staging = project.root / "output/ranking/_staging"
    # What a plan left that was killed goes when the next one begins.
    (staging / "run-of-a-killed-plan/work/exports").mkdir(parents=True)
    made = []
    run = exports._in_process
    monkeypatch.setattr(exports, "_in_process", lambda *given: made.append(run(*given)) or made[-1])
    assert cli(words) == 0
    assert "build" in capsys.readouterr().out
    assert [by_view["prices"].reference for by_view in made] == ["ducklake://lake.ducklake/prices@3"]
    assert [path.name for path in staging.iterdir()] == ["staging.lock"]
    (project.root / "data/events/dt=2024-01-02/part-0.parquet").write_bytes(b"no Parquet")
    assert cli(words) == 0
    assert "blocked" in capsys.readouterr().out
    project.views["prices"]["source"]["table"] = "nothing"
    project.write()
    assert cli(words) == 2
    assert [path.name for path in staging.iterdir()] == ["staging.lock"]


def test_the_halves_take_the_export_of_the_driver(project: TinyProject, lake: Path) -> None:
    project.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "ducklake": "lake.ducklake", "table": "prices",
    }  # fmt: skip
    loaded = project.write().load()
    dag = compile_runnable(loaded).skeleton()
    with exported(loaded, dag) as of_driver:
        lake.unlink()
        with exported(loaded, dag) as of_half:
            assert of_half == of_driver
        assert Path(of_driver["prices"].path).exists()
    assert EXPORTS_VARIABLE not in os.environ
    assert not Path(of_driver["prices"].path).exists()


@exported_here
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"ducklake": "lake.ducklake", "table": "prices", "snapshot": 99}, "ducklake://lake.ducklake/prices@99 cannot "
         "be read (Invalid Input Error: No snapshot found at version 99): correct source and fields of the view"),
        ({"ducklake": "lake.ducklake", "table": "nothing"}, "ducklake://lake.ducklake/nothing cannot be read (Catalog "
         "Error: Table with name nothing does not exist at version 3!): correct source and fields of the view"),
    ],
)  # fmt: skip
def test_what_a_ducklake_does_not_have(
    project: TinyProject, lake: Path, source: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError) as raised:
        export_of(project, **source)
    assert str(raised.value) == f"view 'prices': {sentence}"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({}, "a source has exactly one of 'path', 'postgres' and 'ducklake', found none of them"),
        ({"path": "x", "postgres": "environment"}, "a source has exactly one of 'path', 'postgres' and 'ducklake', "
         "found path and postgres"),
        ({"postgres": "environment"}, "a source in a database has exactly one of 'table' and 'query'"),
        ({"postgres": "host=db password=x", "table": "t"}, "postgres 'host=db password=x' is not a service: write a "
         "name of pg_service.conf, or environment; credentials stay outside of YAML"),
        ({"ducklake": "x", "query": "SELECT 1"}, "'query' belongs to postgres: remove it"),
        ({"path": "x", "table": "t"}, "'table' belongs to a database: remove it"),
        ({"postgres": "environment", "table": "t", "snapshot": 1}, "'snapshot' belongs to ducklake: remove it"),
    ],
)  # fmt: skip
def test_sources_that_contradict_themselves(project: TinyProject, source: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        export_of(project, **source)
    assert str(raised.value).endswith(f"source: {sentence}")


@exported_here
@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize("named", ["ROWID", "PRICE", "rowid"])
def test_a_column_of_a_ducklake_is_read_by_its_very_name(project: TinyProject, lake: Path, named: str) -> None:
    project.views["prices"]["field_mapping"] = {named: "price"}
    with pytest.raises(InputError) as caught:
        export_of(project, ducklake="lake.ducklake", table="prices")
    assert str(caught.value).startswith(f"view 'prices': ducklake://lake.ducklake/prices@3 has no column '{named}': ")

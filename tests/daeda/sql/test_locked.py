"""What the product's DuckDB connections refuse, after the parser of expressions has refused it before them."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import ThreadDaySlots
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, register_run
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.errors import ConfigurationError
from daeda.sources.listing import find_files
from daeda.sql import locked
from daeda.sql.expression import parse_expression
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.access import Access
from tests.packages import PACKAGES

ROOT = Path(__file__).parents[3]
DAY = dt.date(2024, 1, 2)

ESCAPES = {
    "read_text('{out}/secret.txt') IS NOT NULL": "SELECT * FROM read_text('{out}/secret.txt')",
    "(SELECT count(*) FROM read_parquet('{out}/x.parquet')) > 0": "SELECT * FROM read_parquet('{out}/x.parquet')",
    "glob('{out}/*') IS NOT NULL": "SELECT * FROM glob('{out}/*')",
    "true; ATTACH '{out}/x.db' AS x": "ATTACH '{out}/x.db' AS x",
    "true; COPY (SELECT 1) TO '{out}/x.csv'": "COPY (SELECT 1) TO '{out}/x.csv'",
    "true; SET enable_external_access = true": "SET enable_external_access = true",
    "true; SET threads = 64": "SET threads = 64",
    "true; SET allowed_directories = ['/']": "SET allowed_directories = ['/']",
    "true; INSTALL httpfs": "INSTALL httpfs",
    "true; LOAD httpfs": "LOAD httpfs",
    "true; EXPORT DATABASE '{out}/x'": "CREATE TABLE t (a INT); EXPORT DATABASE '{out}/x'",
    "read_text('{in}/../outside/secret.txt') = ''": "SELECT * FROM read_text('{in}/../outside/secret.txt')",
    "read_text('{in}-other/secret.txt') = ''": "SELECT * FROM read_text('{in}-other/secret.txt')",
    "read_text('{in}/link.txt') = ''": "SELECT * FROM read_text('{in}/link.txt')",
    "read_text('https://example.com/x') = ''": "SELECT * FROM read_text('https://example.com/x')",
}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A directory that was declared, and others with a secret each."""
    for name in ("inside", "inside-other", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret.txt").write_text("hidden")
    (tmp_path / "inside/link.txt").symlink_to(tmp_path / "outside/secret.txt")
    return {"in": str(tmp_path / "inside"), "out": str(tmp_path / "outside")}


@pytest.mark.parametrize("text", ESCAPES)
def test_what_leaves_the_declared_places_is_refused_twice(text: str, places: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        parse_expression(text.format(**places))
    with (
        connect(AllowedPaths.of([places["in"]])) as connection,
        pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)),
    ):
        connection.execute(ESCAPES[text].format(**places))
    assert sorted(path.name for path in Path(places["out"]).iterdir()) in (["secret.txt"], ["secret.txt", "x"])
    assert not list(Path(places["out"]).glob("x/*"))


def test_declared_places_are_read_and_written(tmp_path: Path) -> None:
    home = tmp_path / "it's [a] home"
    home.mkdir()
    with connect(AllowedPaths.of([home])) as connection:
        target = str(home / "x.parquet").replace("'", "''")
        connection.execute(f"COPY (SELECT 1 AS a) TO '{target}' (FORMAT parquet)")
        assert connection.execute(f"SELECT a FROM read_parquet(['{target}'])").fetchall() == [(1,)]
    with connect(AllowedPaths.of([home / "x.parquet"])) as connection:
        assert connection.execute(f"SELECT a FROM read_parquet(['{target}'])").fetchall() == [(1,)]


def test_a_connection_without_places_reaches_no_file(places: dict[str, str]) -> None:
    with connect() as connection, pytest.raises(duckdb.PermissionException):
        connection.execute(f"SELECT * FROM read_text('{places['in']}/secret.txt')")


def test_an_optimizer_that_takes_another_row_for_the_first_is_off() -> None:
    """What it does is shown by `test_ties_with_a_null_go_to_the_greatest_in_any_order` (test_point_in_time_sql)."""
    with connect() as connection:
        asked = "SELECT current_setting('disabled_optimizers')"
        for one in (connection, connection.cursor()):
            assert one.execute(asked).fetchall() == [("top_n_window_elimination",)]


def test_a_variable_of_python_is_no_table() -> None:
    rows = duckdb.sql("SELECT 1 AS a").to_arrow_table()
    assert rows.num_rows == 1
    with connect() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM rows")


def test_a_day_at_work_is_locked(tmp_path: Path, places: dict[str, str]) -> None:
    with open_staging(Layout(tmp_path / "output/s")) as staging:
        run_dir = str(staging.directory)
        context = RunContext("s", places["in"], str(tmp_path / "output/s"), run_dir, DayLimits(1 << 28, 1, ""), 1)
        register_run(context, ThreadDaySlots(1))
        session = session_of(begin(context, DayHandle(DAY)))
        try:
            assert session.resources.table("a", "SELECT 1 AS a") == 1
            assert session.resources.copy("FROM a", session.resources.work / "a.parquet", "COMPRESSION zstd") == 1
            connection = session.resources.connection
            assert connection.execute(f"SELECT * FROM read_text('{places['in']}/secret.txt')").fetchall()
            for statement in ESCAPES.values():
                with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
                    connection.execute(statement.format(**places))
        finally:
            session.close()
            forget_run(context)


def test_files_behind_links_of_a_view_are_reached(tmp_path: Path) -> None:
    (tmp_path / "far/dt=2024-01-01").mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/far/dt=2024-01-01/x.parquet' (FORMAT parquet)")
    (tmp_path / "view").mkdir()
    (tmp_path / "view/dt=2024-01-01").symlink_to(tmp_path / "far/dt=2024-01-01")
    files = find_files(str(tmp_path / "view"), "v")
    (file,) = next(iter(files.partitions.values()))
    with connect(AllowedPaths.of(files.places())) as connection:
        assert connection.execute(f"SELECT a FROM read_parquet(['{file}'])").fetchall() == [(1,)]


def test_one_module_opens_connections() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    paths = [path for path in files if re.search(r"duckdb\.(connect|sql|query|execute)\(", path.read_text())]
    assert [path.relative_to(ROOT) for path in paths] == [Path("daeda/sql/locked.py")]


_IMPORTS = """
import pkgutil, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(refuse)
for name in sys.argv[1:]:
    package = __import__(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        # PyTorch is no part of what is installed here.
        if not module.name.endswith(("__main__", ".torch_dataset")):
            __import__(module.name)
"""


def test_imports_reach_no_network() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _IMPORTS, *PACKAGES], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_a_locked_connection_imports_no_pandas(tmp_path: Path) -> None:
    """A parameter of a setting would, and then `plan` waits for pandas."""
    code = (
        f"import sys; from daeda.sql.locked import AllowedPaths, connect; connect(AllowedPaths.of([{str(tmp_path)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('pandas' in sys.modules)"], check=False)
    assert ended.returncode == 0


def test_cursors_have_the_zone_of_the_connection_whatever_that_of_the_host_is() -> None:
    program = (
        "from daeda.sql.locked import connect\n"
        "with connect() as connection, connection.cursor() as cursor:\n"
        "    for one in (connection, cursor):\n"
        "        print(*one.execute(\"SELECT current_setting('TimeZone'), CAST(CAST(TIMESTAMP '2024-01-01 23:00' AS\"\n"
        '        " TIMESTAMPTZ) AS VARCHAR)").fetchone())\n'
    )
    environment = {**os.environ, "TZ": "America/New_York"}
    words = [sys.executable, "-c", program]
    shown = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["UTC 2024-01-01 23:00:00+00"] * 2


def test_cursors_have_every_setting_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators beside others, and several streams of a history, read object storage by cursors."""
    if find_spec("duckdb_extension_httpfs") is None:
        pytest.skip("the extension httpfs is part of the extra s3")
    monkeypatch.setattr(locked, "find_access", lambda: Access("key", "secret", endpoint="http://127.0.0.1:9"))
    asked = "SELECT name, value FROM duckdb_settings() ORDER BY name"
    with connect(AllowedPaths.of(["s3://bucket/days"])) as connection, connection.cursor() as cursor:
        settings = dict(connection.execute(asked).fetchall())
        assert dict(cursor.execute(asked).fetchall()) == settings
        assert settings["http_retries"] == "5"

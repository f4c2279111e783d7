"""The objects behind a view, and the lock over the connection that reads them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from daeda.errors import DayError, InputError
from daeda.sources.identity import Identities, check_unchanged
from daeda.sources.listing import find_files
from daeda.sql.files import file_list
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.client import S3Client
from tests.projects import write_parquet
from tests.storage.conftest import BUCKET, SECRET
from tests.storage.server import Proxy


def test_what_a_path_stands_for(client: S3Client) -> None:
    for key in ("v/a.parquet", "v/b.parquet", "v/_c.csv", "v/_deep/er/d.parquet", "w/dt=2024-01-02/x.parquet"):
        client.put(BUCKET / key, key.encode())
    for key in ("w/dt=2024-01-01/b.parquet", "w/dt=2024-01-01/a.parquet", "w/dt=2024-01-03/_SUCCESS", "w/_info.json"):
        client.put(BUCKET / key, key.encode())
    assert find_files("s3://lake/v", "v").flat == ("s3://lake/v/a.parquet", "s3://lake/v/b.parquet")
    assert find_files("s3://lake/v/", "v").flat == find_files("s3://lake/v/?.parquet", "v").flat
    assert find_files("s3://lake/v/[!a].parquet", "v").flat == ("s3://lake/v/b.parquet",)
    assert find_files("s3://lake/v/_deep/**/d*.parquet", "v").flat == ("s3://lake/v/_deep/er/d.parquet",)
    assert find_files("s3://lake/v/a.parquet", "v").flat == ("s3://lake/v/a.parquet",)
    days = find_files("s3://lake/w", "v")
    assert days.partitions == {
        dt.date(2024, 1, 1): ("s3://lake/w/dt=2024-01-01/a.parquet", "s3://lake/w/dt=2024-01-01/b.parquet"),
        dt.date(2024, 1, 2): ("s3://lake/w/dt=2024-01-02/x.parquet",),
        dt.date(2024, 1, 3): (),
    }
    assert days.places() == ("s3://lake/w",)


@pytest.mark.parametrize(
    ("path", "key", "sentence"),
    [
        ("s3://lake/v/a.parquet", "v/b.parquet", "s3://lake/v/a.parquet does not exist: correct the path, or put the "
         "data there"),
        ("s3://lake/v/x*", "v/b.parquet", "s3://lake/v/x* matches no object: correct the path, or put the data there"),
        ("s3://lake/v", "v/dt=20240101/b.parquet", "s3://lake/v/dt=20240101 is not a day: a partition is named "
         "dt=YYYY-MM-DD, so rename or remove it"),
        ("s3://lake/v", "v/b?.parquet", "s3://lake/v/b?.parquet has one of *?[]\\ in its name: rename it"),
    ],
)  # fmt: skip
def test_paths_that_stand_for_nothing(client: S3Client, path: str, key: str, sentence: str) -> None:
    client.put(BUCKET / key, b"")
    with pytest.raises(InputError) as raised:
        find_files(path, "v")
    assert str(raised.value) == f"view 'v': {sentence}"


def test_an_object_is_identified_by_etag_and_size_without_reading_it(client: S3Client, proxy: Proxy) -> None:
    client.put(BUCKET / "v/a.parquet", b"one")
    files = find_files("s3://lake/v", "v")
    proxy.seen.clear()
    first = Identities().of("scan", files.flat[0], files)
    assert proxy.seen == []
    assert first.version == "3 f97c5d29941bfb1b2fdab0874906ab82"
    check_unchanged([first, first])
    assert [method for method, _ in proxy.seen] == ["HEAD"]
    client.put(BUCKET / "v/a.parquet", b"two")
    assert Identities().of("scan", files.flat[0]).version != first.version
    with pytest.raises(DayError) as raised:
        check_unchanged([first])
    assert str(raised.value) == ("s3://lake/v/a.parquet changed while the day was built: run again when it is complete")


@pytest.mark.parametrize("kind", ["500", "503", "hang up", "truncate", "silent"])
def test_duckdb_reads_the_rows_whatever_the_server_does(
    client: S3Client, proxy: Proxy, tmp_path: Path, kind: str
) -> None:
    write_parquet(tmp_path / "x.parquet", {"a": "int64"}, [(number,) for number in range(50_000)])
    client.put(BUCKET / "v/x.parquet", tmp_path / "x.parquet")
    fault = proxy.fail(kind, 1, lambda method, path: method == "GET", seconds=2.5)
    with connect(AllowedPaths.of(["s3://lake/v"])) as connection:
        rows = connection.execute("SELECT sum(a) FROM read_parquet(['s3://lake/v/x.parquet'])").fetchall()
    assert rows == [(sum(range(50_000)),)]
    assert fault.hits == 1


def test_other_objects_are_out_of_reach(client: S3Client, tmp_path: Path, proxy: Proxy) -> None:
    write_parquet(tmp_path / "x.parquet", {"a": "int64"}, [(1,)])
    for key in ("v/x.parquet", "w/x.parquet"):
        client.put(BUCKET / key, tmp_path / "x.parquet")
    with connect(AllowedPaths.of(["s3://lake/v"])) as connection:
        assert connection.execute("SELECT a FROM 's3://lake/v/x.parquet'").fetchall() == [(1,)]
        for statement in (
            "SELECT a FROM read_parquet('s3://lake/w/x.parquet')",
            f"SELECT * FROM read_text('http://127.0.0.1:{proxy.port}/lake/v/x.parquet')",
            "COPY (SELECT 1) TO 's3://lake/w/y.csv'",
            "ATTACH 's3://lake/w/x.db' AS x",
            "SET s3_endpoint = 'example.com'",
        ):
            with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
                connection.execute(statement)
        assert SECRET not in str(connection.execute("SELECT * FROM duckdb_secrets()").fetchall())


def test_an_object_keeps_its_name_where_rows_are_told_by_it(client: S3Client, tmp_path: Path) -> None:
    """As those of sorted partitions are, which one statement reads (`daeda.sql.scan.told_by_file`)."""
    write_parquet(tmp_path / "x.parquet", {"a": "int64"}, [(1,)])
    keys = ("v/dt=2024-01-01/a b+c%20d.parquet", "v/dt=2024-01-02/é'#&.parquet", "v//x{1}.parquet")
    for key in keys:
        client.put(BUCKET / key, tmp_path / "x.parquet")
    paths = [f"s3://lake/{key}" for key in keys]
    query = f"SELECT file FROM read_parquet({file_list(paths).sql('duckdb')}, filename = 'file')"
    with connect(AllowedPaths.of(["s3://lake/v"])) as connection:
        assert [path for (path,) in connection.execute(query).fetchall()] == paths

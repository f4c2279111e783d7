"""What is a file of a view, on object storage: by the same rules as on a disk, and what keys have beside."""

from __future__ import annotations

import pytest

from daeda.errors import InputError
from daeda.sources import objects
from daeda.sources.listing import find_files
from daeda.storage.client import S3Client, StoredObject
from daeda_audit.raw.listing import read_listing
from tests.daeda.sources.entry_cases import CASES, EntryCase, left_out
from tests.storage.conftest import BUCKET
from tests.storage.server import Proxy

A = "dt=2024-01-01/a.parquet"


def put(client: S3Client, *keys: str, body: bytes = b"x") -> None:
    """Objects of any key, also of those that `ObjectPath` would tidy up."""
    for key in keys:
        client._s3.put_object(Bucket=BUCKET.bucket, Key=key, Body=b"" if key.endswith("/") else body)


def refusal(path: str) -> str:
    with pytest.raises(InputError) as raised:
        find_files(path, "x", "s3://lake")
    return str(raised.value)


@pytest.mark.some(6)
@pytest.mark.parametrize("name", CASES)
def test_what_is_an_object_of_a_view(name: str, client: S3Client) -> None:
    case = CASES[name]
    put(client, *(f"v/{file}" for file in case.files))
    if case.refused:
        sentence = case.refused.replace("{v}", "s3://lake/v").replace("{file}", "object")
        assert refusal(case.path).startswith(f"view 'x': {sentence}")
        assert_the_audit_refuses(case)
        return
    files = find_files(case.path, "x", "s3://lake")
    listed = files.flat or tuple(path for paths in files.partitions.values() for path in paths)
    assert listed == tuple(f"s3://lake/v/{name}" for name in case.read)
    assert set(files.versions) == set(listed)
    audited = read_listing("x", "s3://lake", case.path)
    assert {day: len(files_of_day) for day, files_of_day in audited.by_day.items()} == {
        f"dt={day}": len(files_of_day) for day, files_of_day in files.partitions.items()
    }
    held = audited.flat or tuple(file for files_of_day in audited.by_day.values() for file in files_of_day)
    assert tuple(str(file.path) for file in held if isinstance(file, StoredObject)) == listed


def assert_the_audit_refuses(case: EntryCase) -> None:
    """In its own words; a day that is none is refused when it is asked for."""
    if "is not a day" in case.refused or "matches no" in case.refused:
        assert not read_listing("x", "s3://lake", case.path).flat
        return
    with pytest.raises(InputError, match=r"may hold rows, and no rule reads it|is a table of Delta, Iceberg or Hudi"):
        read_listing("x", "s3://lake", case.path)


def test_objects_that_mark_a_directory_are_no_data(client: S3Client) -> None:
    put(client, "v/", f"v/{A}", "v/dt=2024-01-01/", "v/dt=2024-01-02/", "v/x/", "v/dt=2024-01-01/y/")
    put(client, "v/dt=2024-01-01_$folder$", "v_$folder$", body=b"")
    files = find_files("v", "x", "s3://lake")
    assert [len(paths) for paths in files.partitions.values()] == [1, 0]


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("/dt=2024-01-01/b.parquet", "the view has dt=YYYY-MM-DD directories, and reads those alone"),
        ("dt=2024-01-01//b.parquet", "a partition holds files .parquet directly"),
        ("dt=2024-01-02_$folder$", "the view has dt=YYYY-MM-DD directories, and reads those alone"),
    ],
)
def test_keys_that_no_path_has_are_refused(client: S3Client, key: str, rule: str) -> None:
    put(client, f"v/{A}", f"v/{key}")
    assert refusal("v") == f"view 'x': {left_out(key, rule).replace('{v}', 's3://lake/v')}"


def test_an_object_that_ends_with_a_slash_and_has_bytes_is_refused(client: S3Client) -> None:
    put(client, f"v/{A}")
    client._s3.put_object(Bucket=BUCKET.bucket, Key="v/dt=2024-01-01/", Body=b"rows")
    assert refusal("v").startswith("view 'x': s3://lake/v/dt=2024-01-01/ would not be read: ")


def test_an_object_beside_what_lies_below_it_is_refused(client: S3Client) -> None:
    put(client, "t.parquet", "t.parquet/part-0.parquet")
    assert refusal("t.parquet") == (
        "view 'x': s3://lake/t.parquet is an object, and s3://lake/t.parquet/part-0.parquet lies below it: move or "
        "rename one"
    )


def test_what_lies_above_is_looked_at_once_in_a_run_and_only_where_it_may_be_seen(
    client: S3Client, proxy: Proxy
) -> None:
    put(client, f"w/v/{A}")
    proxy.fail("403", 1, lambda method, path: "_delta_log" in path)
    assert find_files("w/v", "x", "s3://lake").partitioned
    proxy.seen.clear()
    assert find_files("w/v", "x", "s3://lake").partitioned
    assert len(proxy.seen) == 1


def test_a_table_with_many_versions_is_seen(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_MOST_AT_ONCE", 2)
    put(client, "t/data/a.parquet", *(f"t/metadata/snap-{number}.avro" for number in range(3)))
    put(client, "t/metadata/v1.metadata.json")
    told = "view 'x': s3://lake/t/metadata/v1.metadata.json is the metadata of an Iceberg table"
    assert refusal("t/data").startswith(told)

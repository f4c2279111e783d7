"""A file that should be Parquet and is not says what it looks like."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, feather, orc

from daeda.errors import InputError
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from daeda.sources.contents import format_of
from tests.projects import TinyProject

TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})


def refusal(project: TinyProject) -> str:
    loaded, dag = project.load(), project.compile().skeleton()
    with pytest.raises(InputError) as raised:
        check_sources(loaded, dag, find_sources(loaded, dag), loaded.runtime.days)
    return str(raised.value)


def test_what_a_file_looks_like(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("item_vector").write().write_data()
    items = tmp_path / "data/items.parquet"
    whole = items.read_bytes()

    def told(what: str) -> bool:
        return refusal(project).startswith(f"view 'items': {items} is not a readable Parquet file ({what}")

    csv.write_csv(TABLE, str(items))
    assert told("it looks like CSV: Parquet magic bytes not found in footer")
    orc.write_table(TABLE, str(items))
    assert told("it looks like ORC: ")
    feather.write_feather(TABLE, str(items))
    assert told("it looks like Arrow IPC (Feather): ")
    items.write_bytes(whole[:-20])
    assert told("it looks like a Parquet file that was cut off or written over: ")
    items.write_bytes(b"")
    assert told("Parquet file size is 0 bytes): write it again")
    items.write_bytes(b"\x00\x01\x02" * 50)
    assert told("Parquet magic bytes not found in footer")


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (b'\xef\xbb\xbf{"a": 1}\n', "JSON"),
        (b"a\tb\n1\t2\n", "CSV"),
        (b"<html><body>", "HTML or XML"),
        (b"\x1f\x8b\x08", "something packed by gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, whose file was not fetched"),
        (b"plain", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_first_bytes(first: bytes, what: str) -> None:
    assert format_of(first) == what

"""Names and types of columns in objects are checked as they are in files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.errors import InputError
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from daeda.storage.client import S3Client
from tests.daeda.sources.test_columns import DAY, NOW
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET, put_tree


def _refusal(root: Path, client: S3Client, name: str, table: pa.Table, *, spark: bool = False) -> str:
    """What is said of a project on object storage, one file of which is this table."""
    made = TinyProject(root).without("item_vector")
    made.views["prices"]["source"]["path"] = "prices.parquet"
    made.views["prices"]["fields"][1]["dtype"] = "timestamp[ns]" if spark else "timestamp[us]"
    made.write().write_data()
    target = root / "data" / name
    if not target.is_file():
        for path in sorted(target.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        target.rmdir() if target.is_dir() else None
    pq.write_table(table, target, use_deprecated_int96_timestamps=spark)
    put_tree(client, root / "data", BUCKET / "columns")
    made.runtime["data_root"] = str(BUCKET / "columns")
    project = made.write().load()
    dag = made.compile().skeleton()
    with pytest.raises(InputError) as caught:
        check_sources(project, dag, find_sources(project, dag), [DAY])
    return str(caught.value)


def _prices(times: pa.Array, names: tuple[str, ...] = ("item_id", "event_timestamp", "price")) -> pa.Table:
    columns = [pa.array([11] * len(times), pa.int64()), times, pa.array([1.0] * len(times))]
    return pa.table([*columns, columns[-1]][: len(names)], names=list(names))


def test_names_that_differ_in_case_are_refused(tmp_path: Path, client: S3Client) -> None:
    table = _prices(pa.array([NOW // 1000], pa.timestamp("us")), ("item_id", "event_timestamp", "Price", "price"))
    assert _refusal(tmp_path, client, "prices.parquet", table) == (
        f"view 'prices': {BUCKET}/columns/prices.parquet has the columns 'Price' and 'price', which DuckDB does not "
        "tell apart: leave one of them out, or rename it"
    )


def test_digits_of_spark_times_are_not_lost(tmp_path: Path, client: S3Client) -> None:
    table = _prices(pa.array([NOW - 500], pa.timestamp("ns")))
    assert _refusal(tmp_path, client, "prices.parquet", table, spark=True).startswith(
        f"view 'prices': in {BUCKET}/columns/prices.parquet the column 'event_timestamp' is INT96, as Spark writes it, "
        "with digits below the microsecond, which DuckDB does not read: "
    )

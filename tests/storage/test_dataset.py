"""Published days on object storage are opened as those of a disk are, at the versions that were listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from daeda.dataset.layout import Layout, part_name
from daeda.errors import ChangedMeanwhile, DaedaError, InputError, UsageError
from daeda.storage.client import S3Client
from daeda_data import dataset
from tests.daeda_data.days import day_of, publish_rows
from tests.storage.conftest import BUCKET, put_tree

ROOT = f"{BUCKET}/out"


@pytest.fixture
def rows(client: S3Client, tmp_path: Path) -> pa.Table:
    """Two days of eleven parts in the bucket, with what is no data beside them."""
    made = publish_rows(Layout(tmp_path / "service"), 2, parts=11, rows=2, half="enriched")
    day = tmp_path / "service/enriched/dt=2024-01-02"
    (day / "notes.txt").write_text("of somebody")
    (tmp_path / "service/enriched/dt=2024-01-03").mkdir()
    (tmp_path / "service/enriched/dt=2024-01-03/part-0-0.parquet").write_bytes((day / part_name(0)).read_bytes())
    put_tree(client, tmp_path / "service", BUCKET / "out/service")
    return made


def sentence(**arguments: Any) -> str:
    with pytest.raises(DaedaError) as raised:
        dataset(ROOT, "service", **arguments)
    return str(raised.value)


def test_every_reader_reads_the_rows_in_order(rows: pa.Table) -> None:
    data = dataset(ROOT, "service", verify=True)
    assert (data.days, data.half, data.path) == ((day_of(0), day_of(1)), "enriched", "s3://lake/out/service/enriched")
    assert data.arrow().to_table() == rows
    assert data.arrow().to_table(filter=ds.field("dt") == day_of(1)).num_rows == 22
    assert data.polars().collect().rows(named=True) == rows.to_pylist()
    with duckdb.connect() as connection:
        relation = data.duckdb(connection)
        assert [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()] == rows.to_pylist()
    assert pa.Table.from_pandas(data.pandas(), schema=rows.schema, preserve_index=False) == rows


def test_what_is_not_there_is_named(rows: pa.Table, client: S3Client) -> None:
    assert sentence(days="2024-01-03") == (
        "2024-01-03 is not published in s3://lake/out/service/enriched, where 2024-01-01..2024-01-02 are: build what "
        "is missing with `daeda pipeline train`, or ask for other days"
    )
    with pytest.raises(UsageError, match="no days of 'servce' in s3://lake/out: did you mean 'service'"):
        dataset(ROOT, "servce")
    assert "splits stand in the YAML of 'service', not beside its days" in sentence(split="train")
    assert "s3://lake/out/service/skeleton holds no day with a manifest" in sentence(half="skeleton")


def test_a_part_that_is_another_one_by_now_is_not_read(rows: pa.Table, client: S3Client) -> None:
    data = dataset(ROOT, "service")
    changed = BUCKET / "out/service/enriched/dt=2024-01-02" / part_name(3)
    content = client.read(changed)
    assert content is not None
    client.put(changed, content[0][:-1] + b"x")
    with pytest.raises(ChangedMeanwhile):
        data.arrow().to_table()
    told = "s3://lake/out/service/enriched/dt=2024-01-02/part-3-0.parquet is not the file that was published"
    assert sentence(verify=True).startswith(told)
    client.delete(changed)
    with pytest.raises(InputError, match=r"dt=2024-01-02 is not the day that was published: part-3-0"):
        dataset(ROOT, "service")
    assert dataset(ROOT, "service", days="2024-01-01").rows == 22

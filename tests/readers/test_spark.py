"""Spark opens both halves of a service whose embedding columns are `list<float>`, and of another the skeleton alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

import daeda
from tests.readers.days import output, written

pyspark = pytest.importorskip("pyspark", reason="`make readers` has it in its environment")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    settings = {"spark.driver.host": "127.0.0.1", "spark.sql.session.timeZone": "UTC", "spark.driver.memory": "1g"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.mark.parametrize("half", ["skeleton", "enriched"])
def test_each_half_of_a_service_with_vectors_of_floats(spark: Any, half: Any) -> None:
    root = output("floats")
    frame = eval(written("Spark", root).replace("enriched", half), {"spark": spark})
    data = daeda.dataset(root, "ranking", half=half)
    assert [name for name, _ in frame.dtypes] == data.schema.names
    assert dict(frame.dtypes)["dt"] == "date"
    assert dict(frame.dtypes)["item_vector"] == "array<float>"
    expected = data.arrow().to_table().to_pylist()
    assert len(expected) == data.rows > 3600
    assert len([part for part in data.parts() if part.day == dt.date(2024, 1, 2)]) > 12
    found = [row.asDict() for row in frame.collect()]
    for row in found:
        row["event_timestamp"] = row["event_timestamp"].replace(tzinfo=None)
    assert sorted(found, key=_whole) == sorted(expected, key=_whole)
    vectors = [row["item_vector"] for row in found]
    assert all(vector is None for vector in vectors) == (half == "skeleton")
    if half == "enriched":
        assert {len(vector) for vector in vectors if vector is not None} == {1152}
        # Statistics of the footer are used by filters: they leave out what does not match, and nothing else.
        wanted = "user_id = 3 AND dt = DATE '2024-01-02'"
        assert frame.where(wanted).count() == sum(row["user_id"] == 3 for row in expected if row["dt"].day == 2)


def test_an_enriched_day_with_a_column_of_halffloats_is_refused_by_spark(spark: Any) -> None:
    root = output("halves")
    with pytest.raises(Exception, match=r"Illegal Parquet type: FIXED_LEN_BYTE_ARRAY .*FLOAT16"):
        spark.read.parquet(f"{root}/ranking/enriched").select("user_id").collect()
    # The empty columns of its skeleton are floats.
    skeleton = spark.read.parquet(f"{root}/ranking/skeleton")
    assert dict(skeleton.dtypes)["item_vector"] == "array<float>"
    assert skeleton.count() == daeda.dataset(root, "ranking", half="skeleton").rows


def _whole(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))

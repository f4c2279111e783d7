"""The household example's configuration over a few rows, with ties, and a product without a price and a vector."""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

EXAMPLE = Path(__file__).parents[2] / "examples" / "complete_journey"
FIRST, DAYS = dt.date(2017, 1, 1), 70
SHOWN = dt.date(2017, 1, 31)
HOUSEHOLDS, PRODUCTS = 5, 7


def household_project(root: Path, seed: int = 7) -> Path:
    """Copy the YAML files below `root`, and write small data beside them; returns the root."""
    for name in ("config", "feature_views", "feature_services"):
        shutil.copytree(EXAMPLE / name, root / name)
    chance = random.Random(seed)
    data = root / "data"
    prices: list[dict[str, Any]] = []
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        rows = sorted((_purchase(chance, day) for _ in range(6)), key=lambda row: row["transaction_timestamp"])
        _write(rows, data / "transactions" / f"dt={day}" / "part-0.parquet")
        prices = [
            {
                "product_id": row["product_id"],
                "event_timestamp": row["transaction_timestamp"],
                "price": chance.choice([1.0, 1.5, None]),
            }
            for row in rows
            if row["product_id"] != 1
        ]
        _write(prices or [{"product_id": 2, "event_timestamp": _noon(day), "price": 1.0}],
               data / "product_prices" / f"dt={day}" / "part-0.parquet")  # fmt: skip
    products = [
        {"product_id": one, "manufacturer_id": one % 3, "department": "GROCERY", "brand": None,
         "product_category": "SOUP", "product_type": f"TYPE {one}"}
        for one in range(1, PRODUCTS)
    ]  # fmt: skip
    _write(products, data / "products.parquet")
    campaigns = [
        {"household_id": one, "event_timestamp": _noon(FIRST + dt.timedelta(days=9 * one)), "running_campaigns": ids}
        for one, ids in ((1, [4, 8]), (2, []), (2, [15]))
    ]
    pq.write_table(
        pa.Table.from_pylist(
            campaigns,
            pa.schema([("household_id", pa.int64()), ("event_timestamp", pa.timestamp("us")),
                       ("running_campaigns", pa.list_(pa.int64()))]),
        ),
        data / "household_campaigns.parquet",
    )  # fmt: skip
    import lance

    vectors = pa.array([[float(one)] * 50 for one in range(2, PRODUCTS)], pa.list_(pa.float16(), 50))
    store = pa.table({"product_id": pa.array(range(2, PRODUCTS), pa.int64()), "vector": vectors})
    lance.write_dataset(store, str(data / "product_vectors.lance"))
    return root


def _noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12))


def _purchase(chance: random.Random, day: dt.date) -> dict[str, Any]:
    # A few seconds of the day, so that purchases tie, and meet the ends of windows of whole days.
    time = dt.datetime.combine(day, dt.time(chance.choice([9, 12]), 0, chance.choice([0, 0, 1])))
    return {
        "household_id": chance.randrange(1, HOUSEHOLDS),
        "basket_id": chance.randrange(1000),
        "product_id": chance.randrange(1, PRODUCTS),
        "store_id": chance.randrange(2),
        "transaction_timestamp": time,
        "sales_value": chance.choice([1.0, 2.5, None]),
    }


def _write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(_typed(pa.Table.from_pylist(list(rows))), path)


def _typed(table: pa.Table) -> pa.Table:
    """What is NULL in every row has a type, too."""
    kinds = {"price": pa.float64(), "sales_value": pa.float64(), "brand": pa.string()}
    fields = [pa.field(one.name, kinds.get(one.name, one.type)) for one in table.schema]
    return table.cast(pa.schema(fields))

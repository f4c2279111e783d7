"""The table of one day of the service household_ranking, as its contract says, by the slow path.

What the YAML of the example declares is written down here a second time, by hand.
"""

from datetime import date, datetime, timedelta
from pathlib import Path

import lance
import pyarrow.parquet as pq

from .embedding import avg_pool, load, lookup
from .labels import label
from .point_in_time import point_in_time
from .rolling import rolling
from .values import order_key, scan

TRANSACTIONS = [
    "household_id",
    "basket_id",
    "product_id",
    "store_id",
    "event_timestamp",
    "quantity",
    "sales_value",
]
PRODUCT_PRICES = ["product_id", "event_timestamp", "price"]
HOUSEHOLD_CAMPAIGNS = ["household_id", "event_timestamp", "running_campaigns"]
STATIC = ["department", "brand", "product_category", "product_type", "manufacturer_id"]
GRAIN = ["household_id", "basket_id", "product_id"]
COLUMNS = [
    "household_id",
    "product_id",
    "basket_id",
    "store_id",
    "event_timestamp",
    "bought_again_28d",
    *STATIC,
    "price",
    "running_campaigns",
    "recent_products_7d",
    "recent_products_28d",
    "purchases_1d",
    "purchases_7d",
    "purchases_28d",
    "spend_1d",
    "spend_7d",
    "spend_28d",
    "last_purchase_timestamp",
    "last_purchases",
    "product_vector",
    "recent_products_vector",
]
LONGEST = 28


def expected_day(data_dir, day):
    """The names of the columns, and the rows as tuples, in order; `day` is a date or YYYY-MM-DD.

    A vector is a list of floats, each the exact value of its float16.
    """
    data = Path(data_dir)
    day = date.fromisoformat(day) if isinstance(day, str) else day
    history = purchases(data, day - timedelta(days=LONGEST), day)
    start = datetime(day.year, day.month, day.day)
    spine = [row for row in history if start <= row["event_timestamp"] < start + timedelta(days=1)]
    rest = [name for name in TRANSACTIONS if name not in GRAIN and name != "event_timestamp"]
    spine.sort(key=lambda row: [order_key(row[name]) for name in ["event_timestamp", *GRAIN, *rest]])

    rows = [{name: row[name] for name in COLUMNS if name in row} for row in spine]
    for added in (
        static_columns(data, spine),
        price_column(data, spine, day),
        campaign_column(data, spine),
        rolling_columns(spine, history),
        label_column(data, spine, day),
    ):
        for row, more in zip(rows, added, strict=True):
            row.update(more)
    add_vectors(data, rows)
    return list(COLUMNS), [tuple(row[name] for name in COLUMNS) for row in rows]


def read_days(directory, first, last):
    """The rows of the partitions from `first` to `last`, inclusive; a missing one is an error."""
    rows = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        files = sorted((directory / f"dt={day.isoformat()}").glob("*.parquet"))
        assert files, f"no partition {day} in {directory.name}"
        for file in files:
            rows.extend(pq.read_table(file, partitioning=None).to_pylist())
    return rows


def purchases(data, first, last):
    """The purchases, under the names of the view."""
    rows = read_days(data / "transactions", first, last)
    for row in rows:
        row["event_timestamp"] = row.pop("transaction_timestamp")
    return scan(rows)


def static_columns(data, spine):
    """What the product is."""
    products = {}
    for row in pq.read_table(data / "products.parquet").to_pylist():
        assert row["product_id"] not in products
        products[row["product_id"]] = {name: row[name] for name in STATIC}
    return [products.get(row["product_id"], dict.fromkeys(STATIC)) for row in spine]


def price_column(data, spine, day):
    """What the product was last sold for, in the 28 days before."""
    return point_in_time(
        spine,
        read_days(data / "product_prices", day - timedelta(days=LONGEST), day),
        ["product_id"],
        "event_timestamp",
        "event_timestamp",
        ttl=timedelta(days=LONGEST),
        columns=["price"],
        declared=PRODUCT_PRICES,
    )


def campaign_column(data, spine):
    """Which campaigns run for the household; [] where nothing is known."""
    found = point_in_time(
        spine,
        pq.read_table(data / "household_campaigns.parquet").to_pylist(),
        ["household_id"],
        "event_timestamp",
        "event_timestamp",
        columns=["running_campaigns"],
        declared=HOUSEHOLD_CAMPAIGNS,
    )
    return [
        {"running_campaigns": [] if row["running_campaigns"] is None else row["running_campaigns"]} for row in found
    ]


def rolling_columns(spine, history):
    """What the household did lately."""
    present = {row["household_id"] for row in spine}
    history = [row for row in history if row["household_id"] in present]  # the others only cost time

    def over(days, kind, column=None, max_length=None, **sequence):
        return rolling(
            spine,
            history,
            ["household_id"],
            "event_timestamp",
            "event_timestamp",
            kind,
            column=column,
            window=timedelta(days=days),
            max_length=max_length,
            declared=TRANSACTIONS,
            unit=timedelta(microseconds=1),
            **sequence,
        )

    columns = {
        **{f"recent_products_{days}d": over(days, "last_distinct", "product_id", 32) for days in (7, 28)},
        **{f"purchases_{days}d": over(days, "count") for days in (1, 7, 28)},
        **{f"spend_{days}d": over(days, "sum", "sales_value") for days in (1, 7, 28)},
        "last_purchase_timestamp": over(28, "last", "event_timestamp"),
        "last_purchases": over(
            28, "sequence", max_length=64, columns=["product_id", "store_id", "sales_value"], age="age"
        ),
    }
    return [{name: values[place] for name, values in columns.items()} for place in range(len(spine))]


def label_column(data, spine, day):
    """Whether the household buys the product again in the 28 days after."""
    window = timedelta(days=LONGEST)
    again = label(
        spine,
        purchases(data, day, day + window + timedelta(days=1)),
        ["household_id", "product_id"],
        "event_timestamp",
        "event_timestamp",
        "any",
        window,
        gap=timedelta(0),
        matures_after=timedelta(0),
        declared=TRANSACTIONS,
    )
    return [{"bought_again_28d": value} for value in again]


def add_vectors(data, rows):
    """The vector of the product, and the mean vector of the recent products."""
    table = lance.dataset(str(data / "product_vectors.lance"), version=1).to_table()
    needed = {row["product_id"] for row in rows}.union(*(row["recent_products_28d"] for row in rows))
    places = [place for place, product in enumerate(table["product_id"].to_pylist()) if product in needed]
    table = table.take(places)
    store = load(zip(table["product_id"].to_pylist(), table["vector"].to_pylist(), strict=True))
    pooled = {}  # the rows of a basket share their recent products
    for row in rows:
        recent = tuple(row["recent_products_28d"])
        if recent not in pooled:
            pooled[recent] = as_floats(avg_pool(recent, store))
        row["product_vector"] = as_floats(lookup(row["product_id"], store))
        row["recent_products_vector"] = pooled[recent]


def as_floats(vector):
    """Exact: every float16 is a double."""
    return None if vector is None else [float(value) for value in vector]

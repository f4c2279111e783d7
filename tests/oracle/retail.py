"""The service of tests/retail over the real lines of an online shop, by the slow path."""

from datetime import datetime, timedelta

import pyarrow.parquet as pq

from .point_in_time import point_in_time
from .rolling import rolling
from .values import order_key, scan

LINES = ["customer_id", "stock_id", "invoice_no", "event_timestamp", "quantity", "unit_price", "country"]
SOURCE = ["CustomerID", "StockCode", "InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice", "Country"]
GRAIN = ["invoice_no", "stock_id"]


def expected_days(path, first, days):
    """For each day its rows as dicts, in order; `first` is a date."""
    table = pq.read_table(path, columns=SOURCE).rename_columns(LINES)
    start = datetime(first.year, first.month, first.day)
    end = start + timedelta(days=days)
    lines = scan([row for row in table.to_pylist() if row["event_timestamp"] < end])
    spine = [row for row in lines if row["event_timestamp"] >= start]
    rest = [name for name in LINES if name not in GRAIN and name != "event_timestamp"]
    spine.sort(key=lambda row: [order_key(row[name]) for name in ["event_timestamp", *GRAIN, *rest]])
    rows = [dict(row) for row in spine]
    for name, values in columns(spine, lines).items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    found = {}
    for row in rows:
        if row["last_country"] is None:
            row["last_country"] = "nowhere"
        if row["units_28d"] is None:
            row["units_28d"] = 0
        known = row["last_price"] is not None
        row["price_change"] = row["unit_price"] - row["last_price"] if known else None
        found.setdefault(row["event_timestamp"].date(), []).append(row)
    return found


def columns(spine, lines):
    """Every feature, by name."""
    customers = {row["customer_id"] for row in spine}
    of_customers = [row for row in lines if row["customer_id"] in customers]
    begin = spine[0]["event_timestamp"] - timedelta(days=3)
    lately = [row for row in lines if row["event_timestamp"] >= begin]

    def of_customer(kind, column=None, days=28, **options):
        return over(of_customers, ["customer_id"], kind, column, days, **options)

    def over(history, entity, kind, column, days, **options):
        window = None if days is None else timedelta(days=days)
        return rolling(
            spine, history, entity, "event_timestamp", "event_timestamp", kind,
            column=column, window=window, declared=LINES, **options,
        )  # fmt: skip

    return {
        "last_price": looked_up(
            spine, lines, "stock_id", {"unit_price": "last_price"}, timedelta(days=7), begin - timedelta(days=4)
        ),
        "last_country": looked_up(spine, of_customers, "customer_id", {"country": "last_country"}, None, None),
        **{f"lines_{days}d": of_customer("count", days=days) for days in (1, 7, 28)},
        "lines_ever": of_customer("count", days=None),
        **{f"units_{days}d": of_customer("sum", "quantity", days) for days in (7, 28)},
        "returned_lines_28d": of_customer("count", where=lambda row: row["quantity"] < 0),
        "recent_items_28d": of_customer("last_distinct", "stock_id", max_length=32),
        "recent_quantities": of_customer(
            "list", "quantity", 7, max_length=8, order="oldest_first", where=lambda row: row["quantity"] > 0
        ),
        "favourite_items_28d": of_customer("top_k", "stock_id", max_length=5),
        "items_28d": of_customer("count_distinct", "stock_id"),
        "first_item_28d": of_customer("first", "stock_id"),
        "last_invoice": of_customer("last", "invoice_no"),
        "cheapest_28d": of_customer("min", "unit_price"),
        "dearest_28d": of_customer("max", "unit_price"),
        "mean_price_28d": of_customer("mean", "unit_price"),
        "price_deviation_28d": of_customer("std", "unit_price"),
        "item_units_3d": over(lately, ["stock_id"], "sum", "quantity", 3),
        "item_prices_3d": over(lately, ["stock_id"], "sum", "unit_price", 3),
    }


def looked_up(spine, lines, key, renamed, ttl, since):
    """One column of a view over the lines that has only its key, its time and that column."""
    [(source, name)] = renamed.items()
    rows = [
        {key: row[key], "event_timestamp": row["event_timestamp"], name: row[source]}
        for row in lines
        if since is None or row["event_timestamp"] >= since
    ]
    found = point_in_time(
        spine, rows, [key], "event_timestamp", "event_timestamp",
        ttl=ttl, columns=[name], declared=[key, "event_timestamp", name],
    )  # fmt: skip
    return [row[name] for row in found]

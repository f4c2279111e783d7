"""The service `nightly` of tests/retail by the slow path: a sample, windows of a nightly batch, sequences, labels."""

from datetime import datetime, timedelta

import pyarrow.parquet as pq

from .labels import label
from .retail import LINES, SOURCE
from .rolling import rolling
from .sampling import sample
from .values import order_key, scan

GRAIN = ["invoice_no", "stock_id"]
PURCHASE = ["stock_id", "quantity", "unit_price"]
DAY = timedelta(days=1)
AT_THREE = ("daily_at", timedelta(hours=3), DAY)
MICROSECOND = timedelta(microseconds=1)


def expected_days(path, first, days):
    """For each day its rows as dicts, in order; `first` is a date."""
    table = pq.read_table(path, columns=SOURCE).rename_columns(LINES)
    start = datetime(first.year, first.month, first.day)
    end = start + days * DAY
    lines = scan([row for row in table.to_pylist() if row["event_timestamp"] < end + 28 * DAY])
    spine = [row for row in lines if start <= row["event_timestamp"] < end]
    spine = [
        {**row, "sample_weight": weight}
        for row, weight in sample(spine, "0.15", ["customer_id"], 11, where=lambda row: row["quantity"] > 0)
    ]
    rest = [name for name in LINES if name not in GRAIN and name != "event_timestamp"]
    spine.sort(key=lambda row: [order_key(row[name]) for name in ["event_timestamp", *GRAIN, *rest]])
    rows = [dict(row) for row in spine]
    for name, values in {**windows(spine, lines), **labels(spine, lines)}.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    found = {}
    for row in rows:
        found.setdefault(row["event_timestamp"].date(), []).append(row)
    return found


def windows(spine, lines):
    """Every feature, by name; the nightly ones beside the plain ones."""
    customers = {row["customer_id"] for row in spine}
    of_customers = [row for row in lines if row["customer_id"] in customers]
    items = {row["stock_id"] for row in spine}
    begin = spine[0]["event_timestamp"] - 4 * DAY
    of_items = [row for row in lines if row["stock_id"] in items and row["event_timestamp"] >= begin]

    def over(history, entity, kind, days, **options):
        window = None if days is None else days * DAY
        return rolling(
            spine, history, entity, "event_timestamp", "event_timestamp", kind,
            window=window, declared=LINES, unit=MICROSECOND, **options,
        )  # fmt: skip

    def of_customer(kind, days=28, **options):
        return over(of_customers, ["customer_id"], kind, days, **options)

    found = {
        f"seen_{column or age}": of_customer(
            "sequence", 7, columns=[column] if column else [], age=age, apart=True, max_length=8, order="oldest_first"
        )
        for column, age in [("stock_id", None), ("country", None), (None, "ago")]
    }
    found["item_units_hourly"] = over(
        of_items, ["stock_id"], "sum", 3, column="quantity", aligned_to=timedelta(hours=1)
    )
    found["price_28d_p90"] = of_customer("quantile", column="unit_price", q="0.9")
    for nightly, available in [("", None), ("_nightly", AT_THREE)]:
        found |= {
            f"purchases{nightly}": of_customer(
                "sequence", columns=PURCHASE, age="age", max_length=16, available=available
            ),
            f"lines{nightly}_1d": of_customer("count", 1, available=available),
            f"lines{nightly}_28d": of_customer("count", available=available),
            f"returned_before{nightly}": of_customer(
                "any", where=lambda row: row["quantity"] < 0, available=available
            ),
            f"price{nightly or '_28d'}_p50": of_customer(
                "quantile", column="unit_price", q="0.5", available=available
            ),
            f"units_faded{nightly}": of_customer(
                "decayed_sum", column="quantity", half_life=3 * DAY, available=available
            ),
            f"since_line{nightly}": of_customer("since_last", None, available=available),
        }  # fmt: skip
    return found


def labels(spine, lines):
    """Every label, by name."""
    first = spine[0]["event_timestamp"]
    customers = {row["customer_id"] for row in spine}
    later = [row for row in lines if row["customer_id"] in customers and row["event_timestamp"] > first]

    def after(entity, kind, days, **options):
        return label(
            spine, later, entity, "event_timestamp", "event_timestamp", kind, days * DAY,
            gap=timedelta(0), matures_after=timedelta(0), declared=LINES, unit=MICROSECOND, **options,
        )  # fmt: skip

    def of_pair(kind, days, where):
        return after(["customer_id", "stock_id"], kind, days, where=where)

    def bought(row):
        return row["quantity"] > 0

    return {
        "bought_again_7d": of_pair("any", 7, bought),
        "bought_again_28d": of_pair("any", 28, bought),
        "returned": of_pair("any", 28, lambda row: row["quantity"] < 0),
        "until_bought": of_pair("until_first", 28, bought),
        "next_items": after(["customer_id"], "list", 7, column="stock_id", max_length=4, where=bought),
    }

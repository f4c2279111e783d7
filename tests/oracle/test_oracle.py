"""Small literal cases of the semantics, which pin the oracle itself."""

import math
from datetime import datetime, timedelta
from decimal import Decimal

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .embedding import avg_pool, load, lookup
from .household_ranking import COLUMNS, expected_day
from .point_in_time import point_in_time
from .rolling import rolling
from .values import newest_first, order_key, remaining, scan

NAN = math.nan
INF = math.inf


def same(found, expected):
    """Equal by the order of values, so that NaN is NaN; a float is not an int."""
    return type(found) is type(expected) and order_key(found) == order_key(expected)


class TestValues:
    def test_numbers(self):
        values = [NAN, 2.0, None, INF, -INF, -3.5]
        assert str(sorted(values, key=order_key)) == "[None, -inf, -3.5, 2.0, inf, nan]"

    def test_text_by_bytes(self):
        values = ["é", "z", "Z", None, "", "\U0001f600", "\uffff"]
        assert sorted(values, key=order_key) == [None, "", "Z", "z", "é", "\uffff", "\U0001f600"]

    def test_lists_by_elements(self):
        values = [[2], [1, 2], None, [1], [], [1, None], [None, 9], [NAN]]
        expected = [None, [], [None, 9], [1], [1, None], [1, 2], [2], [NAN]]
        assert [order_key(v) for v in sorted(values, key=order_key)] == [order_key(v) for v in expected]

    def test_negative_zero(self):
        row = scan([{"a": -0.0, "b": [-0.0, None], "c": -1.0, "d": None}])[0]
        assert str(row) == "{'a': 0.0, 'b': [0.0, None], 'c': -1.0, 'd': None}"

    def test_total_order(self):
        rows = [
            {"t": 1, "c": None, "x": 9, "y": 9},
            {"t": 1, "c": 5, "x": 1, "y": None},
            {"t": 1, "c": 5, "x": 1, "y": 0},
            {"t": 1, "c": 5, "x": NAN, "y": 0},
            {"t": 2, "c": None, "x": None, "y": None},
        ]
        ordered = newest_first(rows, "t", "c", ["x", "y"])
        assert [rows.index(row) for row in ordered] == [4, 3, 2, 1, 0]

    def test_remaining_columns(self):
        assert remaining(["b", "key", "t", "a", "known"], ["key"], "t", "known") == ["b", "a"]


def joined(right, now=100, key=1, **options):
    """The one value `x` that a left row finds; right rows are (key, time, x) or (key, time, x, created)."""
    names = ["key", "t", "x", "known"]
    rows = [dict(zip(names, row, strict=False)) for row in right]
    declared = ["key", "t", "x"] + (["known"] if "created" in options else [])
    found = point_in_time(
        [{"key": key, "now": now}], rows, ["key"], "now", "t", columns=["x"], declared=declared, **options
    )
    return found[0]["x"]


class TestPointInTime:
    def test_newest_before(self):
        assert joined([(1, 10, "old"), (1, 90, "new"), (1, 101, "future"), (2, 99, "other")]) == "new"

    def test_own_time_is_not_seen(self):
        assert joined([(1, 99, "before"), (1, 100, "now")]) == "before"
        assert joined([(1, 100, "now")]) is None

    def test_allow_exact(self):
        assert joined([(1, 99, "before"), (1, 100, "now"), (1, 101, "after")], allow_exact=True) == "now"

    def test_ttl_edge_is_inside(self):
        assert joined([(1, 90, "edge")], ttl=10) == "edge"
        assert joined([(1, 89, "over")], ttl=10) is None

    def test_ttl_of_zero_needs_the_same_instant(self):
        assert joined([(1, 99, "before"), (1, 100, "now")], ttl=0, allow_exact=True) == "now"
        assert joined([(1, 99, "before"), (1, 100, "now")], ttl=0) is None

    def test_ttl_with_datetimes(self):
        now = datetime(2017, 1, 29, 12)
        day = timedelta(days=1)
        assert joined([(1, now - 28 * day, "edge")], now=now, ttl=28 * day) == "edge"
        assert joined([(1, now - 28 * day - timedelta(microseconds=1), "over")], now=now, ttl=28 * day) is None

    def test_unknown_yet_is_passed_over(self):
        right = [(1, 80, "early", 85), (1, 90, "late", 150)]
        assert joined(right, created="known") == "early"

    def test_created_equal_to_now(self):
        right = [(1, 80, "early", 85), (1, 90, "equal", 100)]
        assert joined(right, created="known") == "early"
        assert joined(right, created="known", allow_exact=True) == "equal"

    def test_created_null_is_never_known(self):
        assert joined([(1, 90, "never", None)], created="known") is None

    def test_tie_goes_to_greatest_created(self):
        right = [(1, 90, "z", 91), (1, 90, "a", 92), (1, 90, "m", 100)]
        assert joined(right, created="known") == "a"

    def test_tie_goes_to_greatest_value(self):
        assert joined([(1, 90, 2.0), (1, 90, None), (1, 90, INF), (1, 90, -INF)]) == INF
        assert same(joined([(1, 90, NAN), (1, 90, INF)]), NAN)

    def test_newest_null_is_a_match(self):
        assert joined([(1, 80, "old"), (1, 90, None)]) is None

    def test_tie_uses_declared_order(self):
        rows = [{"key": 1, "t": 1, "a": 1, "b": 9}, {"key": 1, "t": 1, "a": 2, "b": 0}]

        def chosen(declared):
            return point_in_time([{"key": 1, "now": 2}], rows, ["key"], "now", "t", columns=["b"], declared=declared)

        assert chosen(["key", "t", "a", "b"]) == [{"b": 0}]
        assert chosen(["key", "t", "b", "a"]) == [{"b": 9}]

    def test_null_keys_match_nothing(self):
        assert joined([(None, 90, "x")], key=None) is None
        assert joined([(None, 90, "x")]) is None

    def test_composite_keys_column_by_column(self):
        right = [{"a": "x", "b": "yz", "t": 1, "v": 1}, {"a": None, "b": "z", "t": 1, "v": 2}]
        left = [{"a": a, "b": b, "now": 2} for a, b in [("x", "yz"), ("xy", "z"), (None, "z"), ("x", None)]]
        found = point_in_time(left, right, ["a", "b"], "now", "t", columns=["v"], declared=["a", "b", "t", "v"])
        assert [row["v"] for row in found] == [1, None, None, None]

    def test_every_left_row_once_in_order(self):
        left = [{"key": 1, "now": now} for now in (5, 1, 5)]
        found = point_in_time(
            left, [{"key": 1, "t": 1, "v": 7}], ["key"], "now", "t", columns=["v"], declared=["key", "t", "v"]
        )
        assert found == [{"v": 7}, {"v": None}, {"v": 7}]

    def test_nanoseconds_as_integers(self):
        now = 1_483_228_800_000_000_001
        assert joined([(1, now - 1, "just before"), (1, now, "now")], now=now) == "just before"


def rolled(history, kind, now=100, key=1, **options):
    """The one value of a spine row; history rows are (key, time, x) or (key, time, x, created)."""
    names = ["key", "t", "x", "known"]
    rows = [dict(zip(names, row, strict=False)) for row in history]
    declared = ["key", "t", "x"] + (["known"] if "created" in options else [])
    options = {"column": "x", "window": 10, "declared": declared, **options}
    return rolling([{"key": key, "now": now}], rows, ["key"], "now", "t", kind, **options)[0]


def at(*values, time=95):
    return [(1, time, value) for value in values]


class TestWindow:
    HISTORY = [(1, time, time) for time in (89, 90, 95, 99, 100, 101)] + [(2, 95, 0)]

    def test_half_open(self):
        assert rolled(self.HISTORY, "list", max_length=9) == [99, 95, 90]

    def test_unbounded(self):
        assert rolled(self.HISTORY, "list", max_length=9, window=None) == [99, 95, 90, 89]

    def test_datetimes(self):
        now = datetime(2017, 1, 29)
        history = [(1, now - timedelta(days=7), "edge"), (1, now - timedelta(days=7, microseconds=1), "out")]
        assert rolled(history, "list", now=now, window=timedelta(days=7), max_length=9) == ["edge"]

    def test_null_entity_has_an_empty_window(self):
        assert rolled([(None, 95, 1)], "count", key=None) == 0
        assert rolled([(None, 95, 1)], "count") == 0

    def test_where_keeps_only_true(self):
        def where(row):
            return None if row["x"] is None else row["x"] > 1

        assert rolled(at(1, 2, None, 3), "count", column=None, where=where) == 2

    def test_created_must_be_known_before(self):
        history = [(1, 95, "known", 99), (1, 96, "equal", 100), (1, 97, "later", 101), (1, 98, "never", None)]
        assert rolled(history, "list", max_length=9, created="known") == ["known"]

    def test_created_may_lie_before_the_window(self):
        assert rolled([(1, 95, "x", 3)], "count", created="known") == 1

    def test_tie_by_created_then_declared(self):
        history = [(1, 95, "a", 97), (1, 95, "z", 96), (1, 95, "b", 97)]
        assert rolled(history, "list", max_length=9, created="known") == ["b", "a", "z"]

    def test_tie_by_declared_order_of_other_columns(self):
        rows = [{"key": 1, "t": 1, "a": 1, "x": 9}, {"key": 1, "t": 1, "a": 2, "x": 0}]

        def listed(declared):
            return rolling([{"key": 1, "now": 2}], rows, ["key"], "now", "t", "list", "x", 5, 9, declared=declared)[0]

        assert listed(["key", "t", "a", "x"]) == [0, 9]
        assert listed(["key", "t", "x", "a"]) == [9, 0]

    def test_a_key_of_the_view_that_is_no_entity_breaks_ties(self):
        rows = [{"household": 1, "product": product, "t": 1} for product in (3, 5, 4)]
        found = rolling(
            [{"household": 1, "now": 2}],
            rows,
            ["household"],
            "now",
            "t",
            "last_distinct",
            "product",
            5,
            2,
            declared=["household", "product", "t"],
        )
        assert found == [[5, 4]]

    def test_every_spine_row_once_in_order(self):
        rows = [{"key": 1, "t": 4, "x": 1}]
        spine = [{"key": key, "now": now} for key, now in ((1, 5), (1, 4), (2, 5), (1, 5))]
        assert rolling(spine, rows, ["key"], "now", "t", "count", window=5, declared=["key", "t", "x"]) == [1, 0, 0, 1]


PAST = [(1, 91, 7), (1, 92, 8), (1, 93, 7), (1, 94, None), (1, 95, 9), (1, 96, 8)]


class TestKinds:
    @pytest.mark.parametrize("kind", ["sum", "mean", "min", "max", "std", "first", "last"])
    @pytest.mark.parametrize("history", [[], at(None, None)])
    def test_nothing_to_see_is_null(self, kind, history):
        assert rolled(history, kind) is None

    @pytest.mark.parametrize("kind", ["list", "last_distinct", "flatten_distinct", "top_k"])
    def test_empty_list(self, kind):
        assert rolled(at(None), kind, max_length=3) == []

    def test_counts(self):
        history = at(1.0, None, NAN, NAN, -0.0, 0.0)
        assert rolled(history, "count", column=None) == 6
        assert rolled(history, "count") == 5
        assert rolled(history, "count_distinct") == 3

    def test_duplicate_rows_all_count(self):
        history = at(2, 2, 2)
        assert rolled(history, "count", column=None) == 3
        assert rolled(history, "sum") == 6
        assert rolled(history, "list", max_length=9) == [2, 2, 2]

    def test_integers_are_exact(self):
        assert same(rolled(at(2**53, 1, 1, None), "sum"), 2**53 + 2)
        assert same(rolled(at(2**62, 2**62 - 1), "sum"), 2**63 - 1)
        assert same(rolled(at(-(2**62), -(2**62)), "sum"), -(2**63))
        with pytest.raises(OverflowError, match="BIGINT"):
            rolled(at(2**62, 2**62), "sum")
        assert same(rolled(at(1, 2), "mean"), 1.5)

    def test_decimals_are_exact(self):
        assert same(rolled(at(Decimal("0.10"), Decimal("99999999999999999999999999999.20")), "sum"), Decimal(
            "99999999999999999999999999999.30"
        ))  # fmt: skip

    def test_doubles_are_rounded_once(self):
        assert rolled(at(0.1, 0.2, 0.3), "sum") == 0.6
        assert rolled(at(1e16, 1.0, -1e16), "sum") == 1.0
        assert rolled(at(1e308, 1e308, -1e308), "sum") == 1e308
        assert rolled(at(1e308, 1e308), "sum") == INF
        assert rolled(at(1e308, 1e308), "mean") == 1e308
        assert str(rolled(at(-0.0), "sum")) == "0.0"

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([1.0, INF], INF),
            ([1.0, -INF], -INF),
            ([INF, INF], INF),
            ([INF, -INF], NAN),
            ([NAN, 1.0], NAN),
            ([NAN, INF], NAN),
        ],
    )
    def test_special_values(self, values, expected):
        assert same(rolled(at(*values), "sum"), expected)
        assert same(rolled(at(*values), "mean"), expected)
        assert same(rolled(at(*values), "std"), NAN)

    def test_special_values_touch_only_their_window(self):
        history = [(1, 80, NAN), (1, 95, 1.5), (1, 100, INF)]
        assert rolled(history, "sum") == 1.5

    def test_min_and_max_by_the_order_of_values(self):
        assert rolled(at(NAN, 1.0, -INF), "min") == -INF
        assert same(rolled(at(NAN, 1.0, INF), "max"), NAN)
        assert rolled(at("Z", "a", "é", None), "max") == "é"

    def test_std(self):
        assert rolled(at(1.0), "std") is None
        assert same(rolled(at(3, 3), "std"), 0.0)
        assert rolled(at(2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0), "std") == pytest.approx(math.sqrt(32 / 7), rel=1e-15)
        assert rolled(at(1e9, 1e9 + 1, 1e9 + 2), "std") == 1.0
        assert rolled(at(1e200, -1e200), "std") == pytest.approx(math.sqrt(2) * 1e200, rel=1e-15)

    def test_first_and_last_pass_over_null(self):
        history = [(1, 91, None), (1, 92, "a"), (1, 95, "b"), (1, 99, None)]
        assert rolled(history, "first") == "a"
        assert rolled(history, "last") == "b"

    def test_first_and_last_of_a_tie_are_the_ends_of_the_list(self):
        history = at(3, 1, 2)
        assert rolled(history, "list", max_length=9) == [3, 2, 1]
        assert rolled(history, "last") == 3
        assert rolled(history, "first") == 1

    def test_list(self):
        assert rolled(PAST, "list", max_length=9) == [8, 9, 7, 8, 7]
        assert rolled(PAST, "list", max_length=2) == [8, 9]
        assert rolled(PAST, "list", max_length=2, order="oldest_first") == [9, 8]

    def test_last_distinct(self):
        assert rolled(PAST, "last_distinct", max_length=9) == [8, 9, 7]
        assert rolled(PAST, "last_distinct", max_length=2) == [8, 9]
        assert rolled(PAST, "last_distinct", max_length=2, order="oldest_first") == [9, 8]
        assert rolled(at(NAN, NAN, 1.0), "last_distinct", max_length=9)[1:] == [1.0]

    def test_flatten_distinct(self):
        history = [(1, 91, [1, 2]), (1, 92, None), (1, 93, []), (1, 95, [3, None, 1, 3])]
        assert rolled(history, "flatten_distinct", max_length=9) == [3, 1, 2]
        assert rolled(history, "flatten_distinct", max_length=2, order="oldest_first") == [1, 3]

    def test_top_k(self):
        assert rolled(PAST, "top_k", max_length=9) == [8, 7, 9]
        assert rolled(PAST, "top_k", max_length=1) == [8]
        assert rolled(PAST, "top_k", max_length=2, order="oldest_first") == [7, 8]


def floats(vector):
    return None if vector is None else [(type(value), float(value)) for value in vector]


def halves(*values):
    return [(np.float16, value) for value in values]


class TestEmbedding:
    STORE = load([(1, [9.0, 9.0]), (1, [1.0, 2.0]), (2, [3.0, 0.1]), (3, None), (None, [5.0, 5.0]), (4, [0.0, 0.0])])

    def test_last_row_of_an_id_wins(self):
        assert floats(lookup(1, self.STORE)) == halves(1.0, 2.0)
        assert lookup(1, load([(1, [1.0]), (1, None)])) is None

    def test_nothing_found(self):
        assert [lookup(identifier, self.STORE) for identifier in (None, 3, 99)] == [None, None, None]
        assert [avg_pool(ids, self.STORE) for ids in (None, [], [None, 3, 99])] == [None, None, None]

    def test_mean_with_multiplicity(self):
        tenth = 0.0999755859375  # 0.1 as float16
        assert floats(lookup(2, self.STORE)) == halves(3.0, tenth)
        # Thirds of 1 + 3 + 1 and of 2 + a tenth + 2.
        assert floats(avg_pool([1, 99, 2, None, 1, 3], self.STORE)) == halves(1.6669921875, 1.3662109375)

    def test_sum_in_float32_in_list_order(self):
        # Beside 8192 the step of float32 is 2**-10: three quarters of it become a whole, unless 8192 is gone before.
        store = load([(1, [8192.0]), (2, [0.75 * 2.0**-10]), (3, [-8192.0])])
        assert floats(avg_pool([1, 3, 2], store)) == halves(2.0**-12)
        assert floats(avg_pool([1, 2, 3], store)) == halves(float(np.float16(np.float32(2.0**-10) / np.float32(3))))

    def test_sum_does_not_overflow_half(self):
        assert floats(avg_pool([1, 1], load([(1, [65504.0])]))) == halves(65504.0)

    def test_overflow_names_the_id(self):
        with pytest.raises(OverflowError, match="id 8 "):
            load([(7, [65504.0]), (8, [70000.0])])
        assert floats(lookup(1, load([(1, [-INF])]))) == halves(-INF)

    def test_normalize(self):
        store = load([(1, [3.0, 4.0]), (2, [3.0, 0.0]), (3, [0.0, 0.0])])
        assert floats(lookup(1, store, normalize="l2")) == halves(float(np.float16(0.6)), float(np.float16(0.8)))
        assert floats(lookup(3, store, normalize="l2")) == halves(0.0, 0.0)
        expected = [float(np.float16(value / math.sqrt(13))) for value in (3.0, 2.0)]
        assert floats(avg_pool([1, 2], store, normalize="l2")) == halves(*expected)


def purchase(household, product, when, quantity=1, value=1.0, basket=100):
    return {
        "household_id": household,
        "store_id": 7,
        "basket_id": basket,
        "product_id": product,
        "quantity": quantity,
        "sales_value": value,
        "transaction_timestamp": when,
    }


DAY = datetime(2017, 1, 29)
NOON = DAY + timedelta(hours=12)


@pytest.fixture
def data(tmp_path):
    def write_days(name, rows, time, schema):
        for number in range(-29, 29):
            day = DAY - timedelta(days=number)
            part = tmp_path / name / f"dt={day.date()}" / "part-0.parquet"
            part.parent.mkdir(parents=True)
            chosen = [row for row in rows if day <= row[time] < day + timedelta(days=1)]
            pq.write_table(pa.Table.from_pylist(chosen, schema=schema), part)

    ids = ["household_id", "store_id", "basket_id", "product_id", "quantity"]
    stamp = pa.timestamp("us")
    bought = [
        purchase(2, 11, NOON, basket=300),
        purchase(1, 12, NOON, basket=200),
        purchase(1, 11, NOON, basket=200),
        purchase(1, 10, NOON - timedelta(hours=1), value=0.1),
        purchase(1, 12, NOON - timedelta(hours=1), value=0.2),
        purchase(1, 11, NOON - timedelta(days=7), value=0.3),
        purchase(1, 10, NOON - timedelta(days=7, seconds=1), value=8.0),
        purchase(1, 11, NOON - timedelta(days=28, seconds=1), value=100.0),
        purchase(1, 11, NOON + timedelta(days=28)),
        purchase(1, 12, NOON + timedelta(days=28, seconds=1)),
        purchase(1, 10, NOON + timedelta(days=28)),
    ]
    feed = pa.schema([(name, pa.int64()) for name in ids] + [("sales_value", pa.float64())])
    write_days("transactions", bought, "transaction_timestamp", feed.append(pa.field("transaction_timestamp", stamp)))
    priced = [
        {"product_id": 11, "event_timestamp": NOON - timedelta(days=28), "price": 1.0},
        {"product_id": 11, "event_timestamp": NOON - timedelta(days=28), "price": 2.0},
        {"product_id": 11, "event_timestamp": NOON, "price": 3.0},
        {"product_id": 12, "event_timestamp": NOON - timedelta(days=28, seconds=1), "price": 4.0},
    ]
    prices = pa.schema([("product_id", pa.int64()), ("event_timestamp", stamp), ("price", pa.float64())])
    write_days("product_prices", priced, "event_timestamp", prices)
    texts = ["department", "brand", "product_category", "product_type", "package_size"]
    pq.write_table(
        pa.Table.from_pylist(
            [{"product_id": 11, "manufacturer_id": 5, "department": "d", "brand": "b", "package_size": "p"}],
            schema=pa.schema(
                [("product_id", pa.int64()), ("manufacturer_id", pa.int64())] + [(name, pa.string()) for name in texts]
            ),
        ),
        tmp_path / "products.parquet",
    )
    campaigns = [
        {"household_id": 1, "event_timestamp": datetime(2016, 11, 1), "running_campaigns": [3, 4]},
        {"household_id": 1, "event_timestamp": NOON, "running_campaigns": []},
    ]
    pq.write_table(pa.Table.from_pylist(campaigns), tmp_path / "household_campaigns.parquet")
    halves_of_two = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.float16()), 2)
    lance.write_dataset(
        pa.table({"product_id": pa.array([10, 11]), "vector": halves_of_two}), str(tmp_path / "product_vectors.lance")
    )
    return tmp_path


def test_household_ranking(data):
    names, rows = expected_day(data, "2017-01-29")
    assert names == COLUMNS
    morning = NOON - timedelta(hours=1)
    unknown = (None,) * 5
    # household, product, basket, store, time; label; static; price, campaigns; recent 7d, 28d; purchases; spend; last;
    # vectors
    spine = [
        (1, 10, 100, 7, morning),
        (1, 12, 100, 7, morning),
        (1, 11, 200, 7, NOON),
        (1, 12, 200, 7, NOON),
        (2, 11, 300, 7, NOON),
    ]
    # Product 12 is bought again at noon, and then a second too late; product 10 an hour too late.
    labels = [(False,), (True,), (True,), (False,), (False,)]
    static = [unknown, unknown, ("d", "b", None, None, 5), unknown, ("d", "b", None, None, 5)]
    as_of = [(None, [3, 4]), (4.0, [3, 4]), (2.0, [3, 4]), (None, [3, 4]), (2.0, [])]

    def last(*purchases):
        names = ("product_id", "store_id", "sales_value", "age")
        return [dict(zip(names, (product, 7, value, age * 10**6), strict=True)) for product, value, age in purchases]

    week, hour = 604_800, 3_600
    before_morning = last((11, 0.3, week - hour), (10, 8.0, week - hour + 1), (11, 100.0, 4 * week - hour + 1))
    before_noon = last((12, 0.2, hour), (10, 0.1, hour), (11, 0.3, week), (10, 8.0, week + 1))
    early = ([11, 10], [11, 10], 0, 2, 3, None, 8.3, 108.3, NOON - timedelta(days=7), before_morning)
    later = ([12, 10, 11], [12, 10, 11], 2, 3, 4, 0.1 + 0.2, 0.6, 8.6, morning, before_noon)
    rolling_columns = [early, early, later, later, ([], [], 0, 0, 0, None, None, None, None, [])]
    vectors = [
        ([1.0, 2.0], [2.0, 3.0]),
        (None, [2.0, 3.0]),
        ([3.0, 4.0], [2.0, 3.0]),
        (None, [2.0, 3.0]),
        ([3.0, 4.0], None),
    ]
    expected = zip(spine, labels, static, as_of, rolling_columns, vectors, strict=True)
    assert rows == [tuple(value for part in parts for value in part) for parts in expected]


def test_household_ranking_needs_every_partition(data):
    with pytest.raises(AssertionError, match="no partition 2017-02-28 in transactions"):
        expected_day(data, "2017-01-30")

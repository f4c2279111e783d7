"""A year of 200 columns: one file below 15 MB that opens within 3 seconds."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.layout import layout_of
from tests.daeda.statistics.oracle import publish
from tests.daeda_report.conftest import write_report
from tests.projects import TinyProject, fields

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAYS, COLUMNS, ROWS = 365, 200, 1_000
FIRST = dt.date(2023, 1, 1)
KINDS = ("double", "double", "int64", "double", "string")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of days of which each has rows of its own, and statistics that are made of them."""
    root = tmp_path_factory.mktemp("year")
    made = TinyProject(root).without_enrichment().without("category", "price", "events_1d", "recent_items")
    made.runtime |= {"feed_start": str(FIRST), "feed_end": str(FIRST + dt.timedelta(days=DAYS - 1)), "feature_refs": []}
    made.aggregations = {}
    made.base = {}
    types = {f"feature_{number}": KINDS[number % len(KINDS)] for number in range(COLUMNS - 4)}
    made.views["events"]["fields"] += fields(**types)
    made.service["columns"] += [{"name": name, "kind": "spine", "dtype": dtype} for name, dtype in types.items()]
    made.runtime["output_columns"] += types
    made.write()
    layout = layout_of(made.load())
    for number in range(DAYS):
        publish(layout, table_of(number, types), day=FIRST + dt.timedelta(days=number))
    return write_report(root)


def table_of(day: int, types: dict[str, str]) -> pa.Table:
    """Each column has a distribution of its own, which moves with the year, NULLs, and a day on which it is odd."""
    draw = np.random.default_rng(day)
    season = np.sin(2 * np.pi * day / DAYS)
    start = dt.datetime.combine(FIRST + dt.timedelta(days=day), dt.time())
    own = {
        "user_id": pa.array(draw.integers(0, 500, ROWS)),
        "item_id": pa.array(draw.integers(0, 500, ROWS)),
        "event_timestamp": pa.array([start] * ROWS, pa.timestamp("us")),
        "amount": pa.array(draw.gamma(2.0, 30.0, ROWS)),
    }
    for number, (name, dtype) in enumerate(types.items()):
        odd = 1000.0 if day == 7 * number % DAYS else 1.0
        level = number % 7 + 0.3 * season
        absent = draw.random(ROWS) < 0.02 * (number % 4)
        if dtype == "double":
            own[name] = pa.array(draw.lognormal(level, 1.0, ROWS) * odd, mask=absent)
        elif dtype == "int64":
            own[name] = pa.array((draw.poisson(np.exp(level / 2), ROWS) * odd).astype(np.int64), mask=absent)
        else:
            chosen = np.minimum(draw.zipf(1.3 + number % 5 / 5, ROWS), 5_000)
            own[name] = pa.array([f"category number {one}" for one in chosen], mask=absent)
    return pa.table(own)


@pytest.mark.long
def test_a_year_of_200_columns_is_small_and_opens_soon(browser: Browser, year: Path) -> None:
    assert year.stat().st_size < 15_000_000
    page = browser.new_context(offline=True).new_page()
    began = time.monotonic()
    page.goto(year.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector(".findings li")
    assert time.monotonic() - began < 3.0
    for address in ("days", "columns", "drift", "column/feature_7", "column/feature_4"):
        began = time.monotonic()
        page.goto(f"{year.as_uri()}#/{address}")
        page.wait_for_selector("main > section:not([hidden]) h2")
        assert time.monotonic() - began < 3.0, address

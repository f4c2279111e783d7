"""A year of 200 columns: one file below 15 MB that opens within 3 seconds."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.layout import layout_of
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part
from daeda.dataset.published import stamp_of
from daeda.statistics.kept import statistics_path
from daeda.statistics.of_day import statistics_of_day
from tests.daeda_report.conftest import write_report
from tests.projects import TinyProject, fields

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAYS, COLUMNS, VARIANTS, ROWS = 365, 200, 6, 2_000
FIRST = dt.date(2023, 1, 1)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of days whose statistics are those of a few, in turn."""
    root = tmp_path_factory.mktemp("year")
    made = TinyProject(root).without_enrichment().without("category", "price", "events_1d", "recent_items")
    made.runtime |= {"feed_start": str(FIRST), "feed_end": str(FIRST + dt.timedelta(days=DAYS - 1)), "feature_refs": []}
    made.aggregations = {}
    made.base = {}
    names = [f"feature_{number}" for number in range(COLUMNS - 4)]
    types = {name: "string" if number % 5 == 4 else "double" for number, name in enumerate(names)}
    made.views["events"]["fields"] += fields(**types)
    made.service["columns"] += [{"name": name, "kind": "spine", "dtype": dtype} for name, dtype in types.items()]
    made.runtime["output_columns"] += names
    made.write()
    layout = layout_of(made.load())
    variants = [table_of(seed, types) for seed in range(VARIANTS)]
    made_once: list[str] = []
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        directory = layout.day_dir("skeleton", day)
        assert isinstance(directory, Path)
        directory.mkdir(parents=True)
        path = directory / "part-0-0.parquet"
        if number < VARIANTS:
            pq.write_table(variants[number], path)
        else:
            path.write_bytes(str(number).encode())
        data = path.read_bytes()
        part = Part(path.name, ROWS, len(data), hashlib.sha256(data).hexdigest())
        table = variants[number % VARIANTS]
        columns = tuple(ColumnStatistics(name, str(table[name].type), 0, kind="spine") for name in table.column_names)
        manifest = Manifest(
            "ranking", "skeleton", str(day), ROWS, (part,), columns, Fingerprint({}, {}, {}),
            seconds={"sink": 0.5}, stamps={path.name: stamp_of(path.stat())},
        )  # fmt: skip
        (directory / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        if number < VARIANTS:
            made_once.append(replace(statistics_of_day(directory, manifest), day="DAY", parts="PARTS").to_json())
        text = made_once[number % VARIANTS].replace('"DAY"', f'"{day}"')
        kept = statistics_path(layout, "skeleton", day)
        assert isinstance(kept, Path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text.replace('"PARTS"', f'"{parts_digest(manifest.parts)}"'), encoding="utf-8")
    return write_report(root)


def table_of(seed: int, types: dict[str, str]) -> pa.Table:
    draw = np.random.default_rng(seed)
    words = [f"category number {number}" for number in range(150)]
    start = dt.datetime.combine(FIRST, dt.time())
    own = {
        "user_id": pa.array(draw.integers(0, 500, ROWS)),
        "item_id": pa.array(draw.integers(0, 500, ROWS)),
        "event_timestamp": pa.array([start] * ROWS, pa.timestamp("us")),
        "amount": pa.array(draw.gamma(2.0, 30.0, ROWS)),
    }
    for name, dtype in types.items():
        if dtype == "double":
            own[name] = pa.array(draw.lognormal(draw.uniform(0, 5), 1.0, ROWS))
        else:
            own[name] = pa.array([words[one] for one in draw.integers(0, len(words), ROWS)])
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

"""A month of real invoice lines: minute ties, duplicates, lines without a customer, cancellations, changing prices."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.budget import LONG
from tests.conftest import SHARED, needs_shared
from tests.oracle.retail import expected_days

RETAIL = SHARED / "data" / "online_retail"
RUNTIME = Path(__file__).parent / "project" / "config" / "training" / "runtime.yaml"
FIRST, DAYS = dt.date(2011, 2, 1), 28
LAST_DAYS = 3


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The skeleton of the whole month."""
    return trained(tmp_path_factory.mktemp("retail"))


def trained(output: Path, **settings: str) -> Path:
    words = [sys.executable, "-m", "daeda", "pipeline", "train", "retail", "--runtime-config-path", str(RUNTIME)]
    environment = {**os.environ, "DAEDA_DATA_ROOT": str(RETAIL), **settings}
    done = subprocess.run(
        [*words, "--output-root", str(output)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return output / "retail" / "skeleton"


def rows_of(month: Path) -> Iterator[tuple[dt.date, list[dict[str, Any]]]]:
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        parts = sorted((month / f"dt={day}").glob("*.parquet"), key=lambda path: int(path.name.split("-")[1]))
        yield day, pa.concat_tables(pq.read_table(part, partitioning=None) for part in parts).to_pylist()


def is_same(name: str, actual: Any, wanted: Any) -> bool:
    """Equal; a mean within one unit in the last place, a deviation within 1e-12 relative (design 6)."""
    if name == "mean_price_28d" and actual is not None and wanted is not None:
        return bool(abs(actual - wanted) <= math.ulp(wanted))
    if name == "price_deviation_28d" and actual is not None and wanted is not None:
        return math.isclose(actual, wanted, rel_tol=1e-12)
    return bool(actual == wanted)


@pytest.mark.long
@needs_shared
def test_a_month_equals_the_oracle(month: Path) -> None:
    # The oracle takes seconds for a day: every run asks it for the last days, a long one for all four weeks.
    first, days = (FIRST, DAYS) if LONG else (FIRST + dt.timedelta(days=DAYS - LAST_DAYS), LAST_DAYS)
    expected = expected_days(RETAIL / "online_retail.parquet", first, days)
    total = 0
    for day, actual in rows_of(month):
        if day < first:
            continue
        wanted = expected.get(day, [])
        assert len(actual) == len(wanted), day
        for index, (row, other) in enumerate(zip(actual, wanted, strict=True)):
            wrong = {name: (row[name], other[name]) for name in row if not is_same(name, row[name], other[name])}
            assert not wrong, f"row {index} of {day}: found and wanted {wrong}"
        total += len(actual)
    assert total == (27_707 if LONG else 2_549)


@pytest.mark.long
@needs_shared
def test_the_month_has_what_makes_it_hard(month: Path) -> None:
    """Otherwise the test above would show nothing."""
    rows = [row for _, actual in rows_of(month) for row in actual]
    lines = [tuple(row[name] for name in list(row)[:7]) for row in rows]
    assert len(lines) - len(set(lines)) > 100  # exact duplicates
    assert sum(row["customer_id"] is None for row in rows) > 5_000
    assert sum(row["quantity"] < 0 for row in rows) > 400
    assert sum(row["price_change"] not in (None, 0.0) for row in rows) > 1_000
    assert any(not actual for _, actual in rows_of(month))  # a day without a row
    for name in list(rows[0])[10:]:
        assert len({str(row[name]) for row in rows}) > 10, name


@pytest.mark.long
@needs_shared
def test_the_polars_engine_gives_the_same_month(month: Path, tmp_path: Path) -> None:
    other = trained(tmp_path, DAEDA_COMPUTE__ENGINE="polars")
    for (day, actual), (_, wanted) in zip(rows_of(other), rows_of(month), strict=True):
        assert len(actual) == len(wanted), day
        for row, right in zip(actual, wanted, strict=True):
            assert all(is_same(name, row[name], right[name]) for name in right), (day, row, right)
    manifest = json.loads((other / f"dt={FIRST}" / "_manifest.json").read_text(encoding="utf-8"))
    assert "polars" in manifest["software"]

"""A sample of real invoice lines: what a nightly batch knows beside what a stream does, sequences, and labels."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.budget import LONG
from tests.conftest import SHARED, needs_shared
from tests.daeda.statistics.oracle import assert_day
from tests.oracle.nightly import expected_days
from tests.oracle.rolling import Faded

pytestmark = pytest.mark.cases

RETAIL = SHARED / "data" / "online_retail"
RUNTIME = Path(__file__).parent / "nightly" / "config" / "training" / "runtime.yaml"
# `make cases` asks for the last two days, `make long` for all four weeks.
END = dt.date(2011, 2, 28)
DAYS = 28 if LONG else 2
FIRST = END - dt.timedelta(days=DAYS - 1)
Days = dict[dt.date, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def expected() -> Days:
    """What the oracle says."""
    return expected_days(RETAIL / "online_retail.parquet", FIRST, DAYS)


def trained(output: Path, engine: str) -> Days:
    words = [sys.executable, "-m", "daeda", "pipeline", "train", "nightly", "--runtime-config-path", str(RUNTIME)]
    settings = {"DAEDA_DATA_ROOT": str(RETAIL), "DAEDA_FEED_START": str(FIRST), "DAEDA_COMPUTE__ENGINE": engine}
    done = subprocess.run(
        [*words, "--output-root", str(output)], env=os.environ | settings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    days = {}
    for number in range(DAYS):
        day = FIRST + dt.timedelta(days=number)
        parts = (output / "nightly" / "skeleton" / f"dt={day}").glob("*.parquet")
        ordered = sorted(parts, key=lambda path: int(path.name.split("-")[1]))
        days[day] = pa.concat_tables(pq.read_table(part, partitioning=None) for part in ordered).to_pylist()
    return days


def is_same(actual: Any, wanted: Any) -> bool:
    """Equal; a sum that fades within the bounds of the contract."""
    if isinstance(wanted, Faded):
        return actual is not None and bool(wanted.least <= actual <= wanted.most)
    return bool(actual == wanted)


@needs_shared
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_the_days_equal_the_oracle(engine: str, expected: Days, tmp_path: Path) -> None:
    for day, actual in trained(tmp_path, engine).items():
        wanted = expected.get(day, [])
        assert len(actual) == len(wanted), day
        for index, (row, other) in enumerate(zip(actual, wanted, strict=True)):
            assert row.keys() == other.keys()
            wrong = {name: (row[name], other[name]) for name in row if not is_same(row[name], other[name])}
            assert not wrong, f"row {index} of {day}: found and wanted {wrong}"
        if LONG and engine == "duckdb":
            assert_day(tmp_path / "nightly" / "skeleton" / f"dt={day}")


@needs_shared
def test_the_days_have_what_makes_them_hard(expected: Days) -> None:
    """Otherwise the test above would show nothing."""
    rows = [row for day in expected.values() for row in day]
    twins = {"price_28d_p50": "price_nightly_p50", "lines_1d": "lines_nightly_1d", "lines_28d": "lines_nightly_28d"}
    # In the last two days no row of the sample has its first return between the batch and itself.
    alike = ["purchases", "units_faded", "since_line", *(["returned_before"] if LONG else [])]
    for plain, nightly in {**twins, **{name: f"{name}_nightly" for name in alike}}.items():
        assert any(row[plain] != row[nightly] for row in rows), plain
    assert {row["sample_weight"] for row in rows} == {1.0, 1 / 0.15}
    for name in ["bought_again_7d", "bought_again_28d", "returned", "returned_before"]:
        assert {row[name] for row in rows} == {False, True}, name
    assert any(row["bought_again_7d"] != row["bought_again_28d"] for row in rows)
    assert any(row["next_items"] for row in rows)

"""The order of a day's parts, as it is checked before they are published."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.day.sink import Bounds, _check_order, bounds_of
from beam_pipeline.session.inputs import ScannedFiles
from daeda.dtypes import DType
from daeda.errors import DayError
from daeda.operators.operator import Instant
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Scan, ScanColumn
from daeda.sources.files import SourceFiles
from daeda.sql.handle import Materialised


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        ([[1, 1, 2, 2, 5], [5, 6]], None),
        ([[1, 3, 4, 2]], "part-0.parquet"),
        # Each of two row groups is in order.
        ([[1, 3, 2, 4, 5]], "part-0.parquet"),
        ([[1, 2, 3, 4], [3, 5]], "part-1.parquet"),
        ([[1, 2], [], [1]], "part-2.parquet"),
        ([[]], None),
    ],
)
def test_order_is_checked_over_row_groups_and_parts(tmp_path: Path, parts: list[list[int]], wrong: str | None) -> None:
    paths = [tmp_path / f"part-{number}.parquet" for number in range(len(parts))]
    for path, values in zip(paths, parts, strict=True):
        pq.write_table(pa.table({"at": pa.array(values, pa.int64())}), path, row_group_size=2)
    relation = Relation((Column("at", DType.parse("int64")),), ("at",))
    given = Materialised(relation, sum(map(len, parts)), (), {"at": '"at"'})
    if wrong is None:
        _check_order(given, paths)
        return
    with pytest.raises(DayError) as raised:
        _check_order(given, paths)
    assert str(raised.value) == f"{wrong} is not in the order of 'at'"


DAY = dt.date(2024, 1, 2)
MIDNIGHT = 1_704_153_600


def a_day(dtype: str, unit: str, reads: str = "day", declared: str = "") -> Any:
    """A session that has read its day by a column of this type."""
    column = ScanColumn(name="at", source="t", dtype=DType.parse(declared or dtype))
    lookback = {"lookback": "1d"} if reads == "lookback" else {}
    scan = Scan(name="s", output="s", view="v", path="v", reads=reads, time=Instant(column="at", unit=unit),
                columns=(column,), **lookback)  # type: ignore[arg-type]  # fmt: skip
    return SimpleNamespace(day=DAY, inputs=SimpleNamespace(scanned={"s": ScannedFiles(scan, SourceFiles("v"), {})}))


@pytest.mark.parametrize(
    ("dtype", "unit", "first", "length"),
    [
        ("timestamp[ns]", "ns", MIDNIGHT * 10**9, 86_400 * 10**9),
        ("timestamp[us]", "us", MIDNIGHT * 10**6, 86_400 * 10**6),
        ("timestamp[us, UTC]", "us", MIDNIGHT * 10**6, 86_400 * 10**6),
        ("timestamp[ms]", "ms", MIDNIGHT * 10**3, 86_400 * 10**3),
        ("int64", "s", MIDNIGHT, 86_400),
        ("int64", "ms", MIDNIGHT * 10**3, 86_400 * 10**3),
        ("date", "us", MIDNIGHT // 86_400, 1),
    ],
)
def test_the_times_of_a_day_lie_in_the_day_to_the_last_unit(
    tmp_path: Path, dtype: str, unit: str, first: int, length: int
) -> None:
    relation = Relation((Column("at", DType.parse(dtype)),), ("at",))
    bounds = bounds_of(a_day(dtype, unit), relation)
    assert bounds == Bounds(DAY, first, first + length)
    path = tmp_path / "part-0-0.parquet"
    stored = pa.int32() if dtype == "date" else pa.int64()
    for numbers, sentence in (
        ([first, first + length - 1], None),
        ([], None),
        ([first - 1, first], "part-0-0.parquet has rows whose 'at' lies outside of 2024-01-02"),
        ([first, first + length], "part-0-0.parquet has rows whose 'at' lies outside of 2024-01-02"),
        ([first, None], "part-0-0.parquet has 1 row without 'at'"),
    ):
        values = pa.array(numbers, stored).cast(DType.parse(dtype).arrow())
        pq.write_table(pa.table({"at": values}), path)
        given = Materialised(relation, len(numbers), (), {"at": '"at"'})
        if sentence is None:
            _check_order(given, [path], bounds)
            continue
        with pytest.raises(DayError) as raised:
            _check_order(given, [path], bounds)
        assert str(raised.value) == sentence


def test_a_time_that_no_scan_has_chosen_the_day_by_has_no_bounds() -> None:
    relation = Relation((Column("at", DType.parse("timestamp[us]")),), ("at",))
    assert bounds_of(a_day("timestamp[us]", "us", reads="lookback"), relation) is None
    assert bounds_of(a_day("timestamp[us]", "us", declared="timestamp[ns]"), relation) is None
    other = Relation((Column("signed_up", DType.parse("timestamp[us]")),), ("signed_up",))
    assert bounds_of(a_day("timestamp[us]", "us"), other) is None

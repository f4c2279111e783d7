"""Times that Parquet stores as INT96: no digit is cut, no day comes around, whatever type they are imported in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import InputError
from daeda.importing import staging
from daeda.importing.request import TextRules
from tests.daeda.importing.test_import import Killed, imported, kept_aside

# Around midnights, before 1970 too.
NANOSECONDS = [1704067199999999999, 1704067200000000001, None, -1, -86400000000001, 0]
DAYS = {
    "dt=1969-12-30": [-86400000000001], "dt=1969-12-31": [-1], "dt=1970-01-01": [0],
    "dt=2023-12-31": [1704067199999999999], "dt=2024-01-01": [1704067200000000001],
}  # fmt: skip
ANY_DAY = TextRules(days=(dt.date.min, dt.date.max))
FAR = [dt.datetime(1, 1, 1), dt.datetime(1600, 2, 3, 4, 5, 6, 7), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)]


def spark(path: Path, times: Any, unit: str = "ns", **others: Any) -> Path:
    table = pa.table({"at": pa.array(times, pa.timestamp(unit)), **others})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, row_group_size=4)
    assert "int96" in str(pq.ParquetFile(path).schema)
    return path


def numbers(tmp_path: Path) -> dict[str, list[int]]:
    return {
        path.parent.name: pq.ParquetFile(path).read().column("at").cast(pa.int64()).to_pylist()
        for path in sorted((tmp_path / "out").glob("dt=*/*.parquet"))
    }


@pytest.mark.parametrize("dtypes", [{}, {"at": DType("timestamp[ns]")}])
def test_nanoseconds_stay_and_no_row_moves_to_another_day(tmp_path: Path, dtypes: dict[str, DType]) -> None:
    result = imported(tmp_path, spark(tmp_path / "a.parquet", NANOSECONDS), dtypes=dtypes)
    assert (result.columns, result.rows, numbers(tmp_path)) == ({"at": "timestamp[ns]"}, 5, DAYS)
    assert kept_aside(tmp_path, "a.parquet") == [(3, "no timestamp")]


def test_what_microseconds_do_not_hold_is_kept_aside(tmp_path: Path) -> None:
    path = spark(tmp_path / "a.parquet", NANOSECONDS)
    assert imported(tmp_path, path, dtypes={"at": DType("timestamp[us]")}).rows == 1
    assert kept_aside(tmp_path, "a.parquet")[:2] == [
        (1, "at: '2023-12-31 23:59:59.999999999' is no timestamp[us]"),
        (2, "at: '2024-01-01 00:00:00.000000001' is no timestamp[us]"),
    ]


def test_any_year_is_read_in_microseconds(tmp_path: Path) -> None:
    result = imported(tmp_path, spark(tmp_path / "a.parquet", FAR, "us"), dtypes={}, rules=ANY_DAY)
    assert result.columns == {"at": "timestamp[us]"}
    files = sorted((tmp_path / "out").glob("dt=*/*.parquet"))
    assert [pq.ParquetFile(path).read().column("at")[0].as_py() for path in files] == FAR


def far_beside_nanoseconds(tmp_path: Path) -> Path:
    """A file as no writer of Arrow makes it: year 9999, a day that is no year, and a nanosecond, in one column."""
    path = spark(tmp_path / "a.parquet", [1, 2, 3, 4])
    days = np.array([2_440_588, 5_373_484, 2**31 - 1, 2_440_588], np.uint32)
    nanoseconds = np.array([1, 7, 0, 86_399_999_999_999], np.uint64)
    values = b"".join(n.tobytes() + d.tobytes() for n, d in zip(nanoseconds, days, strict=True))
    before = b"".join(n.tobytes() + np.uint32(2_440_588).tobytes() for n in np.array([1, 2, 3, 4], np.uint64))
    pq.write_table(
        pa.table({"at": pa.array([1, 2, 3, 4], pa.timestamp("ns"))}), path, use_deprecated_int96_timestamps=True,
        use_dictionary=False, compression="none", write_statistics=False,
    )  # fmt: skip
    data = path.read_bytes()
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, values))
    return path


def test_a_day_that_comes_around_is_none(tmp_path: Path) -> None:
    result = imported(tmp_path, far_beside_nanoseconds(tmp_path), dtypes={})
    assert (result.columns, numbers(tmp_path)) == (
        {"at": "timestamp[ns]"}, {"dt=1970-01-01": [1, 86_399_999_999_999]},
    )  # fmt: skip
    assert kept_aside(tmp_path, "a.parquet") == [
        (2, "at: '9999-12-31 00:00:00.000000007' is no timestamp[ns]"),
        (3, f"at: '{(2**31 - 1 - 2_440_588) * 86_400} seconds after 1970' is no timestamp[ns]"),
    ]


def test_an_import_that_was_stopped_goes_on_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daeda.importing.parquet_rows.most_rows", lambda _: 3)
    path = spark(tmp_path / "a.parquet", range(10), x=pa.array(range(10)))
    write = staging._write

    def stop(*given: Any) -> None:
        if given[3].end >= 6:
            raise Killed
        write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "_write", stop)
        with pytest.raises(Killed):
            imported(tmp_path, path, dtypes={})
    imported(tmp_path, path, dtypes={})
    assert numbers(tmp_path) == {"dt=1970-01-01": list(range(10))}


def test_lists_of_them_are_refused(tmp_path: Path) -> None:
    lists = pa.array([[1], [2]], pa.list_(pa.timestamp("ns")))
    path = spark(tmp_path / "a.parquet", [1, 2], seen=lists)
    with pytest.raises(InputError, match=r"column 'seen' is list<.*int96>, which no view can read: leave it out"):
        imported(tmp_path, path, dtypes={})
    assert imported(tmp_path, path, dtypes={}, chosen=("at",)).rows == 2

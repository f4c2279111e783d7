"""Rows of days that nobody means, and numbers that count another unit: said, and no partition of the year 9999."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from daeda.cli.main import main
from daeda.dtypes import DType
from daeda.errors import InputError
from daeda.importing.request import TextRules
from tests.daeda.importing.test_import import imported, kept_aside, rows, write

SLIPS = """\
user,at,price
1,2024-01-01 10:00,1
2,9999-12-31 23:59:59,2
3,0001-01-01,3
4,2204-01-01,4
5,1899-12-31 23:59:59.999999,5
6,1900-01-01,6
7,2100-12-31 23:59:59.999999,7
"""


def test_rows_of_far_days_are_kept_aside_and_told(tmp_path: Path) -> None:
    result = imported(tmp_path, write(tmp_path / "a.csv", SLIPS))
    assert sorted(rows(tmp_path)) == ["dt=1900-01-01", "dt=2024-01-01", "dt=2100-12-31"]
    assert (result.rows, result.rejected, result.exit_code) == (3, 4, 1)
    assert kept_aside(tmp_path, "a.csv")[0] == (
        3, "its day 9999-12-31 lies outside of 1900-01-01..2100-12-31, the days that are imported (--days of daeda "
           "import)",
    )  # fmt: skip
    assert result.notes[-1] == (
        "a.csv: 4 rows lie on days outside of 1900-01-01..2100-12-31 and are kept aside: 9999-12-31 (line 3), "
        "0001-01-01 (line 4), 2204-01-01 (line 5), …; where such times are meant, say --days FIRST..LAST"
    )


def test_days_may_be_others_and_are_kept_for_the_next_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = write(tmp_path / "a.csv", SLIPS), tmp_path / "out"
    words = ["--to", str(to), "--timestamp-field", "at", "--json"]
    assert main(["import", str(path), *words, "--days", "0001-01-01..9999-12-31"]) == 0
    out = capsys.readouterr().out
    # Days without rows would be three million.
    assert len(out) < 2000
    gaps = [tuple(map(dt.date.fromisoformat, gap)) for gap in json.loads(out)["days_without_rows"]]
    assert sum((last - first).days + 1 for first, last in gaps) == 3_652_059 - 7
    assert len(rows(tmp_path)) == 7
    later = write(tmp_path / "b.csv", "user,at,price\n8,9999-12-30,1\n")
    assert main(["import", str(later), *words]) == 0
    assert "read as at the import before: --days 0001-01-01..9999-12-31" in capsys.readouterr().err
    assert main(["import", str(later), *words, "--days", "2024-01-01..2023-01-01"]) == 2
    assert "--days '2024-01-01..2023-01-01' ends before it begins: swap its ends" in capsys.readouterr().err


def test_without_a_time_no_day_is_asked_for(tmp_path: Path) -> None:
    assert imported(tmp_path, write(tmp_path / "a.csv", SLIPS), timestamp_field=None).rejected == 0


@pytest.mark.parametrize(
    ("unit", "numbers", "first"),
    [
        ("ms", [1_704_067_200, 1_704_067_201], "1970-01-20"),
        ("us", [1_704_067_200_000], "1970-01-20"),
        ("ns", [1_704_067_200], "1970-01-01"),
        ("s", [20240101, 20240131], "1970-08-23"),
        ("s", [19_723], "1970-01-01"),
    ],
)
def test_numbers_that_all_lie_in_1970_are_refused(tmp_path: Path, unit: Any, numbers: list[int], first: str) -> None:
    path = write(tmp_path / "a.csv", "".join(["at,x\n", *(f"{number},1\n" for number in numbers)]))
    with pytest.raises(InputError) as raised:
        imported(tmp_path, path, dtypes={}, timestamp_unit=unit)
    assert f"with --timestamp-unit {unit} all of its times lie in 1970, from {first} to " in str(raised.value)
    given: dict[str, Any] = {"timestamp_unit": unit, "dtypes": {"at": DType("int64")}}
    with pytest.raises(InputError, match="all of its times lie in 1970"):
        imported(tmp_path, path, **given)
    rules = TextRules(days=(dt.date(1970, 1, 1), dt.date(1970, 12, 31)))
    assert imported(tmp_path, path, rules=rules, **given).rows == len(numbers)


def test_numbers_of_a_finer_unit_are_kept_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "at,x\n1704067200000,1\n1704067200,2\n-0.5,3\n1704067200.25,4\n")
    assert imported(tmp_path, path, dtypes={}, timestamp_unit="s").rows == 3
    assert kept_aside(tmp_path, "a.csv") == [
        (2, "its time lies outside of the years 1 to 9999"),
    ]
    assert rows(tmp_path)["dt=1969-12-31"] == [[dt.datetime(1969, 12, 31, 23, 59, 59, 500_000), 3]]


def test_the_time_that_is_none_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "at,x\n2016-12-31 23:59:59,1\n2016-12-31 23:59:60,2\n")
    with pytest.raises(InputError) as raised:
        imported(tmp_path, path, dtypes={})
    assert str(raised.value) == (
        f"{path}: 'at' is no time in 1 of its first 2 rows, first '2016-12-31 23:59:60' in line 3: --dtype "
        "at=timestamp[us] keeps such rows aside; or say how its text is read, --time-format '%d.%m.%Y %H:%M'"
    )
    assert imported(tmp_path, path, dtypes={"at": DType("timestamp[us]")}).rejected == 1

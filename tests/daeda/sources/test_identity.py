"""Which files a day reads, and which partitions it lacks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from daeda.dtypes import DType
from daeda.durations import Duration
from daeda.errors import InputError, NotBuiltYet
from daeda.operators.operator import Instant
from daeda.operators.relational import Scan, ScanColumn
from daeda.planning.days import plan_skeleton
from daeda.planning.sources import find_sources
from daeda.sources.files import SourceFiles
from daeda.sources.identity import Identities
from daeda.sources.listing import find_files
from daeda.sources.partitions import days_needed, files_needed, missing_days
from tests.projects import TinyProject, moment


def day(number: int) -> dt.date:
    return dt.date(2024, 1, number)


def scan(reads: str, lookback: str | None = None, **entries: Any) -> Scan:
    time = None if reads == "static" else Instant(column="at")
    return Scan(
        name="s", output="s", view="v", path="p", reads=reads, time=time,  # type: ignore[arg-type]
        lookback=None if lookback is None else Duration.parse(lookback),
        columns=(ScanColumn(name="at", source="at", dtype=DType.parse("timestamp[us]")),), **entries,
    )  # fmt: skip


def partitions(*numbers: int) -> SourceFiles:
    return SourceFiles("p", {day(number): (f"p/{number}.parquet",) for number in numbers})


@pytest.mark.parametrize(
    ("operator", "first", "numbers"),
    [
        (scan("day"), 1, [5]),
        (scan("lookback", "2d"), 1, [3, 4, 5]),
        (scan("lookback", "25h"), 1, [3, 4, 5]),
        (scan("lookback", "1us"), 1, [4, 5]),
        (scan("lookback", "9999999d"), 2, [2, 3, 4, 5]),
        (scan("lookback", "unbounded"), 3, [3, 4, 5]),
        (scan("day", partition_slack=1), 1, [4, 5, 6]),
        (scan("day", partition_slack=1), 5, [5, 6]),
        (scan("lookback", "1d", partition_slack=2), 1, [2, 3, 4, 5, 6, 7]),
        (scan("lookback", "2d"), 5, [5]),
        (scan("lookback", "2d"), 6, []),
        (scan("lookback", "unbounded"), 9, []),
        (scan("lookback", "1d", partition_slack=2), 6, [6, 7]),
        (scan("day"), 6, [5]),
    ],
)
def test_a_day_needs_its_window_and_nothing_before_the_first_partition(
    operator: Scan, first: int, numbers: list[int]
) -> None:
    assert days_needed(operator, day(5), day(first)) == [day(number) for number in numbers]


@pytest.mark.parametrize(
    ("operator", "there", "missing"),
    [
        (scan("lookback", "3d"), [1, 2, 3, 4, 5], []),
        (scan("lookback", "3d"), [1, 3, 5], [2, 4]),
        (scan("lookback", "3d"), [4], [5]),
        (scan("lookback", "3d"), [7], []),
        (scan("day"), [7], [5]),
        (scan("day"), [1, 4], [5]),
        (scan("day", partition_slack=1), [3, 5], []),
        (scan("day", partition_slack=1), [3, 4, 6], [5]),
        (scan("lookback", "1d", partition_slack=2), [1, 5], [4]),
        (scan("lookback", "3d", missing_partitions="empty"), [1, 5], []),
        (scan("static"), [1], []),
    ],
)
def test_missing_partitions(operator: Scan, there: list[int], missing: list[int]) -> None:
    assert missing_days(operator, partitions(*there), day(5)) == [day(number) for number in missing]


def test_a_source_without_partitions_is_read_whole() -> None:
    assert files_needed(scan("day"), SourceFiles("p", flat=("a", "b")), day(5)) == ("a", "b")


def test_a_static_view_reads_all_its_partitions() -> None:
    assert files_needed(scan("static"), partitions(1, 9), day(5)) == ("p/1.parquet", "p/9.parquet")


def test_missing_partitions_are_listed() -> None:
    with pytest.raises(InputError) as raised:
        files_needed(scan("lookback", "3d"), partitions(1, 3, 5), day(5))
    assert str(raised.value) == (
        "view 'v': p has no partition for 2024-01-02, 2024-01-04: add them (a directory without rows is an empty day), "
        "or say source.missing_partitions: empty"
    )


def test_files_are_found_in_a_directory_a_pattern_and_alone(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "_dt.txt", "sub/_c.parquet", "_sub/c.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    both = (f"{tmp_path}/a.parquet", f"{tmp_path}/b.parquet")
    assert find_files(str(tmp_path), "v").flat == both
    assert find_files(f"{tmp_path}/*.parquet", "v").flat == both
    assert find_files(f"{tmp_path}/**/*.parquet", "v").flat == both
    assert find_files(f"{tmp_path}/sub/_*.parquet", "v").flat == (f"{tmp_path}/sub/_c.parquet",)
    assert find_files(f"{tmp_path}/a.parquet", "v").flat == both[:1]


def test_an_empty_partition_is_an_empty_day(tmp_path: Path) -> None:
    (tmp_path / "dt=2024-01-05").mkdir()
    (tmp_path / "dt=2024-01-06").mkdir()
    (tmp_path / "dt=2024-01-06/part.parquet").touch()
    files = find_files(str(tmp_path), "v")
    assert (files.partitioned, files.first_day) == (True, day(5))
    assert missing_days(scan("day"), files, day(5)) == []
    assert files_needed(scan("day"), files, day(5)) == ()


@pytest.mark.parametrize("name", ["dt=20240105", "dt=2024-1-5", "dt=2024-W01-5", "dt=2024-02-30", "dt="])
def test_a_partition_that_is_not_a_day_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError) as raised:
        find_files(str(tmp_path), "v")
    assert str(raised.value) == (
        f"view 'v': {tmp_path}/{name} is not a day: a partition is named dt=YYYY-MM-DD, so rename or remove it"
    )


def test_object_storage_is_not_built_yet() -> None:
    with pytest.raises(NotBuiltYet) as raised:
        find_files("gs://bucket/v", "v")
    assert str(raised.value) == (
        "view 'v': reading gs:// is not built: use a local path, or object storage with s3://bucket/path"
    )


def test_the_plan_says_which_windows_are_cut_by_the_first_partition(tmp_path: Path) -> None:
    tiny = TinyProject(tmp_path)
    tiny.views["prices"]["ttl"] = "2d"
    tiny.data["prices"] = [(10, moment("02 00:00"), 1.0), (10, moment("03 00:00"), 1.0)]
    tiny.write().write_data()
    project, dag = tiny.load(), tiny.compile().skeleton()
    plans = plan_skeleton(project, dag, find_sources(project, dag), project.runtime.days, "rebuild")
    assert [plan.cut for plan in plans] == [("prices begins on 2024-01-02, inside the window of 2d",)] * 2


def test_a_digest_is_of_the_content_and_is_known_while_size_and_mtime_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = Identities().of("scan", str(path))
    assert first.sha256 == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    known = Identities([first])
    path.write_bytes(b"two")
    assert known.of("scan", str(path)).sha256 != first.sha256

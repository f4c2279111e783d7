"""No row of a file is lost, doubled or changed without a word: long ids, zones, two files of the same rows, a kill."""

from __future__ import annotations

import bz2
import datetime as dt
import fcntl
import gzip
import json
import lzma
import zoneinfo
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import InputError, TransientError, UsageError
from daeda.importing import json_rows, publishing
from daeda.importing.request import TextRules
from daeda.importing.target import locked
from daeda.storage.regular import MOST_METADATA
from tests.daeda.importing.test_import import EVENTS, Killed, contents, imported, rows, write


def values(tmp_path: Path, name: str, to: str = "out") -> list[Any]:
    files = sorted((tmp_path / to).glob("dt=*/*.parquet"))
    return [value for path in files for value in pq.ParquetFile(path).read([name]).column(0).to_pylist()]


IN_1970 = TextRules(days=(dt.date(1970, 1, 1), dt.date(1970, 12, 31)))


def events(name: str, cells: Sequence[str]) -> str:
    return "".join([f"at,{name}\n", *(f"2024-01-01 10:00:{at:02},{cell}\n" for at, cell in enumerate(cells))])


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["1700000000000000001", "1700000000000000002"], "int64"),
        (["17000000000000000001", "17000000000000000002"], "uint64"),
        (["12345678901234567890123", "12345678901234567890124"], "string"),
        (["123456789012345678901.0", "0.5"], "string"),
        (["99999999999999.5", "999999999999999"], "double"),
    ],
)
def test_long_whole_numbers_stay_what_they_are(tmp_path: Path, cells: list[str], dtype: str) -> None:
    result = imported(tmp_path, write(tmp_path / "a.csv", events("card", cells)), dtypes={})
    assert result.columns["card"] == dtype
    oracle: dict[str, Any] = {"string": str, "double": float}
    assert values(tmp_path, "card") == [oracle.get(dtype, int)(cell) for cell in cells]


@pytest.mark.parametrize("dtypes", [{}, {"born": DType("date")}])
def test_a_zone_moves_times_and_no_days(tmp_path: Path, dtypes: dict[str, DType]) -> None:
    path = write(tmp_path / "a.csv", "at,born,other\n2024-07-01 01:00,1990-05-01,03.05.1990\n")
    rules = TextRules(time_formats=("iso", "%d.%m.%Y"), timezone="Europe/Berlin")
    result = imported(tmp_path, path, dtypes=dtypes, rules=rules)
    assert (result.columns["born"], result.columns["other"]) == ("date", "date")
    assert rows(tmp_path) == {
        "dt=2024-06-30": [[dt.datetime(2024, 6, 30, 23), dt.date(1990, 5, 1), dt.date(1990, 5, 3)]]
    }


def test_files_of_one_import_are_compared_with_each_other(tmp_path: Path) -> None:
    first, second = write(tmp_path / "e.csv", EVENTS), tmp_path / "e.csv.gz"
    second.write_bytes(gzip.compress(EVENTS.encode()))
    with pytest.raises(InputError) as raised:
        imported(tmp_path, first, second)
    assert str(raised.value) == (
        f"{second}: of its 2 rows of dt=2024-01-01, 2 stand in e.csv, too: where they are the same, leave one of the "
        "files out; where its rows are others, give --keep-repeated"
    )
    assert rows(tmp_path) == {}
    imported(tmp_path, first, second, repeated=True)
    assert sum(map(len, rows(tmp_path).values())) == 6


def test_fewer_rows_of_another_file_are_told(tmp_path: Path) -> None:
    lines = [f"{user},2024-01-01 10:00,1" for user in range(14)]
    first, second = (
        write(tmp_path / name, "\n".join(["user,at,price", *some]) + "\n")
        for name, some in (("log.1.csv", lines[:9]), ("log.2.csv", lines[5:]))
    )
    assert imported(tmp_path, first, second).notes[-1] == (
        "log.2.csv: 4 of its 9 rows of dt=2024-01-01 stand in log.1.csv, too, and are there twice now: where they are "
        "the same, take them out of one file"
    )


def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Import a file up to the ledger, which is not written."""

    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_ledger", stop)
        with pytest.raises(Killed):
            imported(tmp_path, path)


@pytest.mark.parametrize("first", [False, True])
def test_parts_of_a_killed_import_are_not_doubled_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    if not first:
        imported(tmp_path, write(tmp_path / "x.csv", "user,at,price\n7,2023-01-01,1\n"))
    path = write(tmp_path / "day.csv", EVENTS)
    killed(tmp_path, monkeypatch, path)
    before = contents(tmp_path / "out")
    later = path.rename(tmp_path / "day2.csv")
    with pytest.raises(InputError) as raised:
        imported(tmp_path, later)
    assert str(raised.value) == (
        f"{tmp_path}/out/dt=2024-01-01/part-day.csv.parquet: the import of 'day.csv' was stopped, and its rows may be "
        "the same: import that file first, where it has another name now --as day.csv; or remove its parts"
    )
    imported(tmp_path, later, name="day.csv")
    assert contents(tmp_path / "out") == before


def objects(*them: dict[str, object]) -> str:
    return "".join(json.dumps({"at": "2024-01-01 10:00", **one}) + "\n" for one in them)


def test_names_that_come_late_are_told_and_can_be_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "SAMPLED", 2)
    path = write(tmp_path / "a.jsonl", objects({"a": 1}, {"a": 2}, {"b": 5, "a": 3}, {"b": 6}))
    left = "a.jsonl: columns left out, for no row of the first 20,000 has them: b (line 3); "
    assert imported(tmp_path, path, dtypes={}).notes[-1] == f"{left}--dtype NAME=TYPE with --replace imports them"
    result = imported(tmp_path, path, dtypes={"b": DType("int64")}, replace=True)
    assert (values(tmp_path, "b"), left in str(result.notes)) == ([None, None, 5, 6], False)
    later = write(tmp_path / "b.jsonl", objects({"a": 8}))
    assert imported(tmp_path, later, dtypes={}).notes == (
        "b.jsonl: columns that none of its rows has, which are NULL: b",
    )
    with pytest.raises(UsageError, match="no column 'typo': Known: "):
        imported(tmp_path, path, dtypes={"typo": DType("int64")}, to="other")


def test_lists_of_texts_are_lists_of_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", objects({"t": ["012", "13"], "n": [12, None], "e": []}))
    assert imported(tmp_path, path, dtypes={}).columns == {
        "at": "timestamp[us]", "t": "list<string>", "n": "list<int64>", "e": "list<string>",
    }  # fmt: skip
    assert values(tmp_path, "t") == [["012", "13"]]


@pytest.mark.parametrize("gaps", [False, True])
def test_a_refused_import_keeps_the_rows_that_an_earlier_one_kept_aside(tmp_path: Path, gaps: bool) -> None:
    path = write(tmp_path / "c.csv", f"{EVENTS}1,2024-01-01,x\n")
    imported(tmp_path, path)
    aside = tmp_path / "out/_rejected/part-c.csv.jsonl"
    before = aside.read_bytes()
    write(path, f"{EVENTS}9,2044-01-01,1\n" if gaps else "user,at,price\n1,2024-01-01 10:00,1.5\n")
    told: list[str] = []
    with pytest.raises(InputError, match="too many to be meant" if gaps else "are not in it now"):
        _import_telling(tmp_path, path, told, empty_days=gaps)
    assert aside.read_bytes() == before
    assert told[-1] == (
        f"{tmp_path}/out/_staging keeps what was read, and the next import of it goes on there; else remove it"
    )


def _import_telling(tmp_path: Path, path: Path, told: list[str], **others: Any) -> None:
    from daeda.importing.request import ImportRequest
    from daeda.importing.run import import_files

    dtypes = {"price": DType("double")}
    import_files(ImportRequest((path,), tmp_path / "out", "at", dtypes=dtypes, **others), told.append)


def test_numbers_that_count_other_units_are_refused(tmp_path: Path) -> None:
    given: dict[str, Any] = {"dtypes": {"at": DType("int64")}}
    imported(tmp_path, write(tmp_path / "a.csv", "at,x\n1704067200,1\n"), timestamp_unit="s", **given)
    other = write(tmp_path / "b.csv", "at,x\n1704067200000,1\n")
    with pytest.raises(UsageError, match="was imported with a time that counts s, and ms is asked for: import into"):
        imported(tmp_path, other, timestamp_unit="ms", **given)


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_part_is_made_anew(tmp_path: Path, cut: bool) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    before = contents(tmp_path / "out")
    part = tmp_path / "out/dt=2024-01-01/part-events.csv.parquet"
    part.write_bytes(part.read_bytes()[:-20] if cut else bytes(part.stat().st_size))
    assert imported(tmp_path, path).sources[0].replaced == (dt.date(2024, 1, 1),)
    assert contents(tmp_path / "out") == before
    part.touch()
    assert imported(tmp_path, path).sources[0].outcome == "unchanged"


def test_a_part_that_was_edited_is_not_taken_for_unchanged(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    part = tmp_path / "out/dt=2024-01-02/part-events.csv.parquet"
    table = pq.ParquetFile(part).read()
    pq.write_table(pa.concat_tables([table, table]), part)
    with pytest.raises(InputError, match=r"1 row of 2024-01-02 that events\.csv had"):
        imported(tmp_path, path)


def test_who_does_not_get_the_lock_leaves_what_the_other_works_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    lock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        # The one that had the lock has removed the directory since it was opened.
        directory.rmdir()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(directory):
        with pytest.raises(TransientError, match="another process imports into it"), locked(directory):
            pass
        assert (directory / "_staging").is_dir()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_of_a_time_that_clocks_show_twice_it_is_the_first_and_one_that_they_skip_fits_none(
    tmp_path: Path, zone: str
) -> None:
    begins = [dt.datetime(2024, *day) for day in ((3, 10), (3, 31), (4, 7), (10, 6), (10, 27), (11, 3))]
    shown = [at + dt.timedelta(minutes=30 * step) for at in begins for step in range(10)]
    there = zoneinfo.ZoneInfo(zone)
    instants = [at.replace(tzinfo=there).astimezone(dt.UTC) for at in shown]
    known = [
        instant.replace(tzinfo=None)
        for at, instant in zip(shown, instants, strict=True)
        if instant.astimezone(there).replace(tzinfo=None) == at
    ]
    text = "".join(["at,user\n", *(f"{at:%Y-%m-%d %H:%M},1\n" for at in shown)])
    given: dict[str, Any] = {"dtypes": {"at": DType("timestamp[us]")}, "rules": TextRules(timezone=zone)}
    result = imported(tmp_path, write(tmp_path / "a.csv", text), **given)
    assert values(tmp_path, "at") == sorted(known)
    assert result.rejected == len(shown) - len(known)


def test_a_zone_is_at_most_a_day_away(tmp_path: Path) -> None:
    text = "at,user\n2024-01-31 10:00 +05:30,1\n2024-01-31 10:00 +99:99,1\n2024-01-31 10:00 +05:60,1\n"
    result = imported(tmp_path, write(tmp_path / "a.csv", text), dtypes={"at": DType("timestamp[us]")})
    assert (values(tmp_path, "at"), result.rejected) == ([dt.datetime(2024, 1, 31, 4, 30)], 2)


def test_a_time_that_is_no_int64_keeps_its_row_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"at": pa.array([5, 2**64 - 1], pa.uint64())}), path)
    result = imported(tmp_path, path, timestamp_unit="ns", dtypes={"at": DType("uint64")}, rules=IN_1970)
    assert rows(tmp_path) == {"dt=1970-01-01": [[5]]}
    assert result.sources[0].reasons == ("line 2: its time lies outside of the years 1 to 9999, or of int64",)


def test_what_was_kept_aside_is_found_again_where_somebody_removed_it(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", f"{EVENTS}1,never,2\n")
    given: dict[str, Any] = {"dtypes": {"at": DType("timestamp[us]")}}
    kept = imported(tmp_path, path, **given).sources[0].rejections
    assert kept is not None
    before, text = contents(tmp_path / "out"), kept.read_text()
    kept.unlink()
    assert imported(tmp_path, path, **given).sources[0].rejections == kept
    assert (kept.read_text(), contents(tmp_path / "out")) == (text, before)


def test_a_ledger_of_many_files_and_days_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    with (tmp_path / "out/_import.json").open("a") as file:
        file.write(" " * MOST_METADATA)
    assert imported(tmp_path, path).sources[0].outcome == "unchanged"


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_packed_files_one_behind_another_are_read_to_the_end_or_refused(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    head, *cells = EVENTS.splitlines(keepends=True)
    first, second = pack(f"{head}{cells[0]}".encode()), pack("".join(cells[1:]).encode())
    path = tmp_path / "events.csv.packed"
    path.write_bytes(first + second)
    assert imported(tmp_path, path, format="csv").rows == len(cells)
    for data in (first + b"no more of it, and all that is behind", first + second[:-5], first[:-3]):
        path.write_bytes(data)
        with pytest.raises(InputError) as raised:
            imported(tmp_path, path, format="csv")
        assert str(raised.value).startswith(f"{path}: it is packed, and cut off or damaged (")
        assert str(raised.value).endswith("): fetch it again")

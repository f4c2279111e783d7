"""What an import does with a directory: again, grown, shrunk, renamed, stopped at any moment; what it keeps aside."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import InputError, UsageError
from daeda.importing import csv_rows, json_rows, ledger, publishing, run, staging
from daeda.importing.request import Dialect, ImportRequest, TextRules
from daeda.importing.result import ImportResult
from daeda.importing.run import import_files
from tests.budget import by_run

EVENTS = """\
user,at,price
1,2024-01-01 10:00,1.5
2,2024-01-02 11:00,2
1,2024-01-01 09:00,3
"""


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def imported(tmp_path: Path, *paths: Path, to: str = "out", **others: Any) -> ImportResult:
    given = {"dtypes": {"price": DType("double")}, "timestamp_field": "at", **others}
    return import_files(ImportRequest(paths, tmp_path / to, **given))


def rows(tmp_path: Path, to: str = "out") -> dict[str, list[list[Any]]]:
    """Rows by partition, those of all files in the order of their names."""
    found: dict[str, list[list[Any]]] = {}
    for path in sorted((tmp_path / to).glob("dt=*/*.parquet")):
        table = pq.ParquetFile(path).read()
        found.setdefault(path.parent.name, []).extend(list(row.values()) for row in table.to_pylist())
    return found


def contents(directory: Path) -> dict[str, bytes]:
    """The data files, byte by byte."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.glob("[!_]*/*.parquet"))}


def kept_aside(tmp_path: Path, name: str = "events.csv") -> list[tuple[int, str]]:
    text = (tmp_path / "out" / "_rejected" / f"part-{name}.jsonl").read_text()
    return [(record["line"], record["reason"]) for record in map(json.loads, text.splitlines())]


def test_days_are_ordered_by_time_and_nothing_else_is_left(tmp_path: Path) -> None:
    result = imported(tmp_path, write(tmp_path / "events.csv", EVENTS))
    assert rows(tmp_path) == {
        "dt=2024-01-01": [[1, dt.datetime(2024, 1, 1, 9), 3.0], [1, dt.datetime(2024, 1, 1, 10), 1.5]],
        "dt=2024-01-02": [[2, dt.datetime(2024, 1, 2, 11), 2.0]],
    }
    assert result.columns == {"user": "int64", "at": "timestamp[us]", "price": "double"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_import.json", "dt=2024-01-01", "dt=2024-01-02",
    ]  # fmt: skip


def test_again_it_does_nothing_and_a_touched_file_gives_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    before = contents(tmp_path / "out")
    assert imported(tmp_path, path).sources[0].outcome == "unchanged"
    path.touch()
    source = imported(tmp_path, path).sources[0]
    assert (source.outcome, source.new, source.replaced, len(source.same)) == ("imported", (), (), 2)
    assert contents(tmp_path / "out") == before


def test_a_grown_file_replaces_its_last_day_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    first = tmp_path / "out/dt=2024-01-01/part-events.csv.parquet"
    stat = first.stat()
    write(path, f"{EVENTS}3,2024-01-02 12:00,4\n4,2024-01-03 00:00,5\n")
    source = imported(tmp_path, path).sources[0]
    assert (source.new, source.replaced, source.same, source.lost) == (
        (dt.date(2024, 1, 3),), (dt.date(2024, 1, 2),), (dt.date(2024, 1, 1),), 0,
    )  # fmt: skip
    assert [row[0] for row in rows(tmp_path)["dt=2024-01-02"]] == [2, 3]
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == (stat.st_mtime_ns, stat.st_ino)


def test_a_file_that_lost_rows_is_refused_until_it_may_replace(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    imported(tmp_path, path)
    before = contents(tmp_path / "out")
    write(path, "user,at,price\n1,2024-01-01 10:00,1.5\n9,2024-01-04,1\n")
    with pytest.raises(InputError) as raised:
        imported(tmp_path, path)
    assert str(raised.value) == (
        f"{tmp_path}/out: 2 rows of 2024-01-01, 2024-01-02 that events.csv had at its import are not in it now: "
        "--replace takes them out, and --as NAME imports it as another file, beside the earlier one"
    )
    assert contents(tmp_path / "out") == before
    assert imported(tmp_path, path, dry_run=True).sources[0].lost == 2
    assert contents(tmp_path / "out") == before
    source = imported(tmp_path, path, replace=True).sources[0]
    assert (source.removed, source.lost) == ((dt.date(2024, 1, 2),), 2)
    assert rows(tmp_path) == {
        "dt=2024-01-01": [[1, dt.datetime(2024, 1, 1, 10), 1.5]], "dt=2024-01-04": [[9, dt.datetime(2024, 1, 4), 1.0]],
    }  # fmt: skip


def test_a_day_whose_rows_are_all_taken_out_is_no_empty_one(tmp_path: Path) -> None:
    """A view reaches to the end of its last partition, be it empty: labels would count on days that nobody has."""

    def days() -> list[str]:
        return sorted(path.name for path in (tmp_path / "out").glob("dt=*"))

    first = write(tmp_path / "events.csv", f"{EVENTS}9,2099-01-01,1\n9,2024-01-04,1\n")
    other = write(tmp_path / "others.csv", "user,at,price\n7,2024-01-04 10:00,2\n")
    imported(tmp_path, first, other)
    write(first, f"{EVENTS}9,2024-01-05,1\n")
    result = imported(tmp_path, first, replace=True)
    assert days() == ["dt=2024-01-01", "dt=2024-01-02", "dt=2024-01-04", "dt=2024-01-05"]
    assert result.gaps == ((dt.date(2024, 1, 3), dt.date(2024, 1, 3)),)
    write(first, "user,at,price\n1,2024-01-01 10:00,1.5\n9,2024-01-05,1\n")
    result = imported(tmp_path, first, replace=True, empty_days=True)
    assert result.gaps == ((dt.date(2024, 1, 2), dt.date(2024, 1, 3)),)
    assert days() == ["dt=2024-01-01", "dt=2024-01-02", "dt=2024-01-03", "dt=2024-01-04", "dt=2024-01-05"]
    assert list((tmp_path / "out/dt=2024-01-02").iterdir()) == []


def test_a_kill_between_a_part_and_its_partition_leaves_no_empty_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "events.csv", f"{EVENTS}9,2099-01-01,1\n")
    imported(tmp_path, path)
    write(path, EVENTS)

    def killed_behind(part: Path, _: Path) -> None:
        part.unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_remove", killed_behind)
        with pytest.raises(Killed):
            imported(tmp_path, path, replace=True)
    assert list((tmp_path / "out/dt=2099-01-01").iterdir()) == []
    imported(tmp_path, path)
    assert sorted(rows(tmp_path)) == ["dt=2024-01-01", "dt=2024-01-02"]
    assert not (tmp_path / "out/dt=2099-01-01").exists()


def test_files_stand_beside_each_other_and_none_under_two_names(tmp_path: Path) -> None:
    imported(tmp_path, write(tmp_path / "a.csv", EVENTS))
    other = write(tmp_path / "b.csv", "user,at,price\n7,2024-01-02 23:59,7\n8,2024-01-05,8\n")
    assert imported(tmp_path, other).sources[0].new == (dt.date(2024, 1, 2), dt.date(2024, 1, 5))
    assert [row[0] for row in rows(tmp_path)["dt=2024-01-02"]] == [2, 7]
    with pytest.raises(InputError) as raised:
        imported(tmp_path, write(tmp_path / "c.csv", EVENTS))
    assert str(raised.value) == (
        f"{tmp_path}/c.csv: of its 2 rows of dt=2024-01-01, 2 were imported with a.csv: where it is that file under a "
        "new name, import it --as a.csv; where its rows are others, give --keep-repeated"
    )
    grown = write(tmp_path / "c.csv", f"{EVENTS}5,2024-01-06,5\n")
    assert imported(tmp_path, grown, name="a.csv").sources[0].new == (dt.date(2024, 1, 6),)
    assert sum(map(len, rows(tmp_path).values())) == 6


class Killed(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


def test_killed_at_every_step_it_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends before each step that leaves something behind, and behind it; then the import runs again."""
    monkeypatch.setattr(csv_rows, "most_rows", lambda _: 2)
    path = write(tmp_path / "events.csv", f"{EVENTS}bad,2024-01-01,1\n5,2024-01-03,5\n6,2024-01-02 01:00,6\n")
    imported(tmp_path, path, to="whole")
    grown = write(tmp_path / "grown.csv", path.read_text() + "7,2024-01-02 02:00,7\n8,2024-01-09,8\n")
    whole = contents(tmp_path / "whole")
    imported(tmp_path, grown, to="whole", name="events.csv")
    whole_grown = contents(tmp_path / "whole")
    assert len(whole_grown) == len(whole) + 1
    steps = 0
    for after in (False, True):
        for at in range(by_run(4, 1, 1), 100, by_run(15, 1, 1)):
            to = f"killed-{after}-{at}"
            left = [at]
            with monkeypatch.context() as patch:
                _end_at(patch, left, after=after)
                for given in ({"paths": path}, {"paths": grown, "name": "events.csv"}):
                    others = {key: value for key, value in given.items() if key != "paths"}
                    try:
                        imported(tmp_path, given["paths"], to=to, **others)
                    except Killed:
                        imported(tmp_path, given["paths"], to=to, **others)
                    if given["paths"] is path:
                        assert contents(tmp_path / to) == whole
            assert contents(tmp_path / to) == whole_grown
            assert json.loads((tmp_path / to / ledger.NAME).read_text())["sources"]["events.csv"]["rows"] == 7
            if left[0] > 0:
                break
            steps += 1
    assert steps > by_run(3, 40, 40)


def _end_at(patch: pytest.MonkeyPatch, left: list[int], *, after: bool) -> None:
    def wrapped(function: Any) -> Any:
        def step(*words: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise Killed
            found = function(*words, **named)
            if left[0] == 0:
                raise Killed
            return found

        return step

    for module, name in (
        (staging.pq, "write_table"), (Path, "replace"), (Path, "rename"), (Path, "unlink"),
        (publishing, "write_ledger"), (run.shutil, "rmtree"),
    ):  # fmt: skip
        patch.setattr(module, name, wrapped(getattr(module, name)))


@pytest.mark.parametrize(
    ("lines", "kept", "aside"),
    [
        pytest.param(["1,2024-01-01,x"], [], [(2, "price: 'x' is no double")], id="wrong type"),
        pytest.param(["1,2024-13-01,1", "2,,2"], [],
                     [(2, "at: '2024-13-01' is no timestamp[us]"), (3, "no timestamp")]),
        pytest.param(["1,2024-01-01", "1,2024-01-01,1,2", "", "3,2024-01-01,3"], [3],
                     [(2, "2 cells, and 3 columns"), (3, "4 cells, and 3 columns")], id="ragged"),
        pytest.param(['1,2024-01-01,"1', "2,2024-01-01,2", "3,2024-01-01,3"], [2, 3],
                     [(2, "a quote that is never closed")], id="open quote"),
        pytest.param(['1,2024-01-01,"1', "2,2024-01-01,2", '3,2024-01-01,"3"'], [2, 3],
                     [(2, "a quote in the middle of a cell")], id="open quote and a later one"),
        pytest.param(["1,2024-01-01,1e999", "99999999999999999999,2024-01-01,1", "1.5,2024-01-01,2",
                      "4.0,2024-01-01,4"], [4],
                     [(2, "price: '1e999' is no double"), (3, "user: '99999999999999999999' is no int64"),
                           (4, "user: '1.5' is no int64")], id="numbers"),
        pytest.param([" 1 , 2024-01-01T00:00:00.25+01:00 ,\t1 "], [1], [], id="blanks and a zone"),
        pytest.param(["1,2024-01-01,NA", "x,2024-01-01,2"], [1], [(3, "user: 'x' is no int64")], id="NULL spelled"),
        pytest.param(["1,2024-01-01 10:00:00.1234567,1"], [],
                     [(2, "at: '2024-01-01 10:00:00.1234567' is no timestamp[us]")],
                     id="digits that the type has not"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_kept_aside(
    tmp_path: Path, lines: list[str], kept: list[int], aside: list[tuple[int, str]]
) -> None:
    path = write(tmp_path / "events.csv", "\n".join(["user,at,price", *lines]) + "\n")
    dtypes = {"user": DType("int64"), "at": DType("timestamp[us]"), "price": DType("double")}
    result = imported(tmp_path, path, dtypes=dtypes, rules=TextRules(nulls=("NA",)))
    assert [row[0] for day in rows(tmp_path).values() for row in day] == kept
    assert (result.rejected, result.exit_code) == (len(aside), 1 if aside else 0)
    assert (kept_aside(tmp_path) if aside else []) == aside


def test_with_more_than_may_be_kept_aside_nothing_is_published(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", f"{EVENTS}x,2024-01-01,1\ny,2024-01-01,1\n")
    user = {"dtypes": {"user": DType("int64"), "price": DType("double")}}
    result = imported(tmp_path, path, max_rejected=1, **user)
    assert (result.published, result.exit_code, rows(tmp_path)) == (False, 1, {})
    assert [line for line, _ in kept_aside(tmp_path)] == [5, 6]
    result = imported(tmp_path, path, max_rejected=2, **user)
    assert (result.published, result.exit_code, len(rows(tmp_path))) == (True, 0, 2)
    assert imported(tmp_path, path, **user).exit_code == 1


def test_encodings_and_bytes_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes("user,at,name\n1,2024-01-01,Zoë\n2,2024-01-01,b\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 2 is not UTF-8: give its encoding, like --encoding cp1252"):
        imported(tmp_path, path, dtypes={})
    result = imported(tmp_path, path, dtypes={}, dialect=Dialect(encoding="utf-8"))
    assert (kept_aside(tmp_path), result.sources[0].rows) == ([(2, "bytes that are not of the encoding")], 1)
    imported(tmp_path, path, dtypes={}, dialect=Dialect(encoding="latin-1"), to="latin")
    assert [row[2] for row in rows(tmp_path, "latin")["dt=2024-01-01"]] == ["Zoë", "b"]


@pytest.mark.parametrize(
    ("text", "others", "sentence"),
    [
        ("1,2024-01-01,2\n", {}, "no column 'price': Known: 1, 2, 2024-01-01; where its first line is no header, give "
         "--no-header and --columns NAME,…"),
        ("user,at,price,at\n1,2,3,4\n", {}, "column 'at' stands 2 times in it: rename the others, or leave it out"),
        ("user,at,price,User\n1,2024-01-01,3,4\n", {}, "columns User, user differ only in case, and SQL does not tell "
         "them apart: leave one out, with --columns"),
        ("", {}, "it holds no line: nothing can be imported"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, others: dict[str, Any], sentence: str) -> None:
    path = write(tmp_path / "events.csv", text)
    with pytest.raises((UsageError, InputError)) as raised:
        imported(tmp_path, path, **others)
    assert str(raised.value) == f"{path}: {sentence}"
    assert not (tmp_path / "out").exists()


def test_without_a_header_columns_have_the_names_that_are_given(tmp_path: Path) -> None:
    path = write(tmp_path / "events.tsv", "1\t2024-01-01\t2\n")
    imported(tmp_path, path, dialect=Dialect(header=False), chosen=("user", "at", "price"))
    assert rows(tmp_path) == {"dt=2024-01-01": [[1, dt.datetime(2024, 1, 1), 2.0]]}


def test_a_table_without_a_time_is_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "users.csv", "user,name,zip\n1,a,01234\n2,,12345\n")
    given: dict[str, Any] = {"timestamp_field": None, "dtypes": {}}
    imported(tmp_path, path, **given)
    table = pq.read_table(tmp_path / "out/part-users.csv.parquet")
    assert table.to_pydict() == {"user": [1, 2], "name": ["a", None], "zip": ["01234", "12345"]}
    write(path, "user,name,zip\n1,a,01234\n2,,12345\n3,c,1\n")
    assert imported(tmp_path, path, **given).sources[0].replaced == (None,)


def test_days_without_rows_are_told_and_made_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "events.csv", "user,at,price\n1,2024-01-01,1\n1,2024-01-04,1\n")
    assert imported(tmp_path, path).gaps == ((dt.date(2024, 1, 2), dt.date(2024, 1, 3)),)
    imported(tmp_path, path, empty_days=True)
    assert list((tmp_path / "out/dt=2024-01-02").iterdir()) == []
    assert imported(tmp_path, path).gaps == ()
    write(path, "user,at,price\n1,2024-01-01,1\n1,2024-01-04,1\n1,2024-01-06,1\n")
    assert imported(tmp_path, path).gaps == ((dt.date(2024, 1, 5), dt.date(2024, 1, 5)),)


def test_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "out/dt=2024-01-01/part-0.parquet"
    other.parent.mkdir(parents=True)
    pq.write_table(pa.table({"user": [1]}), other)
    with pytest.raises(InputError) as raised:
        imported(tmp_path, write(tmp_path / "events.csv", EVENTS))
    assert str(raised.value) == (
        f"{other}: no import wrote it, and its rows may be the same: import into another directory"
    )


def test_types_are_kept_and_others_are_refused(tmp_path: Path) -> None:
    imported(tmp_path, write(tmp_path / "a.csv", EVENTS))
    later = write(tmp_path / "b.csv", "at,user,price,more\n2024-02-01,5,0.5,x\n")
    assert imported(tmp_path, later, dtypes={}).notes == ("b.csv: columns left out: more",)
    assert rows(tmp_path)["dt=2024-02-01"] == [[5, dt.datetime(2024, 2, 1), 0.5]]
    with pytest.raises(UsageError) as raised:
        imported(tmp_path, later, dtypes={"user": DType("string")})
    assert str(raised.value) == (
        f"{tmp_path}/out has 'user' as int64, and string is asked for: import into another directory, or give all of "
        "a.csv too with --replace, which makes all days anew"
    )


def test_what_a_year_and_a_timestamp_have_not_is_kept_aside_and_stops_nothing(tmp_path: Path) -> None:
    """%Y of DuckDB takes 24 for the year 24, and the largest number that 64 bits hold is an error of it."""
    path = write(tmp_path / "events.csv", "user,at,price\n1,01/02/24,1\n2,01/02/2024,2\n")
    rules = TextRules(time_formats=("%d/%m/%Y",))
    dtypes = {"at": DType("timestamp[us]")}
    assert imported(tmp_path, path, dtypes=dtypes, rules=rules).rejected == 1
    assert list(rows(tmp_path)) == ["dt=2024-02-01"]
    assert imported(tmp_path, path, rules=TextRules(time_formats=("%d/%m/%Y", "%d/%m/%y")), to="both").rejected == 0
    for unit, moment in (("us", 1_704_067_200_000_000), ("ns", 1_704_067_200_000_000_000)):
        path = write(tmp_path / "events.csv", f"user,at,price\n1,{2**63 - 1},1\n2,{moment},2\n")
        assert imported(tmp_path, path, timestamp_unit=unit, to=unit).rejected == 1
        assert list(rows(tmp_path, unit)) == ["dt=2024-01-01"]


def test_no_type_is_found_that_makes_two_ids_one(tmp_path: Path) -> None:
    path = write(tmp_path / "users.csv", f"a,b,c\n{10**22 + 1},{2**63 - 1},1e3\n{10**22},5,{2**53}\n")
    result = imported(tmp_path, path, timestamp_field=None, dtypes={})
    assert result.columns == {"a": "string", "b": "int64", "c": "double"}


def test_keys_that_come_up_late_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "SAMPLED", 2)
    monkeypatch.setattr(json_rows, "most_rows", lambda _: 1)
    monkeypatch.setattr(run, "SAMPLED", 2)
    lines = ['{"at": "2024-01-01", "a": 1}'] * 3 + ['{"at": "2024-01-01", "a": 1, "b": 2, "c": 3}'] * 2
    path = write(tmp_path / "events.jsonl", "\n".join(lines))
    told = (
        "events.jsonl: columns left out, for no row of the first 2 has them: b (line 4), c (line 4); --dtype NAME=TYPE "
        "with --replace imports them"
    )
    assert told in imported(tmp_path, path, dtypes={}, dry_run=True).notes
    left = [3]
    with monkeypatch.context() as patch:
        _end_at(patch, left, after=True)
        with pytest.raises(Killed):
            imported(tmp_path, path, dtypes={})
    assert told in imported(tmp_path, path, dtypes={}).notes


def test_what_a_killed_import_has_published_is_no_surplus_when_the_file_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "events.csv", EVENTS)
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_ledger", _killed)
        with pytest.raises(Killed):
            imported(tmp_path, path)
    write(path, "user,at,price\n1,2024-01-01 10:00,1.5\n1,2024-01-01 09:00,3\n")
    with pytest.raises(InputError, match="1 row of 2024-01-02 that"):
        imported(tmp_path, path)
    assert imported(tmp_path, path, replace=True).sources[0].removed == (dt.date(2024, 1, 2),)
    assert list(rows(tmp_path)) == ["dt=2024-01-01"]


def _killed(*_: Any) -> None:
    raise Killed


def test_a_damaged_file_and_a_long_name_are_told(tmp_path: Path) -> None:
    data = bytearray(gzip.compress("".join(f"{n},2024-01-01,{n * 7919 % 997}\n" for n in range(20_000)).encode()))
    data[len(data) // 2 : len(data) // 2 + 8] = b"\xff" * 8
    path = tmp_path / "events.csv.gz"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="it is packed, and cut off or damaged"):
        imported(tmp_path, path, dialect=Dialect(header=False), chosen=("user", "at", "price"))
    with pytest.raises(UsageError, match="the name is too long for a part"):
        imported(tmp_path, tmp_path / ("\u4ea4" * 30 + ".csv"))

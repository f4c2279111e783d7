"""An import that is stopped while it puts days into place: nobody reads a mix, and the next one finishes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from daeda.dtypes import DType
from daeda.errors import InputError, NothingThere
from daeda.importing import changes, publishing
from daeda.sources.listing import find_files
from tests.budget import by_run
from tests.daeda.importing.test_import import EVENTS, Killed, _end_at, contents, imported, rows, write

# Other types, a column more and one less, a day more and one less.
OTHERS = "user,at,cost,shop\nu1,2024-01-01 10:00,1,a\nu2,2024-01-03 11:00,2,b\n"
REPLACED: dict[str, Any] = {"dtypes": {"user": DType("string")}, "chosen": ("user", "at", "cost"), "replace": True}


def schemas(directory: Path) -> set[str]:
    return {str(pq.read_schema(path)) for path in directory.glob("dt=*/*.parquet")}


def read_as_a_view(directory: Path) -> dict[str, bytes] | None:
    """The files that a view reads, byte by byte; None where it refuses to."""
    try:
        files = find_files(str(directory), "events")
    except NothingThere:
        return {}
    except InputError as error:
        return None if "daeda import` was stopped there" in str(error) else {"another": b""}
    return {str(Path(path).relative_to(directory)): Path(path).read_bytes() for path in sorted(files.paths)}


def test_replaced_by_other_types_old_and_new_days_never_stand_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write(tmp_path / "a.csv", EVENTS), write(tmp_path / "b.csv", EVENTS.replace("3\n", "4\n"))
    given: dict[str, Any] = {"repeated": True}
    imported(tmp_path, first, second, to="old", **given)
    old = contents(tmp_path / "old")
    write(first, OTHERS)
    write(second, OTHERS.replace("u1", "u9"))
    imported(tmp_path, first, second, to="new", **given, **REPLACED)
    new = contents(tmp_path / "new")
    steps, refused = 0, 0
    for after in (False, True):
        for at in range(by_run(9, 1, 1), 100, by_run(14, 1, 1)):
            to = f"killed-{after}-{at}"
            write(first, EVENTS)
            write(second, EVENTS.replace("3\n", "4\n"))
            imported(tmp_path, first, second, to=to, **given)
            write(first, OTHERS)
            write(second, OTHERS.replace("u1", "u9"))
            left = [at]
            with monkeypatch.context() as patch:
                _end_at(patch, left, after=after)
                try:
                    imported(tmp_path, first, second, to=to, **given, **REPLACED)
                except Killed:
                    steps += 1
            seen = read_as_a_view(tmp_path / to)
            refused += seen is None
            assert seen in (None, old, new)
            assert len(schemas(tmp_path / to)) <= 1
            imported(tmp_path, first, second, to=to, **given, **REPLACED)
            assert contents(tmp_path / to) == new == read_as_a_view(tmp_path / to)
            if left[0] > 0:
                break
    assert steps > by_run(3, 30, 30)
    assert refused > by_run(0, 10, 10)


def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *paths: Path, **others: Any) -> None:
    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_ledger", stop)
        with pytest.raises(Killed):
            imported(tmp_path, *paths, **others)


def test_a_view_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", EVENTS)
    stopped(tmp_path, monkeypatch, path)
    for where in ("out", "out/dt=2024-01-*/*.parquet"):
        with pytest.raises(InputError) as raised:
            find_files(str(tmp_path / where), "events")
        assert str(raised.value) == (
            f"view 'events': {tmp_path}/out: `daeda import` was stopped there while it put days into place, or is at "
            "it: some may have the rows of before and others those of now: run that import again, which finishes it"
        )
    imported(tmp_path, path)
    assert len(find_files(str(tmp_path / "out"), "events").paths) == 2


def test_another_file_does_not_pass_over_one_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = write(tmp_path / "a.csv", EVENTS), write(tmp_path / "b.csv", "user,at,price\n7,2024-02-01,1\n")
    imported(tmp_path, path)
    before, state = contents(tmp_path / "out"), path.stat()
    write(path, f"{EVENTS}9,2024-01-03,9\n")
    stopped(tmp_path, monkeypatch, path)
    with pytest.raises(InputError) as raised:
        imported(tmp_path, other)
    assert str(raised.value) == (
        f"{tmp_path}/out: the import of a.csv was stopped while days were put into place, and has to be finished: give "
        "that file, too, where one has another name now --as a.csv; without it, import into a new directory"
    )
    # The file is as it was before, down to its time: the day that was put into place is no part of that.
    write(path, EVENTS)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(InputError, match=r"1 row of 2024-01-03 that a\.csv had at its import are not in it now"):
        imported(tmp_path, path)
    imported(tmp_path, path, replace=True)
    assert contents(tmp_path / "out") == before
    imported(tmp_path, other)


def test_the_ledger_is_written_once_however_many_files_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write_ledger = publishing.write_ledger
    monkeypatch.setattr(
        publishing, "write_ledger", lambda *given: (written.append(len(given[1].sources)), write_ledger(*given))[1]
    )
    paths = [write(tmp_path / f"{at}.csv", f"user,at,price\n{at},2024-01-0{at} 10:00,1\n") for at in range(1, 7)]
    imported(tmp_path, *paths)
    assert (written, len(rows(tmp_path))) == ([6], 6)


def test_rows_of_many_files_of_one_day_are_compared_by_one_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    compare = changes.repeated_rows
    monkeypatch.setattr(
        changes, "repeated_rows", lambda *given: (asked.append(len(given[1]) + len(given[2])), compare(*given))[1]
    )
    paths = [write(tmp_path / f"{at}.csv", f"path,at,place\n{at},2024-01-01 10:00,1\n") for at in range(8)]
    imported(tmp_path, *paths[:3], dtypes={})
    imported(tmp_path, *paths[3:], dtypes={})
    assert asked == [3, 8]
    same = write(tmp_path / "9.csv", "path,at,place\n9,2024-01-01 10:00,1\n")
    with pytest.raises(InputError, match=r"10\.csv: of its 1 row of dt=2024-01-01, 1 stand in 9\.csv, too"):
        imported(tmp_path, same, write(tmp_path / "10.csv", same.read_text()), dtypes={}, to="other")

"""Files are what was checked: told apart by states that cost a look, checked again where they are in another one."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.session import input_check
from beam_pipeline.session.input_check import check_input
from daeda.dataset.fingerprint import operator_digests
from daeda.errors import DayError, InputError
from daeda.operators.relational import Scan
from daeda.planning import file_check
from daeda.planning.checked import Checked, CheckedFile, read_checked
from daeda.planning.days import Action, plan_skeleton
from daeda.planning.file_check import check_file
from daeda.planning.preflight import check_sources
from daeda.planning.sources import find_sources
from daeda.sources.files import SourceFiles
from daeda.sources.identity import Identities, check_unchanged
from daeda.storage.regular import file_digest
from daeda.storage.state import FileState, InputFile, state_of
from tests.daeda.dataset.test_fingerprint import published, written
from tests.projects import TinyProject

DAY = dt.date(2024, 1, 2)


def in_its_place(path: Path, content: bytes) -> None:
    """Other bytes of the same size and mtime, moved into the file's place."""
    before = path.stat()
    fresh = path.with_name("_fresh")
    fresh.write_bytes(content)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def written_in_place(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [in_its_place, written_in_place])
def test_another_content_of_the_same_size_and_mtime_is_another_file(
    tmp_path: Path, change: Callable[[Path, bytes], None]
) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"before")
    identities = Identities()
    before = identities.of("scan", str(path))
    assert identities.of("scan", str(path)) == before
    check_unchanged([before])
    change(path, b"behind")
    after = identities.of("scan", str(path))
    assert after.sha256 == file_digest(path) != before.sha256
    with pytest.raises(DayError) as raised:
        check_unchanged([before])
    assert str(raised.value) == f"{path} changed while the day was built: run again when it is complete"


def test_a_file_that_is_replaced_and_put_back_has_changed(tmp_path: Path) -> None:
    path, aside = tmp_path / "x.parquet", tmp_path / "aside"
    path.write_bytes(b"right")
    before = Identities().of("scan", str(path))
    path.rename(aside)
    path.write_bytes(b"wrong")
    aside.replace(path)
    assert file_digest(path) == before.sha256
    with pytest.raises(DayError, match="changed while the day was built"):
        check_unchanged([before])


def test_every_state_that_a_day_has_identified_is_compared(tmp_path: Path) -> None:
    """What the first Scan has read counts, though a later one saw the file as it is now."""
    path = tmp_path / "x.parquet"
    path.write_bytes(b"before")
    first = Identities().of("first", str(path))
    path.write_bytes(b"behind")
    second = Identities().of("second", str(path))
    check_unchanged([second])
    with pytest.raises(DayError, match="changed while the day was built"):
        check_unchanged([first, second])


def test_a_file_that_changes_while_it_is_digested_has_no_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"before")

    def digest(read: Path) -> str:
        found = file_digest(read)
        in_its_place(path, b"behind")
        return found

    identities = Identities()
    with monkeypatch.context() as patched:
        patched.setattr("daeda.sources.identity.file_digest", digest)
        with pytest.raises(InputError) as raised:
            identities.of("scan", str(path))
    assert str(raised.value) == f"{path} changed while it was read: run again when it is complete"
    assert identities.of("scan", str(path)).sha256 == file_digest(path)


def test_a_plan_digests_what_has_the_size_and_mtime_of_what_was_read(tmp_path: Path) -> None:
    """A copy that keeps times, like `cp -p` and `rsync -t`, was taken for the file before."""
    project = written(tmp_path)
    published(project)
    path = tmp_path / "data/items.parquet"
    in_its_place(path, path.read_bytes().replace(b"toys", b"tool"))
    loaded, dag = project.load(), project.compile().skeleton()
    (plan,) = plan_skeleton(loaded, dag, find_sources(loaded, dag), [DAY], "rebuild")
    assert (plan.action, plan.reasons) == (Action.REBUILD, ("input of scan_items changed",))


def test_a_manifest_that_is_older_than_the_record_of_ctime_is_a_short_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"content")
    file = Identities().of("scan", str(path))
    monkeypatch.setattr("daeda.sources.identity.file_digest", None)
    assert Identities([replace(file, ctime_ns=0)]).of("scan", str(path)) == file
    assert Identities([file]).of("scan", str(path)) == file


def scans_of(project: TinyProject) -> dict[str, Scan]:
    return {scan.name: scan for scan in project.compile().skeleton().scans}


def test_what_was_checked_goes_to_the_days_with_its_states(tmp_path: Path) -> None:
    project = written(tmp_path)
    loaded, dag = project.load(), project.compile().skeleton()
    sources = find_sources(loaded, dag)
    checked = check_sources(loaded, dag, sources, [DAY])
    directory = tmp_path / "run"
    directory.mkdir()
    checked.write(directory)
    read_back = read_checked(str(directory))
    assert read_back.files == checked.files
    for name, files in sources.files.items():
        assert (read_back.listed[name].partitions, read_back.listed[name].flat) == (files.partitions, files.flat)
    events, items = tmp_path / "data/events/dt=2024-01-02/part-0.parquet", tmp_path / "data/items.parquet"
    assert read_back.files[str(events)].state == state_of(events)
    # The partitions of the window and of the day, and no other.
    assert {Path(path).parent.name for path in read_back.files} == {"dt=2024-01-01", "dt=2024-01-02", "data"}
    spine, static = scans_of(project)["scan_spine"], scans_of(project)["scan_items"]
    identity = Identities().of("scan", str(events))
    assert read_back.covers(spine, identity)
    assert not read_back.covers(static, identity)
    assert not read_back.covers(spine, replace(identity, ctime_ns=identity.ctime_ns + 1))
    assert not read_back.covers(spine, replace(identity, path=str(items)))


def test_names_that_are_no_utf_8_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"/data/\xff.parquet")
    files = SourceFiles("/data", flat=(name,))
    checked = Checked({"s": files}, {name: CheckedFile(FileState(1, 2, 3), ("s",))})
    checked.write(tmp_path)
    assert read_checked(str(tmp_path)) == checked


def test_what_vanished_is_told_of_the_days_that_need_it(tmp_path: Path) -> None:
    project = written(tmp_path)
    loaded, dag = project.load(), project.compile().skeleton()
    before = find_sources(loaded, dag)
    gone = tmp_path / "data/events/dt=2024-01-01/part-0.parquet"
    gone.unlink()
    there = find_sources(loaded, dag).files
    checked = Checked(before.files)
    spine = scans_of(project)["scan_spine"]
    (history,) = (scan for scan in dag.scans if scan.view == "events" and scan.reads == "lookback")
    assert checked.vanished(history, DAY, there[history.name]) == [str(gone)]
    assert checked.vanished(spine, DAY, there["scan_spine"]) == []
    assert checked.vanished(history, dt.date(2024, 1, 3), there[history.name]) == []
    assert Checked().vanished(history, DAY, there[history.name]) == []


def test_a_file_that_changes_while_it_is_checked_was_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = written(tmp_path)
    loaded, dag = project.load(), project.compile().skeleton()
    path = tmp_path / "data/items.parquet"
    original = file_check.check_columns

    def late(scan: Scan, name: str, *more: Any) -> Any:
        if name == str(path):
            os.utime(path, ns=(1, 1))
        return original(scan, name, *more)

    monkeypatch.setattr(file_check, "check_columns", late)
    with pytest.raises(InputError) as raised:
        check_sources(loaded, dag, find_sources(loaded, dag), [DAY])
    assert str(raised.value) == (f"view 'items': {path} changed while it was checked: run again when it is complete")


def test_a_day_checks_a_file_once_for_each_state_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = written(tmp_path)
    scan = scans_of(project)["scan_items"]
    (digest,) = operator_digests([scan]).values()
    path = tmp_path / "data/items.parquet"
    files = SourceFiles(str(path), flat=(str(path),))
    looked: list[InputFile] = []

    def look(*given: Any) -> Any:
        looked.append(given[1])
        return check_file(*given)

    monkeypatch.setattr(input_check, "check_file", look)
    for _ in range(3):
        check_input(scan, digest, Identities().of("scan", str(path)), files)
    assert len(looked) == 1
    file = Identities().of("scan", str(path))
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError) as raised:
        check_input(scan, digest, replace(file, ctime_ns=1), files)
    assert str(raised.value) == f"{path} changed while it was checked: run again when it is complete"
    check_input(scan, digest, Identities().of("scan", str(path)), files)
    assert len(looked) == 3

"""Staging and publication: a day is there whole, or it is not there."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout, part_name, part_number, parts_in_order
from daeda.dataset.manifest import ColumnStatistics, Fingerprint, Manifest, Part, read_manifest
from daeda.dataset.publish.publish import prepare_day, publish_day
from daeda.dataset.publish.staging import RunStaging, check_spill, check_writable, open_staging, repair
from daeda.errors import DayError, InputError
from daeda.storage.regular import file_digest
from daeda.storage.state import InputFile

DAY = dt.date(2024, 1, 2)


def manifest_of(directory: Path, rows: int = 1) -> Manifest:
    paths = sorted(directory.glob("*.parquet"))
    parts = tuple(Part(path.name, rows, path.stat().st_size, file_digest(path)) for path in paths)
    return Manifest("service", "skeleton", "2024-01-02", rows * len(parts), parts, (), Fingerprint({}, {}, {}))


def prepared(staging: RunStaging, content: str, attempt: str = "a") -> Path:
    ready = prepare_day(staging, "skeleton", DAY, attempt)
    (ready / part_name(0)).write_text(content)
    return ready


def publish(layout: Layout, content: str) -> None:
    with open_staging(layout) as staging:
        ready = prepared(staging, content)
        publish_day(staging, "skeleton", DAY, ready, manifest_of(ready))


def published(layout: Layout) -> list[str]:
    directory = layout.day_dir("skeleton", DAY)
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def content(layout: Layout) -> str:
    return (layout.day_dir("skeleton", DAY) / part_name(0)).read_text()


def runs(layout: Layout) -> list[Path]:
    return sorted(layout.staging.glob("run-*"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "output" / "service")


def test_a_day_is_published_with_its_manifest_and_nothing_stays_in_staging(layout: Layout) -> None:
    publish(layout, "new")
    assert published(layout) == ["_manifest.json", "part-0-0.parquet"]
    assert runs(layout) == []


def test_a_published_day_replaces_the_old_one_whole(layout: Layout) -> None:
    publish(layout, "old")
    (layout.day_dir("skeleton", DAY) / part_name(1)).write_text("a second part")
    publish(layout, "new")
    assert (published(layout), content(layout)) == (["_manifest.json", "part-0-0.parquet"], "new")


def test_a_crash_between_the_two_renames_is_repaired_at_the_next_start(layout: Layout) -> None:
    publish(layout, "old")
    dead = layout.staging / "run-dead"
    (dead / "aside/skeleton").mkdir(parents=True)
    layout.day_dir("skeleton", DAY).rename(dead / "aside/skeleton/dt=2024-01-02")
    assert published(layout) == []
    with open_staging(layout):
        assert content(layout) == "old"
        assert not dead.exists()


def test_a_run_that_fails_between_the_two_renames_puts_the_old_day_back(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(layout, "old")
    rename = Path.rename

    def fail_to_publish(self: Path, target: Path) -> Path:
        if "ready" in self.parts:
            raise OSError("disk on fire")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_to_publish)
    with pytest.raises(OSError, match="disk on fire"):
        publish(layout, "new")
    assert content(layout) == "old"
    assert runs(layout) == []


def test_an_old_day_that_was_set_aside_goes_when_the_new_one_is_in_place(layout: Layout) -> None:
    publish(layout, "new")
    aside = layout.staging / "run-dead/aside/skeleton/dt=2024-01-02"
    aside.mkdir(parents=True)
    (aside / part_name(0)).write_text("old")
    repair(layout)
    assert (content(layout), runs(layout)) == ("new", [])


def test_the_directory_of_a_live_run_is_left_alone(layout: Layout) -> None:
    with open_staging(layout) as first, open_staging(layout) as second:
        assert first.directory != second.directory
        repair(layout)
        assert runs(layout) == sorted([first.directory, second.directory])
    assert runs(layout) == []


def test_the_directory_of_a_killed_run_is_removed(layout: Layout) -> None:
    code = (
        "import os, pathlib, signal\n"
        "from daeda.dataset.layout import Layout\n"
        "from daeda.dataset.publish.staging import open_staging\n"
        f"with open_staging(Layout(pathlib.Path({str(layout.service_dir)!r}))):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -9
    assert len(runs(layout)) == 1
    repair(layout)
    assert runs(layout) == []


def test_a_repair_writes_nothing_where_nothing_is(layout: Layout) -> None:
    repair(layout)
    assert not layout.service_dir.parent.exists()


@pytest.mark.parametrize("what", ["missing", "extra", "other size", "other bytes", "rows"])
def test_a_day_that_is_not_what_was_written_is_refused(layout: Layout, what: str) -> None:
    with open_staging(layout) as staging:
        ready = prepared(staging, "parquet")
        manifest = manifest_of(ready)
        path = ready / part_name(0)
        match what:
            case "missing":
                path.unlink()
                message = f"{ready}: the parts are [], and the manifest lists ['part-0-0.parquet']"
            case "extra":
                (ready / part_name(1)).touch()
                message = (
                    f"{ready}: the parts are ['part-0-0.parquet', 'part-1-0.parquet'], and the manifest lists "
                    "['part-0-0.parquet']"
                )
            case "other size":
                path.write_text("parquets")
                message = f"{path}: the bytes on disk are not those that were written"
            case "other bytes":
                path.write_text("PARQUET")
                message = f"{path}: the bytes on disk are not those that were written"
            case _:
                manifest = Manifest(**{**vars(manifest), "rows": 7})
                message = f"{ready}: the parts do not add up to 7 rows"
        with pytest.raises(DayError) as raised:
            publish_day(staging, "skeleton", DAY, ready, manifest, verify_digests=True)
        assert str(raised.value) == message
    assert published(layout) == []


def test_parts_are_ordered_by_number() -> None:
    assert parts_in_order(["part-10-0.parquet", "part-9-0.parquet"]) == ["part-9-0.parquet", "part-10-0.parquet"]
    with pytest.raises(ValueError, match=r"^'part-1.parquet' is not the name of a part$"):
        part_number("part-1.parquet")


def test_an_output_root_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as raised:
        check_writable(Layout(tmp_path / "file/output/service"))
    assert str(raised.value) == (
        f"output root {tmp_path}/file/output: {tmp_path}/file is not a directory: choose another --output-root"
    )


def test_a_temp_directory_that_is_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for directory in (tmp_path / "link", tmp_path / "link" / "spill"):
        with pytest.raises(InputError) as raised:
            check_spill(directory)
        assert str(raised.value) == (
            f"temp_directory {directory}: {tmp_path}/link is not a directory: choose another one "
            "(compute.duckdb_config)"
        )


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_an_output_root_without_permission_is_refused(tmp_path: Path, mode: int) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=mode)
    try:
        with pytest.raises(InputError) as raised:
            check_writable(Layout(closed / "output/service"))
    finally:
        closed.chmod(0o700)
    assert str(raised.value) == (
        f"output root {closed}/output: {closed} cannot be written by this user: change its permissions, or choose "
        "another --output-root"
    )


def test_a_manifest_is_the_same_after_a_way_through_json(tmp_path: Path) -> None:
    manifest = Manifest(
        service="s", dataset="enriched", day="2024-01-02", rows=3,
        parts=(Part("part-0-0.parquet", 3, 100, "ab" * 32),),
        columns=(
            ColumnStatistics("name", "string", 1, "Ä", "é"),
            ColumnStatistics("v", "list<halffloat>", 3, placeholder=True),
        ),
        fingerprint=Fingerprint({"scan": "1"}, {"scan": "2"}, {"rows_per_part": "3"}),
        inputs=(InputFile("scan", "/data/x.parquet", 10, 2**62 + 1, "cd" * 32),),
        seconds={"scan": 0.25}, software={"duckdb": "1.5.5"}, stamps={"part-0-0.parquet": "1700000000000000001"},
    )  # fmt: skip
    (tmp_path / "_manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest


def test_no_manifest_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / "file").touch()
    assert read_manifest(tmp_path / "file") is None


def test_a_file_that_comes_while_a_run_is_removed_does_not_keep_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that is given up may write a last file into a directory that has just been emptied."""
    late: list[str] = []
    rmdir = os.rmdir

    def met(path: str, *, dir_fd: int | None = None) -> None:
        if path == "work" and not late:
            late.append("written")
            (staging.work / "late").touch()
        rmdir(path, dir_fd=dir_fd)

    with monkeypatch.context() as patched, open_staging(layout) as staging:
        patched.setattr(os, "rmdir", met)
    assert late == ["written"]
    assert not staging.directory.exists()

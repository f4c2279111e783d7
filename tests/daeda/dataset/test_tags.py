"""Tags: the same days for ever, whatever is built, killed or removed beside them."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import daeda_data
from daeda.dataset.layout import DATASETS, Layout
from daeda.dataset.manifest import DayName
from daeda.dataset.publish import tag_lock, tagging
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.publish.tag_removal import delete_tag
from daeda.dataset.publish.tagging import make_tag
from daeda.dataset.published import look_at_days
from daeda.dataset.selection import parse_selector
from daeda.dataset.tagged_days import require_tagged
from daeda.dataset.tags import read_tag, tag_names, tagged, tags_there
from daeda.dataset.verified import verified_days
from daeda.errors import DaedaError, DayError, InputError, TransientError, UsageError
from tests.clocks import set_clock
from tests.daeda.dataset.tables import publish_table

FIRST, SECOND = DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))


def rows(number: int) -> pa.Table:
    return pa.table({"id": list(range(number)), "x": [0.5] * number})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two days of several parts, both halves."""
    made = Layout(tmp_path / "output/ranking")
    for day in DAYS:
        for dataset in DATASETS:
            publish_table(made, day, rows(5), dataset=dataset, rows_per_part=2)
    return made


def contents(layout: Layout) -> dict[str, bytes]:
    """Every part, by its path below the service."""
    root = Path(str(layout.version_dir))
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.glob("*/dt=*/*.parquet"))}


def problems(layout: Layout, name: str = "first") -> dict[str, tuple[str, ...]]:
    target, tag = tagged(layout, name)
    return {f"{one.dataset} {one.day}": one.problems for one in verified_days(target, tag) if one.problems}


def undigested(layout: Layout, patch: pytest.MonkeyPatch) -> None:
    """The next look at the published days costs a stat of each part."""
    with patch.context() as within:
        within.setattr("daeda.dataset.published.file_digest", None)
        for dataset in DATASETS:
            for published in look_at_days(layout, dataset, DAYS).values():
                assert (published.damage, published.stamps) == ((), {})


def test_a_tag_keeps_what_is_replaced_and_removed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(layout)
    tag, copies = make_tag(layout, "first", DAYS)
    assert (copies, tag.days, tag.rows, sorted(tag.datasets)) == (0, list(DAYS), 10, ["enriched", "skeleton"])
    target, read = tagged(layout, "first")
    assert read == tag == next(tags_there(layout))
    assert contents(target) == before
    undigested(layout, monkeypatch)
    for path in Path(str(target.version_dir)).rglob("*.*"):
        if path.is_file():
            assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    # Files are shared, so the tag takes no room while the days are published.
    part = "skeleton/dt=2024-01-02/part-0-0.parquet"
    assert (Path(str(layout.version_dir)) / part).samefile(Path(str(target.version_dir)) / part)
    publish_table(layout, FIRST, rows(3))
    shutil.rmtree(str(layout.day_dir("enriched", SECOND)))
    assert contents(layout) != before
    assert contents(target) == before
    assert problems(layout) == {}


def test_removing_a_tag_leaves_the_published_days_as_they_are(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(layout)
    for name in ("first", "second"):
        make_tag(layout, name, DAYS)
    publish_table(layout, FIRST, rows(5), rows_per_part=2)
    publish_table(layout, FIRST, rows(5), dataset="enriched", rows_per_part=2)
    delete_tag(layout, "first")
    assert tag_names(layout) == ["second"]
    undigested(layout, monkeypatch)
    delete_tag(layout, "second")
    assert (tag_names(layout), contents(layout)) == ([], before)
    undigested(layout, monkeypatch)


def test_a_tag_exists_once(layout: Layout) -> None:
    tag, _ = make_tag(layout, "first", [FIRST])
    with pytest.raises(UsageError) as caught:
        make_tag(layout, "first", DAYS)
    assert str(caught.value) == (
        f"the tag 'first' of ranking exists, made {tag.made} of 1 day, and a tag never changes: choose another name, "
        "or remove it with `daeda tag ranking first --delete`"
    )
    with pytest.raises(InputError, match=r"^ranking has no tag 'frist': did you mean 'first'\? Known: first$"):
        tagged(layout, "frist")


@pytest.mark.parametrize("name", ["", ".hidden", "_x", "a/b", "v2", "V10", "ä", "a" * 65, "..", "a b", "a@b", "a\n"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a tag"):
        make_tag(Layout(tmp_path / "ranking"), name, DAYS)
    assert not (tmp_path / "ranking").exists()


def test_days_that_are_not_whole_are_all_named(layout: Layout) -> None:
    third, part = dt.date(2024, 1, 4), Path(str(layout.day_dir("skeleton", FIRST))) / "part-0-0.parquet"
    part.write_bytes(b"x")
    shutil.rmtree(str(layout.day_dir("enriched", SECOND)))
    with pytest.raises(InputError) as caught:
        make_tag(layout, "first", [*DAYS, third])
    advice = "train them, or choose others with --days, or --start and --end"
    assert caught.value.sentences == (
        f"ranking: 1 day of the skeleton not published: 2024-01-04: {advice}",
        f"{part.parent} is not as it was published: part-0-0.parquet is not the file that was published: train it anew",
        f"ranking: 2 days of the enriched not published: 2024-01-03, 2024-01-04: {advice}",
    )
    assert tag_names(layout) == []


def test_halves_of_two_runs_are_no_tag(layout: Layout) -> None:
    publish_table(layout, FIRST, rows(4))
    with pytest.raises(InputError, match=r"^ranking: 1 enriched day made of another skeleton than .*: 2024-01-02: "):
        make_tag(layout, "first", DAYS)


def test_a_skeleton_alone_is_tagged(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "output/ranking", version=2)
    publish_table(layout, FIRST, rows(2))
    tag, _ = make_tag(layout, "first", [FIRST])
    assert (tag.version, list(tag.datasets), tag.rows) == (2, ["skeleton"], 2)
    # The tags of all versions have one home.
    target, _ = tagged(layout.of_version(1), "first")
    assert (target.version, target.title, str(target.version_dir)) == (
        2, "ranking@first", f"{tmp_path}/output/ranking/_tags/first",
    )  # fmt: skip


def test_where_nothing_can_be_linked_parts_are_copied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    tag, copies = make_tag(layout, "first", DAYS)
    assert copies == 12
    target, _ = tagged(layout, "first")
    assert contents(target) == contents(layout)
    assert problems(layout) == {}
    undigested(layout, monkeypatch)
    assert tag.size == sum(map(len, contents(layout).values()))


def _truncate(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))


def _other_day(path: Path) -> None:
    other = path.parent.with_name("dt=2024-01-03")
    for name in ("_manifest.json", path.name):
        path.with_name(name).unlink()
        shutil.copy(other / name, path.with_name(name))


def _other_manifest(path: Path) -> None:
    manifest = path.with_name("_manifest.json")
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text().replace('"software": {}', '"software": {"daeda": "9"}'))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (_truncate, "part-1-0.parquet is not the file that was published"),
    "a bit": (_flip, "part-1-0.parquet is not the file that was published"),
    "gone": (lambda path: path.unlink(), "part-1-0.parquet is missing"),
    "the day gone": (lambda path: shutil.rmtree(path.parent), "it is gone"),
    "another day": (_other_day, "_manifest.json: it is of 2024-01-03 (skeleton of 'ranking')"),
    "another manifest": (_other_manifest, "its manifest is not the one that was tagged"),
    "a day more": (
        lambda path: path.parent.with_name("dt=2024-01-09").mkdir(), "it is no day of the tag: remove it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_verifying_names_what_is_not_as_it_was_tagged(layout: Layout, what: str) -> None:
    make_tag(layout, "first", DAYS)
    change, sentence = CHANGES[what]
    target = layout.of_tag("first")
    change(Path(str(target.day_dir("skeleton", FIRST))) / "part-1-0.parquet")
    day = "2024-01-09" if what == "a day more" else "2024-01-02"
    assert problems(layout) == {f"skeleton {day}": (sentence,)}


class Killed(BaseException):
    """The process ends here."""


STEPS = ("remember_stamps", "_write_manifest", "_write", "sync_file", "prepare_day")


def _attempt(layout: Layout, copied: bool, limit: int) -> bool:
    """Tag in a process that is killed at its step of this number; whether it came to its end."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    calls = 0

    def counting(step: Callable[..., object]) -> Callable[..., object]:
        def run(*words: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == limit:
                os._exit(9)
            return step(*words, **named)

        return run

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    code = 1
    try:
        for name in STEPS:
            setattr(tagging, name, counting(getattr(tagging, name)))
        os.link = counting(refuse if copied else os.link)  # type: ignore[assignment]
        make_tag(layout, "first", [FIRST])
        code = 0
    finally:
        os._exit(code)


# The forked process does nothing with Lance, which another test may have loaded.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:lance is not fork-safe")
@pytest.mark.parametrize("copied", [False, True], ids=["linked", "copied"])
def test_a_kill_at_any_step_loses_nothing(layout: Layout, copied: bool) -> None:
    before, limit = contents(layout), 1
    while not _attempt(layout, copied, limit):
        assert contents(layout) == before
        assert read_tag(layout.of_tag("first")) is None
        # The next attempt goes on with what is there, or begins anew.
        if limit % 3 == 0:
            delete_tag(layout, "first")
        limit += 1
    assert limit > 10
    assert problems(layout) == {}
    kept = {name: content for name, content in before.items() if "2024-01-02" in name}
    assert contents(tagged(layout, "first")[0]) == kept
    for dataset in DATASETS:
        for published in look_at_days(layout, dataset, DAYS, verify=True).values():
            assert published.damage == ()


def test_an_attempt_goes_on_with_the_days_that_are_whole(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tagging, "_write", stop)
        with pytest.raises(Killed):
            make_tag(layout, "first", DAYS)
    assert (read_tag(layout.of_tag("first")), list(tags_there(layout)), tag_names(layout)) == (None, [], ["first"])
    made = Path(str(layout.of_tag("first").day_dir("skeleton", FIRST)))
    inode = made.stat().st_ino
    # One has gone bad meanwhile, and the other attempt chooses a day less.
    make_tag(layout, "first", [FIRST])
    assert made.stat().st_ino == inode
    assert problems(layout) == {}
    assert tagged(layout, "first")[1].days == [FIRST]


def test_days_at_work_and_tags_at_work_refuse(layout: Layout) -> None:
    with open_staging(layout) as staging:
        claim_days(staging, [("enriched", SECOND)], "fail", tell=print)
        with pytest.raises(DayError, match=r"^locked: 2024-01-03 \(enriched\) held by process \d+ on "):
            make_tag(layout, "first", DAYS)
        make_tag(layout, "first", [FIRST])
    with (
        tag_lock.tags_locked(layout),
        pytest.raises(TransientError, match=r"^ranking: a tag is made or removed by process \d+: run again when "),
    ):
        delete_tag(layout, "first")


@pytest.mark.parametrize("name", ["notes.txt", "skeleton/dt=2024-01-02/own.parquet", "skeleton/notes/x", "link"])
def test_what_daeda_did_not_write_is_not_removed(layout: Layout, name: str) -> None:
    make_tag(layout, "first", DAYS)
    foreign = Path(str(layout.of_tag("first").version_dir)) / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.symlink_to("/etc") if name == "link" else foreign.write_text("of the user")
    with pytest.raises(InputError) as caught:
        delete_tag(layout, "first")
    assert str(caught.value) == f"not removed: {foreign} was not written by daeda: move it elsewhere"
    foreign.unlink()
    assert problems(layout) == {}


@pytest.mark.parametrize("place", [".", "skeleton", "skeleton/dt=2024-01-02", "skeleton/dt=2024-01-09"])
def test_a_link_in_the_place_of_a_tag_is_not_followed(layout: Layout, place: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for day in ("dt=2020-01-01", "dt=2024-01-02"):
        (archive / "skeleton" / day).mkdir(parents=True)
        (archive / "skeleton" / day / "part-0-0.parquet").write_text("of the user")
    before = sorted(archive.rglob("*"))
    link = Path(str(layout.of_tag("old").version_dir)) / place
    link.parent.mkdir(parents=True, exist_ok=True)
    target = {".": archive, "skeleton": archive / "skeleton"}.get(place, archive / "skeleton/dt=2020-01-01")
    link.symlink_to(target)
    with pytest.raises(InputError, match=rf"^{link} is a link, which is not followed: remove it"):
        make_tag(layout, "old", [FIRST])
    assert sorted(archive.rglob("*")) == before
    # What looks for a value in all tags looks into it too.
    assert tag_names(layout) == ["old"]
    with pytest.raises(InputError, match="link"):
        delete_tag(layout, "old")
    assert sorted(archive.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "{", '{"service": 1}', None])
def test_a_file_of_a_tag_that_is_none(layout: Layout, text: str | None) -> None:
    make_tag(layout, "first", DAYS)
    path = Path(str(layout.of_tag("first").version_dir)) / "_tag.json"
    path.chmod(0o600)
    path.write_text(path.read_text().replace('"first"', '"other"') if text is None else text)
    said = "is of the tag 'other' of 'ranking'" if text is None else "is not the file of a tag"
    with pytest.raises(InputError, match=said):
        tagged(layout, "first")
    delete_tag(layout, "first")
    assert tag_names(layout) == []


def test_a_directory_in_the_place_of_the_file_of_a_tag(layout: Layout) -> None:
    make_tag(layout, "first", DAYS)
    path = Path(str(layout.of_tag("first").version_dir)) / "_tag.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"_tag.json is no regular file, as the file of a tag is: remove it"):
        tagged(layout, "first")
    with pytest.raises(InputError, match=r"^not removed: .*_tag.json was not written by daeda: move it elsewhere"):
        delete_tag(layout, "first")
    path.rmdir()
    delete_tag(layout, "first")
    assert tag_names(layout) == []


def test_selectors(layout: Layout) -> None:
    make_tag(layout, "first", [FIRST])
    assert parse_selector("ranking@first").open(layout)[0] == layout.of_tag("first")
    assert parse_selector("ranking@v1").open(layout) == (layout, None)
    with pytest.raises(InputError, match=r"^ranking has no version 3: published are v1$"):
        parse_selector("ranking@v3").open(layout)
    for word in ("@first", "ranking@", "", "ranking@_x", "ranking@v0"):
        with pytest.raises(DaedaError):
            parse_selector(word).open(layout)
    name = DayName("ranking", "skeleton", FIRST)
    assert name.service == layout.of_tag("first").service


@pytest.mark.parametrize("what", ["the day gone", "another manifest", "a day more"])
def test_a_tag_that_is_not_as_it_was_tagged_is_not_read(layout: Layout, what: str) -> None:
    make_tag(layout, "first", DAYS)
    target, tag = tagged(layout, "first")
    require_tagged(target, tag)
    CHANGES[what][0](Path(str(target.day_dir("skeleton", FIRST))) / "part-1-0.parquet")
    day = "2024-01-09" if what == "a day more" else "2024-01-02"
    told = f"ranking@first is not as it was tagged: skeleton {day}: `daeda verify ranking@first` says why"
    with pytest.raises(InputError) as caught:
        require_tagged(target, tag)
    assert str(caught.value) == told
    with pytest.raises(InputError) as caught:
        daeda_data.dataset(str(layout.output_root), "ranking", tag="first")
    assert str(caught.value) == told


def test_a_day_that_is_replaced_while_it_is_verified_is_whole(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Path(str(layout.day_dir("skeleton", FIRST))) / "part-1-0.parquet"
    part.rename(part.with_suffix(".gone"))
    set_clock(monkeypatch, "daeda.dataset.verified", sleep=lambda _: part.with_suffix(".gone").rename(part))
    assert [one.problems for one in verified_days(layout, days=[FIRST])] == [(), ()]


def test_a_tag_is_opened_as_training_data(layout: Layout) -> None:
    make_tag(layout, "first", [FIRST])
    publish_table(layout, FIRST, rows(1))
    publish_table(layout, FIRST, rows(1), dataset="enriched")
    data = daeda_data.dataset(str(layout.output_root), "ranking", tag="first", verify=True)
    assert [str(day) for day in data.days] == ["2024-01-02"]
    assert data.arrow().count_rows() == 5
    with pytest.raises(UsageError, match=r"^tag='first' are days of the version that was tagged: leave out version=$"):
        daeda_data.dataset(str(layout.output_root), "ranking", 1, tag="first")
    with pytest.raises(InputError, match=r"^ranking has no tag 'second': Known: first$"):
        daeda_data.dataset(str(layout.output_root), "ranking", tag="second")

"""What was published is what is there: parts, entries that are none, manifests, and links."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daeda.dataset.layout import Layout, part_name
from daeda.dataset.manifest import DamagedManifest, DayName, Fingerprint, Manifest, parse_manifest, read_manifest
from daeda.dataset.profile import DayProfile, write_profile
from daeda.dataset.publish.publish import publish_day
from daeda.dataset.publish.staging import open_staging, repair
from daeda.dataset.published import Published, look_at_days
from daeda.dataset.read import open_day
from daeda.dataset.stamps import forget_stamps, remember_stamps
from daeda.errors import DayError, InputError
from daeda.storage.state import InputFile
from tests.budget import examples
from tests.daeda.dataset.test_staging import manifest_of, prepared, publish

DAY = dt.date(2024, 1, 2)
NAME = DayName("service", "skeleton", DAY)
# What does not stand in a manifest where it has nothing to tell.
LEFT_OUT = ("without_key", "identities", "sample", "checks")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "output" / "service")
    publish(made, "content")
    return made


def place(layout: Layout) -> Path:
    directory = layout.day_dir("skeleton", DAY)
    assert isinstance(directory, Path)
    return directory


def look(layout: Layout, *, verify: bool = False) -> Published:
    return look_at_days(layout, "skeleton", [DAY], verify=verify)[DAY]


def overwrite(path: Path, text: str) -> None:
    """In place: the same file, of the same size."""
    with path.open("r+") as file:
        file.write(text)


def keep_times(path: Path, change: Callable[[], object]) -> None:
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_day_as_it_was_published_is_not_digested(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daeda.dataset.published.file_digest", None)
    assert (look(layout).damage, look(layout).obstacles, look(layout).stamps) == ((), (), {})


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another size": (lambda part: part.write_text("cut"), "part-0-0.parquet is not the file that was published"),
    "the same size": (lambda part: overwrite(part, "CONTENT"), "part-0-0.parquet is not the file that was published"),
    "the same size and mtime": (
        lambda part: keep_times(part, lambda: overwrite(part, "CONTENT")),
        "part-0-0.parquet is not the file that was published",
    ),
    "another file renamed over it": (
        lambda part: [part.with_name("_x").write_text("CONTENT"), part.with_name("_x").rename(part)],
        "part-0-0.parquet is not the file that was published",
    ),
    "removed": (lambda part: part.unlink(), "part-0-0.parquet is missing"),
    "a link to the same bytes": (
        lambda part: [part.rename(part.with_name("_x")), part.symlink_to("_x")],
        "part-0-0.parquet is not the file that was published",
    ),
    "a FIFO": (
        lambda part: [part.unlink(), os.mkfifo(part)], "part-0-0.parquet is not the file that was published",
    ),
    "a foreign part": (
        lambda part: part.with_name("part-7-0.parquet").write_text("more"),
        "part-7-0.parquet is no part of the published day",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_part_that_is_not_as_published_is_named_at_the_cost_of_a_stat(layout: Layout, what: str) -> None:
    change, sentence = DAMAGE[what]
    change(place(layout) / part_name(0))
    result = look(layout)
    assert (result.damage, result.obstacles) == ((sentence,), ())
    # It is published anew over what is there, and nothing of it stays.
    publish(layout, "content")
    assert look(layout).damage == ()
    names = sorted(path.name for path in place(layout).iterdir())
    assert [name for name in names if name != "_x"] == ["_manifest.json", "part-0-0.parquet"]


def test_a_file_whose_stamp_is_right_and_whose_bytes_are_not_is_found_by_verifying(layout: Layout) -> None:
    overwrite(place(layout) / part_name(0), "CONTENT")
    manifest = read_manifest(place(layout))
    assert manifest is not None
    # As a disk that lost a bit leaves it: nobody has written, by what the file system says.
    remember_stamps(layout, NAME, {part_name(0): str((place(layout) / part_name(0)).stat().st_ctime_ns)})
    assert look(layout).damage == ()
    assert look(layout, verify=True).damage == ("part-0-0.parquet is not the file that was published",)
    # Whoever meets the damage has the next plan look at the digests.
    forget_stamps(layout, NAME)
    assert look(layout).damage == ("part-0-0.parquet is not the file that was published",)


def test_a_copied_tree_is_digested_once(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(layout.service_dir, tmp_path / "copy/service")  # type: ignore[arg-type]
    copy = Layout(tmp_path / "copy/service")
    published = look(copy)
    assert (published.damage, list(published.stamps)) == ((), [part_name(0)])
    remember_stamps(copy, NAME, published.stamps)
    monkeypatch.setattr("daeda.dataset.published.file_digest", None)
    assert (look(copy).damage, look(copy).stamps) == ((), {})
    assert sorted(path.name for path in place(copy).iterdir()) == ["_manifest.json", "part-0-0.parquet"]


@pytest.mark.parametrize("name", ["foreign.parquet", "notes.txt", "country=NO/a.parquet", "part-3-0.parquet/a"])
def test_what_daeda_did_not_write_is_named_and_never_deleted(layout: Layout, name: str) -> None:
    foreign = place(layout) / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("of the user")
    entry = place(layout) / name.partition("/")[0]
    sentence = f"{entry} was not written by daeda, and readers of the day take it for data: move it elsewhere"
    assert look(layout).obstacles == (sentence,)
    with open_staging(layout) as staging:
        ready = prepared(staging, "new")
        with pytest.raises(DayError) as raised:
            publish_day(staging, "skeleton", DAY, ready, manifest_of(ready))
    assert str(raised.value) == f"not published: {sentence}"
    assert (foreign.read_text(), (place(layout) / part_name(0)).read_text()) == ("of the user", "content")


@pytest.mark.parametrize("name", ["_SUCCESS", ".DS_Store", "_notes/x"])
def test_what_readers_pass_over_is_no_data(layout: Layout, name: str) -> None:
    (place(layout) / name).parent.mkdir(exist_ok=True)
    (place(layout) / name).write_text("")
    assert (look(layout).damage, look(layout).obstacles) == ((), ())


# What a manifest cannot be: a change of the one that was published, and the reason.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "settings null": ({"fingerprint": {"operators": {}, "inputs": {}, "settings": None}},
                      "fingerprint.settings: input should be an object"),
    "path a list": ({"inputs": [{"operator": "s", "path": [], "size": 1, "mtime_ns": 1, "sha256": ""}]},
                    "inputs.0.path: input should be a valid string"),
    "size null": ({"parts": [{"name": "part-0-0.parquet", "rows": 1, "size": None, "sha256": "ab" * 32}]},
                  "parts.0.size: input should be a valid integer"),
    "rows true": ({"rows": True}, "rows: input should be a valid integer"),
    "rows negative": ({"rows": -1}, "rows: input should be greater than or equal to 0"),
    "rows of another day": ({"rows": 2}, "rows: 2, and its parts have 1"),
    "another service": ({"service": "other"}, "it is of 2024-01-02 (skeleton of 'other')"),
    "another day": ({"day": "2024-01-03"}, "it is of 2024-01-03 (skeleton of 'service')"),
    "another dataset": ({"dataset": "enriched"}, "it is of 2024-01-02 (enriched of 'service')"),
    "no dataset": ({"dataset": "raw"}, "dataset: input should be 'skeleton' or 'enriched'"),
    "no day": ({"day": "20240102"}, "day: is not a day, YYYY-MM-DD"),
    "no parts": ({"parts": [], "rows": 0}, "parts: the names are none, and not part-0-0.parquet and those after it"),
    "a part twice": (
        {"parts": [{"name": "part-0-0.parquet", "rows": 1, "size": 7, "sha256": "ab" * 32}] * 2, "rows": 2},
        "parts: the names are part-0-0.parquet, part-0-0.parquet, and not part-0-0.parquet and those after it",
    ),
    "a part elsewhere": (
        {"parts": [{"name": "../part-0-0.parquet", "rows": 1, "size": 7, "sha256": "ab" * 32}]},
        "parts: the names are ../part-0-0.parquet, and not part-0-0.parquet and those after it",
    ),
    "no digest": ({"parts": [{"name": "part-0-0.parquet", "rows": 1, "size": 7, "sha256": "0"}]},
                  "parts.0.sha256: is not a SHA-256 in hexadecimal"),
    "a key that is not known": ({"more": 1}, "more: unexpected keyword argument"),
    "more NULLs than rows": ({"columns": [{"name": "x", "dtype": "int64", "nulls": 2}]},
                             "columns: one has more NULLs than the 1 rows"),
    "a stamp of nothing": ({"stamps": {"part-9-0.parquet": "1"}}, "stamps: one is of a file that is no part"),
}  # fmt: skip
TEXTS = {
    "1e999": ('"rows": 1,', '"rows": 1e999,', "rows: input should be a valid integer"),
    "NaN": ('"seconds": {}', '"seconds": {"x": NaN}', "seconds.x: input should be"),
    "cut": ('"stamps"', "", "invalid JSON"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_that_is_none_of_this_day_makes_it_stale_and_says_where(layout: Layout, what: str) -> None:
    changes, reason = WRONG[what]
    path = place(layout) / "_manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    published = look(layout)
    assert (published.manifest, published.damage) == (None, (f"_manifest.json: {reason}",))
    with pytest.raises(DamagedManifest) as raised:
        read_manifest(place(layout), NAME)
    assert str(raised.value) == (
        f"{path} is not the manifest of this day: {reason}: `daeda pipeline train` builds the day anew"
    )


@pytest.mark.parametrize("what", TEXTS)
def test_a_manifest_with_other_text(layout: Layout, what: str) -> None:
    before, after, reason = TEXTS[what]
    path = place(layout) / "_manifest.json"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    (damage,) = look(layout).damage
    assert damage.startswith(f"_manifest.json: {reason}"), damage


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"rows": []}'])
def test_what_is_no_manifest_at_all(layout: Layout, text: bytes) -> None:
    (place(layout) / "_manifest.json").write_bytes(text)
    assert look(layout).manifest is None
    assert len(look(layout).damage) == 1


@pytest.mark.parametrize("kind", ["FIFO", "directory", "link", "socket"])
def test_a_manifest_that_is_no_file(layout: Layout, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(layout) / "_manifest.json"
    path.rename(path.with_name("_x"))
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to("_x")
        case _:
            monkeypatch.chdir(path.parent)
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind(path.name)
    assert look(layout).damage == ("_manifest.json: it is no regular file",)
    with pytest.raises(InputError), open_day(place(layout)):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "service",
    "dataset",
    "day",
    "rows",
    "parts",
    "columns",
    "fingerprint",
    "inputs",
    "seconds",
    "software",
    "stamps",
)


@settings(max_examples=examples(300))
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_json_is_a_manifest_or_refused_with_a_reason(changes: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "service": "service", "dataset": "skeleton", "day": "2024-01-02", "rows": 1, "columns": [], "inputs": [],
        "parts": [{"name": "part-0-0.parquet", "rows": 1, "size": 1, "sha256": "ab" * 32}], "format_version": 1,
        "fingerprint": {"operators": {}, "inputs": {}, "settings": {}}, "seconds": {}, "software": {}, "stamps": {},
    }  # fmt: skip
    reason = ""
    try:
        manifest = parse_manifest(json.dumps({**right, **changes}).encode(errors="surrogatepass"), Path("dt"), NAME)
    except DamagedManifest as error:
        reason = error.reason
    else:
        # What is taken says what the text says.
        again = json.loads(manifest.to_json())
        assert all(again[key] == value for key, value in changes.items())
    assert len(reason) < 400


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8), st.integers(0, 2**70)), max_size=3))
def test_the_files_of_a_manifest_are_written_as_everything_in_it_is(files: list[tuple[str, str, int]]) -> None:
    """They are encoded by themselves, in the layout of the rest, whatever stands in a path."""
    inputs = tuple(InputFile(name, path, size, -1, "ab" * 32, ctime_ns=7) for name, path, size in files)
    given_by_name = Fingerprint({"inputs": '\n "inputs": []'}, {}, {})
    manifest = Manifest("service", "skeleton", "2024-01-02", 0, (), (), given_by_name, inputs)
    entries = {key: value for key, value in asdict(manifest).items() if value or key not in LEFT_OUT}
    assert manifest.to_json() == json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def test_a_link_in_the_place_of_a_day_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    place(layout).rename(elsewhere)
    place(layout).symlink_to(elsewhere)
    result = look(layout)
    sentence = f"{place(layout)} is a link, which is not followed: remove it, or put what it leads to in its place"
    assert (result.manifest, result.obstacles) == (None, (sentence,))
    with pytest.raises(DayError, match=r"^not published: .* is a link"):
        publish(layout, "new")
    assert (elsewhere / part_name(0)).read_text() == "content"


def test_a_link_in_the_place_of_a_dataset_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    elsewhere, dataset = tmp_path / "elsewhere", place(layout).parent
    dataset.rename(elsewhere)
    dataset.symlink_to(elsewhere)
    sentence = f"{dataset} is a link, which is not followed: remove it, or put what it leads to in its place"
    assert look(layout).obstacles == (sentence,)
    with pytest.raises(DayError) as raised:
        publish(layout, "new")
    assert str(raised.value) == f"not published: {sentence}"
    assert (elsewhere / "dt=2024-01-02" / part_name(0)).read_text() == "content"


def test_links_in_staging_are_not_followed(layout: Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "aside/skeleton/dt=2024-01-05").mkdir(parents=True)
    (victim / "precious").write_text("of the user")
    link = layout.staging / "run-1"
    link.symlink_to(victim)
    for attempt in (lambda: repair(layout), lambda: publish(layout, "new")):
        with pytest.raises(InputError) as raised:
            attempt()
        assert str(raised.value) == f"{link} is a link, which is not followed: remove it, or name another output root"
    assert sorted(path.name for path in victim.iterdir()) == ["aside", "precious"]
    assert not layout.day_dir("skeleton", dt.date(2024, 1, 5)).exists()  # type: ignore[union-attr]


@pytest.mark.parametrize("where", ["aside", "aside/skeleton", "aside/skeleton/dt=2024-01-05"])
def test_links_in_what_a_dead_run_left_are_removed_and_not_followed(layout: Layout, tmp_path: Path, where: str) -> None:
    victim = tmp_path / "victim"
    (victim / "skeleton/dt=2024-01-05").mkdir(parents=True)
    (victim / "dt=2024-01-05").mkdir()
    link = layout.staging / "run-dead" / where
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    repair(layout)
    assert not (layout.staging / "run-dead").exists()
    assert sorted(path.name for path in victim.iterdir()) == ["dt=2024-01-05", "skeleton"]
    assert not os.path.lexists(layout.day_dir("skeleton", dt.date(2024, 1, 5)))  # type: ignore[arg-type]


def test_a_staging_directory_that_is_a_link_is_refused(layout: Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "run-9").mkdir(parents=True)
    shutil.rmtree(layout.staging)
    layout.staging.symlink_to(victim)
    for attempt in (lambda: repair(layout), lambda: publish(layout, "new")):
        with pytest.raises(InputError, match=r"/_staging is a link, which is not followed: remove it"):
            attempt()
    assert [path.name for path in victim.iterdir()] == ["run-9"]


@pytest.mark.parametrize("name", ["_notes/mine.txt", ".mine", "_SUCCESS"])
def test_what_readers_pass_over_stays_when_the_day_is_built_anew(layout: Layout, name: str) -> None:
    path = place(layout) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("of the user")
    publish(layout, "new")
    assert (path.read_text(), (place(layout) / part_name(0)).read_text()) == ("of the user", "new")
    # A crash behind the second rename leaves it aside, from where the next start brings it.
    aside = layout.staging / "run-dead/aside/skeleton/dt=2024-01-02"
    aside.mkdir(parents=True)
    (aside / "_more").write_text("of the user")
    repair(layout)
    assert (place(layout) / "_more").read_text() == "of the user"


@pytest.mark.parametrize("name", ["_staging", "_staging/run-x", "_staging/staging.lock", "_staging/run-x/run.lock"])
def test_what_has_the_name_of_something_in_staging_is_told(layout: Layout, name: str) -> None:
    path = layout.service_dir / name  # type: ignore[operator]
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if name.endswith(".lock") else path.write_text("")
    what = "no file, and a lock of daeda's" if name.endswith(".lock") else "no directory, as daeda makes one there"
    for attempt in (lambda: repair(layout), lambda: publish(layout, "new")):
        with pytest.raises(InputError, match=what):
            attempt()


def test_a_manifest_whose_inputs_are_not_those_of_its_fingerprint_is_damaged(layout: Layout) -> None:
    path = place(layout) / "_manifest.json"
    given = json.loads(path.read_text())
    fingerprint = {**given["fingerprint"], "inputs": {"scan_events": "ab" * 32}}
    path.write_text(json.dumps({**given, "fingerprint": fingerprint}))
    reason = "_manifest.json: inputs: those of scan_events are not the ones of its fingerprint"
    assert (look(layout).manifest, look(layout).damage) == (None, (reason,))


def test_verifying_compares_manifest_and_footers(layout: Layout) -> None:
    part = place(layout) / part_name(0)
    pq.write_table(pa.table({"x": [1, 2, 3]}), part)
    path = place(layout) / "_manifest.json"
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    given = {**json.loads(path.read_text()), "rows": 300}
    given["parts"] = [{"name": part.name, "rows": 300, "size": part.stat().st_size, "sha256": digest}]
    path.write_text(json.dumps(given))
    assert look(layout).damage == ()
    assert look(layout, verify=True).damage == (
        "_manifest.json: part-0-0.parquet has 3 rows, and not 300",
        "_manifest.json: columns: they are not those of part-0-0.parquet",
    )


def test_profiles_are_not_written_through_a_link(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (layout.service_dir / "_profile").symlink_to(tmp_path / "victim")  # type: ignore[operator]
    with pytest.raises(InputError, match="_profile is a link, which is not followed"):
        write_profile(layout, "skeleton", DayProfile(DAY, 1, ()))
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize("lock", ["staging.lock", "run-dead/run.lock"])
def test_a_lock_that_is_a_link_creates_nothing(layout: Layout, tmp_path: Path, lock: str) -> None:
    target = tmp_path / "created"
    path = layout.staging / lock
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with pytest.raises((InputError, OSError)):
        publish(layout, "new")
    assert not target.exists()


@pytest.mark.parametrize("lock", ["staging.lock", "run-dead/run.lock"])
def test_a_lock_that_is_a_fifo_is_refused_and_waits_for_nobody(layout: Layout, lock: str) -> None:
    path = layout.staging / lock
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match="is a FIFO, not a regular file"):
        publish(layout, "new")

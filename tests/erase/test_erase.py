"""Whose data is where, and the same days without it: on a disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.dataset.holding import Wanted, rows_holding
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import read_manifest
from daeda.dataset.publish.tagging import make_tag
from daeda.errors import DayError
from daeda.statistics.kept import statistics_of
from tests.daeda.cli.test_answers import checked
from tests.daeda.statistics.oracle import publish
from tests.erase.scene import DAYS, build, erase, forget_user, scene

IDS = pa.list_(pa.int64())


@pytest.mark.parametrize(
    ("column", "count"),
    [
        (pa.array([42, None, 7, 42], pa.int64()), 2),
        (pa.array([42, 7], pa.int8()), 1),
        (pa.array(["42"]), 0),
        (pa.array([4.2, 42.0]), 0),
        (pa.array([[42, 42], None, [], [1, None], [7, 42]], IDS), 2),
        (pa.array([[42], [1], [42]], IDS)[1:], 1),
        (pa.array([[[42], None], [[1], [2, 42]], [[3]]], pa.list_(IDS)), 2),
        (
            pa.array(
                [[{"a": 42, "b": 1}, {"a": 42, "b": 1}], [{"a": 1, "b": 42}], [None], None, [{"a": 1, "b": None}]],
                pa.list_(pa.struct([("a", pa.int64()), ("b", pa.int64())])),
            ),
            2,
        ),
        (pa.array([[42], [1]], pa.large_list(pa.int32())), 1),
        (pa.array([], IDS), 0),
        (pa.array([None], IDS), 0),
    ],
)
def test_rows_that_hold_a_number(column: pa.Array, count: int) -> None:
    assert rows_holding(column, Wanted("user_id", 42)) == count


def test_rows_that_hold_a_text_or_a_number_too_great() -> None:
    assert rows_holding(pa.array([["a", "b"], ["b"], None]), Wanted("name", "a")) == 1
    assert rows_holding(pa.array([["a"]], pa.list_(pa.large_string())), Wanted("name", "a")) == 1
    assert rows_holding(pa.array([300, 44], pa.int16()), Wanted("user_id", 2**40)) == 0


@pytest.mark.slow
def test_a_person_is_found_refused_and_erased(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = scene(tmp_path)
    build(made)
    days = tmp_path / "output/ranking/skeleton"
    second, third = days / "dt=2024-01-02", days / "dt=2024-01-03"
    held = f"{second}: 1 list of visitors\n{third}: 1 row, 1 list of visitors\n"
    before = {path: path.read_bytes() for path in days.rglob("*") if path.is_file()}

    # What the sources still have comes back, so nothing is touched.
    assert erase(made, "--dry-run") == 0
    events, (out, said) = tmp_path / "data/events", capfd.readouterr()
    clauses = [f"view 'events': {events}/dt=2024-01-0{day}/part-0.parquet has 1 row with user_id=42" for day in (1, 3)]
    assert out == held
    assert said == (
        f"delete first: {clauses[0]}\ndelete first: {clauses[1]}\n"
        "2 published days with user_id=42, by version and dataset; nothing was changed\n"
    )
    assert erase(made) == 2
    assert capfd.readouterr().err == (
        f"error: 2 days would hold user_id=42 again, for the sources have it: {clauses[0]}, {clauses[1]}: delete it "
        "there first, then erase again; nothing was changed\n"
    )
    assert {path: path.read_bytes() for path in days.rglob("*") if path.is_file()} == before

    # Another version is not built by this contract, and is told.
    shutil.copytree(days, tmp_path / "output/ranking/v2/skeleton")
    forget_user(made)
    assert erase(made) == 1
    out, said = capfd.readouterr()
    old = held.replace("/ranking/", "/ranking/v2/")
    assert out == held + old
    assert "2 days built again without user_id=42\n" in said
    assert said.endswith(
        f"error: days of another version, or without a manifest, still hold user_id=42: {tmp_path}/output/ranking/v2/"
        f"skeleton/dt=2024-01-02, {tmp_path}/output/ranking/v2/skeleton/dt=2024-01-03: remove them, or erase those "
        "of a version with its contract, from your history\n"
    )
    table = pq.read_table(third / "part-0-0.parquet")
    assert table.column("user_id").to_pylist() == [1]
    assert b"42" not in (third / "_manifest.json").read_bytes().split(b'"columns"')[1].split(b'"fingerprint"')[0]

    assert erase(made, "--dry-run") == 0
    by_hand = (
        f"of version 2, remove by hand, or erase with its contract from your history: {tmp_path}/output/ranking/v2"
    )
    assert f"{by_hand}/skeleton/dt=2024-01-02\n{by_hand}/skeleton/dt=2024-01-03\n" in capfd.readouterr().err

    # A part that no manifest names is looked at as well.
    shutil.rmtree(tmp_path / "output/ranking/v2")
    (third / "part-9-0.parquet").write_bytes(before[third / "part-0-0.parquet"])
    assert erase(made, "--dry-run") == 0
    assert capfd.readouterr().out == f"{third}: 1 row, 1 list of visitors\n"
    (third / "part-9-0.parquet").unlink()
    assert erase(made) == 0
    assert capfd.readouterr() == ("", "no day of ranking holds user_id=42\n")
    assert erase(made, key="item_id=42") == 2, "its row is still in the source"
    (second / "part-0-0.parquet").write_bytes(b"damaged")
    assert erase(made, "--dry-run") == 2
    assert "whether it holds user_id=42 is not known" in capfd.readouterr().err


@pytest.mark.slow
def test_the_document_has_every_day_and_every_source(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = scene(tmp_path)
    build(made)
    days, other = tmp_path / "output/ranking/skeleton", tmp_path / "output/ranking/v2/skeleton"
    shutil.copytree(days / "dt=2024-01-03", other / "dt=2024-01-03")
    assert erase(made, "--json") == 2, "the sources have the rows still"
    told = capfd.readouterr()
    document = checked(told.out, "daeda.erase/1")
    assert (document["service"], document["key"]) == ("ranking", "user_id=42")
    third = {"tag": None, "dataset": "skeleton", "day": "2024-01-03", "rows": 1, "lists": {"visitors": 1}}
    assert document["days"] == [
        {
            "version": 1, "tag": None, "dataset": "skeleton", "day": "2024-01-02", "directory": f"{days}/dt=2024-01-02",
            "rows": 0, "lists": {"visitors": 1}, "built_again": True,
        },
        third | {"version": 1, "directory": f"{days}/dt=2024-01-03", "built_again": True},
        third | {"version": 2, "directory": f"{other}/dt=2024-01-03", "built_again": False},
    ]  # fmt: skip
    assert [clause.partition(" has ")[2] for clause in document["sources"]] == ["1 row with user_id=42"] * 2
    assert told.err.startswith("error: 2 days would hold user_id=42 again")
    assert erase(made, "--json", "--dry-run", key="user_id=7") == 0
    told = capfd.readouterr()
    document = checked(told.out, "daeda.erase/1")
    assert (document["days"], document["sources"]) == ([], [])
    assert told.err == "no day of ranking holds user_id=7\n"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("user_id", "--key 'user_id' names no value: write the key of an entity and a value, like user_id=42"),
        ("user=42", "--key 'user' is no key of a view: did you mean 'user_id'? Known: item_id, user_id"),
        ("ticket=42", "--key 'ticket' is no key of a view: the keys are item_id, user_id"),
        ("user_id=me", "--key user_id=me: 'user_id' is int64, and 'me' is no whole number"),
    ],
)
def test_what_is_no_key(key: str, sentence: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert erase(scene(tmp_path), key=key) == 2
    assert capfd.readouterr().err == f"error: {sentence}\n"


@pytest.mark.slow
def test_a_tag_that_holds_the_person_is_named_and_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = scene(tmp_path)
    build(made)
    make_tag(Layout(tmp_path / "output/ranking"), "before", DAYS)
    forget_user(made)
    capfd.readouterr()
    assert erase(made) == 1
    assert capfd.readouterr().err.endswith(
        "error: the tag 'before' still holds user_id=42, on 2024-01-02, 2024-01-03: remove it with `daeda tag ranking "
        "before --delete`, and tag the days that are published now\n"
    )
    assert erase(made, "--dry-run") == 0
    out = capfd.readouterr().out
    assert [line.partition(": ")[0] for line in out.splitlines()] == [
        f"{tmp_path}/output/ranking/_tags/before/skeleton/dt=2024-01-0{day}" for day in (2, 3)
    ]


@pytest.mark.slow
def test_a_day_that_waits_for_a_label_it_got_later_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = scene(tmp_path)
    build(made)
    made.aggregations["label_specs"] = [
        {"name": "again", "entity": "user", "history": {"view": "events"}, "kind": "any", "window": "1d"}
    ]
    made.service["columns"].append({"name": "again", "kind": "label", "dtype": "bool"})
    made.runtime["output_columns"].append("again")
    made.write()
    forget_user(made)
    third = tmp_path / "output/ranking/skeleton/dt=2024-01-03"
    until = "again matures 2024-01-05 (needs events up to dt=2024-01-04)"
    assert erase(made, "--dry-run") == 0
    assert f"waits, and is not built again before: {until}: {third}\n" in capfd.readouterr().err
    assert erase(made) == 1
    said = capfd.readouterr().err
    assert "1 day built again without user_id=42\n" in said
    assert said.endswith(
        f"error: days that wait for their labels still hold user_id=42, and are not built before: {until}: {third}: "
        "erase again then, or remove them now: they are built when they no longer wait\n"
    )
    shutil.rmtree(third)
    assert erase(made) == 0


def test_no_statistics_are_left_that_may_name_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = scene(tmp_path)
    layout = Layout(tmp_path / "output/ranking")
    for number, day in enumerate(DAYS):
        publish(layout, pa.table({"user_id": pa.array([1, 42, number], pa.int64())}), day=day)
    kept = tmp_path / "output/ranking/_statistics/skeleton"

    def keep() -> None:
        for day in DAYS:
            manifest = read_manifest(layout.day_dir("skeleton", day))
            assert manifest is not None
            statistics_of(layout, manifest)

    # Where a day fails, those of the days before it are gone, too.
    keep()
    forget_user(made)

    def failing(*_: object) -> int:
        assert len(list(kept.iterdir())) == len(DAYS)
        raise DayError("the second day failed")

    with monkeypatch.context() as patched:
        patched.setattr("daeda.cli.erase.train", failing)
        assert erase(made) == 1
    assert list(kept.iterdir()) == []

    # Days that something else built again: what is kept of the ones before them names whom no day holds.
    keep()
    kept.joinpath("dt=2024-01-02.json").write_bytes(kept.joinpath("dt=2024-01-03.json").read_bytes())
    kept.joinpath(".dt=2024-01-03.json.17-140").write_bytes(b"")
    capfd.readouterr()
    assert erase(made, "--dry-run", key="user_id=7") == 0
    assert len(list(kept.iterdir())) == 3
    capfd.readouterr()
    assert erase(made, key="user_id=7") == 0
    assert [path.name for path in kept.iterdir()] == ["dt=2024-01-03.json"]
    assert capfd.readouterr().err == (
        "removed kept statistics of days that are not published so any more: 2 files\n"
        "no day of ranking holds user_id=7\n"
    )

"""What rolling aggregates need of a partition is prepared once: the bytes are the same, and the first writer wins."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.command import main
from beam_pipeline.history import partition_cache, reader, sorted_partitions
from beam_pipeline.history.sorted_partitions import SortedPartitions
from daeda.storage.state import InputFile
from tests.beam_pipeline.history.test_projected_partitions import DAYS, build, project, replaced_between_days
from tests.budget import examples
from tests.projects import TinyProject

# Partitions that the days of the project look back on, and its two histories.
PARTITIONS = DAYS + 5


@pytest.fixture(autouse=True)
def _without_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day reads sorted partitions where it has no ordered blocks (test_ordered_blocks.py)."""
    monkeypatch.setattr(reader, "shares_of_day", lambda *_: None)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each sorted partition that a day kept."""
    seen: list[str] = []
    make = partition_cache.PartitionCache.make

    def noted(self: Any, entry: partition_cache.Entry, write: Any) -> Any:
        table = make(self, entry, write)
        if table is not None and entry.path.suffix == ".arrow":
            seen.append(entry.path.name)
        return table

    monkeypatch.setattr(partition_cache.PartitionCache, "make", noted)
    return seen


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each sorted partition that a day found made."""
    seen: list[str] = []
    original = partition_cache._map

    def noted(path: Path) -> pa.Table:
        seen.append(path.name)
        return original(path)

    monkeypatch.setattr(partition_cache, "_map", noted)
    return seen


def without_cache(given: TinyProject, output: Path) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition_cache, "_LEAST_READERS", 1_000)
        return build(given, output)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of the project where each day reads the sources themselves."""
    root = tmp_path_factory.mktemp("sources")
    return without_cache(project(root / "project"), root / "output")


def with_key(given: TinyProject, key: str) -> None:
    """The project with entities of a text, of two keys, or as they are."""
    if key == "string":
        with_text_keys(given)
    if key == "two keys":
        given.aggregations["aggregation_specs"][0]["entity"] = ["user", "item"]
        given.write()


@pytest.mark.some(1, cases=6)
@pytest.mark.parametrize("day_workers", [1, 2])
@pytest.mark.parametrize("key", ["int64", "two keys", "string"])
def test_the_bytes_are_those_of_the_sources(
    tmp_path: Path, kept: list[str], mapped: list[str], day_workers: int, key: str
) -> None:
    given = project(tmp_path / "project", day_workers)
    with_key(given, key)
    built = build(given, tmp_path / "sorted")
    assert DAYS < len(set(kept)) <= 2 * PARTITIONS
    assert len(mapped) > DAYS
    assert partition_cache._mapped == {}
    if day_workers == 1:
        assert len(set(mapped)) == len(mapped), "a partition was mapped twice"
    if day_workers == 1:
        assert len(set(kept)) == len(kept), "a partition was made twice"
    kept.clear()
    assert without_cache(given, tmp_path / "sources") == built
    assert kept == []


def with_text_keys(given: TinyProject) -> None:
    for view in given.views.values():
        for field in view["fields"]:
            if field["name"] == "user_id":
                field["dtype"] = "string"
    for column in given.service["columns"]:
        if column["name"] == "user_id":
            column["dtype"] = "string"
    given.data["events"] = [(f"user {row[0]}", *row[1:]) for row in given.data["events"]]
    given.write().write_data()


def test_the_first_writer_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], sources: dict[str, bytes]
) -> None:
    given = project(tmp_path / "project")
    link = os.link
    late: list[Path] = []

    def second(own: Path, target: Path) -> None:
        late.append(target)
        target.write_bytes(own.read_bytes())
        link(own, target)

    monkeypatch.setattr(os, "link", second)
    built = build(given, tmp_path / "late")
    assert len(set(late)) == len(late) > DAYS
    assert built == sources


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("error", [duckdb.IOException("no space"), OSError("no links here")])
def test_where_none_can_be_made_the_source_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], sources: dict[str, bytes],
    error: Exception,
) -> None:  # fmt: skip
    given = project(tmp_path / "project")

    def refuse(own: Path, target: Path) -> None:
        raise error

    monkeypatch.setattr(os, "link", refuse)
    built = build(given, tmp_path / "refused")
    assert kept == []
    assert built == sources


def test_partitions_are_kept_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], sources: dict[str, bytes]
) -> None:
    """What is one byte from full takes one more, and nothing more."""
    given = project(tmp_path / "project")
    monkeypatch.setattr(partition_cache, "_MOST_BYTES", 1)
    built = build(given, tmp_path / "bounded")
    assert len(kept) == 1
    assert built == sources


def test_a_history_without_room_is_put_in_order_by_blocks_of_entities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], sources: dict[str, bytes]
) -> None:
    monkeypatch.setattr(reader, "HISTORY_SHARE", 0.0)
    assert build(project(tmp_path / "project"), tmp_path / "sorted") == sources
    # For each history the first days keep what is read at once at first, and find out by it.
    assert len(kept) <= 4 * DAYS


def test_a_file_that_changes_while_its_partition_is_made_fails_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = project(tmp_path / "project")
    check = sorted_partitions.check_unchanged
    changed: list[Path] = []

    def change(files: Any) -> None:
        if not changed:
            changed.append(Path(files[0].path))
            os.utime(files[0].path, ns=(1, 1))
        check(files)

    monkeypatch.setattr(sorted_partitions, "check_unchanged", change)
    words = ["--runtime-config-path", str(given.runtime_path), "--output-root", str(tmp_path / "output")]
    assert main(words) != 0
    assert f"{changed[0]} changed while the day was built: run again when it is complete" in capsys.readouterr().err
    assert list((tmp_path / "output" / "ranking" / "_staging").glob("run-*")) == []


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files of each statement that made sorted partitions."""
    seen: list[list[str]] = []
    read = SortedPartitions._read

    def noted(self: SortedPartitions, entries: Any) -> Any:
        seen.append([file.path for entry in entries for file in entry.files])
        return read(self, entries)

    monkeypatch.setattr(SortedPartitions, "_read", noted)
    return seen


def test_many_partitions_are_read_by_few_statements(tmp_path: Path, statements: list[list[str]]) -> None:
    build(project(tmp_path / "project"), tmp_path / "sorted")
    read = [path for paths in statements for path in paths]
    assert len(read) > 2 * DAYS
    # Of the partitions that the first day looks at two are read, for so many threads there are, and then the others.
    assert [len(paths) for paths in statements[:2]] == [2, PARTITIONS - DAYS + 1 - 2]
    assert len(statements) < len(set(read)) * 2


def test_partitions_of_several_files_are_those_of_the_sources(
    tmp_path: Path, statements: list[list[str]], kept: list[str]
) -> None:
    """Files without rows, with one, and with many, which are not in the order of time."""
    given = project(tmp_path / "project")
    for partition in sorted((given.root / "data/events").glob("dt=*")):
        source = partition / "part-0.parquet"
        rows = pq.read_table(source, partitioning=None)
        cuts = [0, 0, 1, rows.num_rows, rows.num_rows]
        source.unlink()
        for number, (first, end) in enumerate(itertools.pairwise(cuts)):
            order = np.arange(first, end)[::-1]
            pq.write_table(rows.take(pa.array(order)), partition / f"part-{number}.parquet")
    built = build(given, tmp_path / "sorted")
    assert max(len(paths) for paths in statements) > 8
    assert kept
    assert without_cache(given, tmp_path / "sources") == built


def test_no_more_is_read_at_once_than_memory_may_hold() -> None:
    """By what a byte of the files before has become; a partition alone is read in any case."""
    entries = [
        partition_cache.Entry([InputFile("s", f"{number}", size, 0, "")], Path(f"{number}"))
        for number, size in enumerate([10, 20, 30, 40])
    ]
    for unpacked, memory, count in [(0.0, 0, 4), (1.0, 100, 4), (1.0, 99, 3), (2.0, 99, 2), (9.0, 99, 1), (9.0, 0, 1)]:
        assert sorted_partitions._fitting(entries, unpacked, memory) == entries[:count]
    assert sorted_partitions._fitting([], 1.0, 100) == []


def test_a_history_that_grows_beyond_memory_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: list[list[str]], sources: dict[str, bytes]
) -> None:
    """A day that has room for the first partitions alone reads no further ones."""
    given = project(tmp_path / "project")
    monkeypatch.setattr(reader, "room_for_history", lambda _: 1)
    assert build(given, tmp_path / "small") == sources
    assert {len(paths) for paths in statements} == {2}


@pytest.mark.parametrize("number", [1, 4])
def test_a_damaged_file_among_many_is_named_as_without_partitions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: list[str], number: int
) -> None:
    given = project(tmp_path / "project")
    damaged = given.root / f"data/events/dt=2024-01-{number:02}/part-0.parquet"
    content = bytearray(damaged.read_bytes())
    content[4:40] = b"\xff" * 36
    damaged.write_bytes(content)
    words = ["--runtime-config-path", str(given.runtime_path), "--output-root"]
    said = []
    for least in (4, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partition_cache, "_LEAST_READERS", least)
            assert main([*words, str(tmp_path / f"output{least}")]) != 0
        # Which day comes to it first is nobody's promise.
        told = re.sub(r"day \S+, ", "", capsys.readouterr().err)
        said.append([line for line in told.splitlines() if str(damaged) in line])
    assert said[0] == said[1] != []


def test_a_file_that_vanishes_while_its_partition_is_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the statement of the day, which reads it again."""
    given = project(tmp_path / "project")
    check = sorted_partitions.check_unchanged
    gone: list[Path] = []

    def vanish(files: Any) -> None:
        if not gone:
            gone.append(Path(files[-1].path))
            gone[0].unlink()
        check(files)

    monkeypatch.setattr(sorted_partitions, "check_unchanged", vanish)
    words = ["--runtime-config-path", str(given.runtime_path), "--output-root", str(tmp_path / "output")]
    assert main(words) != 0
    said = capsys.readouterr().err
    assert str(gone[0]) in said
    assert "rolling_events_by_user" in said


def test_a_day_reads_the_version_that_it_has_identified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is replaced between two days of a run has another partition for the later one."""
    given = project(tmp_path / "project")
    built, later = replaced_between_days(given, tmp_path / "replaced", monkeypatch)
    wanted = without_cache(given, tmp_path / "sources")
    assert {name for name in wanted if built[name] != wanted[name]} == {later}


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint64", "string"])
def test_keys_get_the_numbers_of_the_entities(kind: str) -> None:
    values = {"string": ["a", "", "é", "b"], "uint64": [2**64 - 1, 0, 5, 9]}.get(kind, [-128, 127, 0, 5])
    entities = pa.array(values[:3], pa.type_for_alias(kind))
    keys = pa.chunked_array([pa.array([*values, values[0]], entities.type), pa.array([], entities.type)])
    assert sorted_partitions._codes(keys, entities).tolist() == [0, 1, 2, -1, 0]
    assert sorted_partitions._codes(keys, entities[:0]).tolist() == [-1] * 5


def test_keys_far_apart_get_their_numbers_too() -> None:
    entities = pa.array([-(2**63), -1, 2**63 - 1])
    keys = pa.chunked_array([pa.array([2**63 - 1, 0, -(2**63)])])
    assert sorted_partitions._codes(keys, entities).tolist() == [2, -1, 0]
    near = pa.array(np.array([-(2**63), -(2**63) + 1]))
    assert sorted_partitions._codes(keys, near).tolist() == [-1, -1, 0]


@settings(max_examples=examples(200))
@given(st.data())
def test_entities_of_several_keys_get_their_numbers(data: st.DataObject) -> None:
    near, far = st.integers(-3, 3), st.sampled_from([-(2**63), -5, 0, 7, 2**40, 2**63 - 1])
    columns = data.draw(
        st.lists(st.sampled_from([near, far, st.sampled_from(["", "a", "b", "é"])]), min_size=2, max_size=3)
    )
    kinds = [pa.string() if isinstance(data.draw(column), str) else pa.int64() for column in columns]
    entities = data.draw(st.lists(st.tuples(*columns), unique=True, max_size=12))
    rows = data.draw(st.lists(st.one_of(st.tuples(*columns), *map(st.just, entities)), max_size=30))
    cut = data.draw(st.integers(0, len(rows)))
    keys = [
        pa.chunked_array([pa.array([row[place] for row in chunk], kind) for chunk in (rows[:cut], rows[cut:])])
        for place, kind in enumerate(kinds)
    ]
    known = [pa.array([entity[place] for entity in entities], kind) for place, kind in enumerate(kinds)]
    number = {entity: index for index, entity in enumerate(entities)}
    assert sorted_partitions.numbers_of(keys, known).tolist() == [number.get(row, -1) for row in rows]

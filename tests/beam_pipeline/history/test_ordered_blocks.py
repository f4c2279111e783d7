"""Histories that are put in order once per run: the same bytes as without, and each reason not to trust a block."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipeline.command import main
from beam_pipeline.day import rolling
from beam_pipeline.history import (
    block_history,
    blocks_of_day,
    ordered_blocks,
    partition_cache,
    reader,
    running_sums,
)
from beam_pipeline.history.block_history import Share
from beam_pipeline.history.blocks_of_day import BlocksOfDay
from beam_pipeline.history.ordered_blocks import Block
from beam_pipeline.history.sorted_partitions import SortedPartitions
from daeda.dtypes import TimeUnit
from tests.beam_pipeline.history.test_projected_partitions import DAYS, build, project, replaced_between_days
from tests.beam_pipeline.history.test_sorted_partitions import with_key
from tests.budget import examples
from tests.projects import TinyProject, moment

DAY_MS = 86_400_000


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[list[Block] | None]:
    """The blocks of each day and history, None where there were none for it."""
    seen: list[list[Block] | None] = []
    original = BlocksOfDay.in_order

    def noted(self: BlocksOfDay) -> list[Block] | None:
        blocks = original(self)
        seen.append(blocks)
        return blocks

    monkeypatch.setattr(BlocksOfDay, "in_order", noted)
    return seen


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many partitions each block had that was written."""
    seen: list[int] = []
    write = Block.write

    def noted(self: Block, path: Path) -> None:
        seen.append(len(self.partitions))
        write(self, path)

    monkeypatch.setattr(Block, "write", noted)
    return seen


def without_blocks(given: TinyProject, output: Path) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "shares_of_day", lambda *_: None)
        return build(given, output)


def few_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five days look back on six partitions each: two of them are to make a block worth its while."""
    monkeypatch.setattr(partition_cache, "_LEAST_READERS", 2)
    monkeypatch.setattr(blocks_of_day, "_LEAST_PARTITIONS", 2)
    monkeypatch.setattr(blocks_of_day, "_LEAST_BYTES", 0)


@pytest.mark.some(1, cases=6)
@pytest.mark.parametrize("day_workers", [1, 2])
@pytest.mark.parametrize("key", ["int64", "two keys", "string"])
def test_the_bytes_are_those_without_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any], written: list[int], day_workers: int, key: str
) -> None:
    """With `where`, ties, rows that become known days late, and several blocks for a day."""
    few_readers(monkeypatch)
    given = project(tmp_path / "project", day_workers)
    with_key(given, key)
    built = build(given, tmp_path / "blocks")
    assert len(found) == 2 * DAYS
    assert all(found)
    assert max(len(blocks) for blocks in found) > 1
    assert len(written) >= 2, "each of two histories has a block"
    assert partition_cache._mapped_blocks == partition_cache._refused == {}
    found.clear()
    assert without_blocks(given, tmp_path / "sorted") == built
    assert found == []


@pytest.fixture
def summed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each operator and day with blocks was computed of running sums."""
    seen: list[bool] = []
    original = running_sums.pieces_of

    def noted(*given: Any) -> Any:
        pieces = original(*given)
        seen.append(pieces is not None)
        return pieces

    monkeypatch.setattr(rolling, "pieces_of", noted)
    return seen


def at_once(given: TinyProject) -> TinyProject:
    """Rows that count at once, some without an amount."""
    del given.views["events"]["source"]["created_field"]
    given.data["events"] = [
        (*row[:3], None if number % 7 == 3 else row[3], *row[4:]) for number, row in enumerate(given.data["events"])
    ]
    given.write().write_data()
    return given


@pytest.mark.some(1)
@pytest.mark.parametrize("kind", ["sum", "mean", "count"])
@pytest.mark.parametrize("day_workers", [1, 2])
def test_the_bytes_are_those_without_running_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summed: list[bool], kind: str, day_workers: int
) -> None:
    few_readers(monkeypatch)
    given = at_once(project(tmp_path / "project", day_workers))
    with_kind(given, kind)
    built = build(given, tmp_path / "sums")
    assert (summed.count(True), summed.count(False)) == (DAYS, DAYS)
    assert without_blocks(given, tmp_path / "sorted") == built


def with_kind(given: TinyProject, kind: str) -> None:
    given.aggregations["aggregation_specs"][0]["kind"] = kind
    for column in given.service["columns"]:
        if column["name"] == "events_5d":
            column["dtype"] = "int64" if kind == "count" else "double"
    given.write()


@pytest.mark.some(2)
@pytest.mark.parametrize("why", ["a NaN", "no room", "rows known late", "another engine", "another kind"])
def test_where_there_are_no_running_sums_the_rows_are_aggregated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summed: list[bool], why: str
) -> None:
    few_readers(monkeypatch)
    given = project(tmp_path / "project") if why == "rows known late" else at_once(project(tmp_path / "project"))
    if why == "a NaN":
        given.data["events"][5] = (*given.data["events"][5][:3], float("nan"), *given.data["events"][5][4:])
        given.write().write_data()
    elif why == "no room":
        monkeypatch.setattr(running_sums, "running_sums", lambda *_: None)
    elif why == "another engine":
        given.runtime["compute"]["engine"] = "polars"
        given.write()
    elif why == "another kind":
        with_kind(given, "max")
    built = build(given, tmp_path / "sums")
    # One of the two operators has sums else. A day that does not look at the NaN has its sums.
    assert summed.count(True) < (DAYS if why == "a NaN" else 1)
    assert len(summed) == 2 * DAYS or why in ("rows known late", "another engine")
    assert without_blocks(given, tmp_path / "sorted") == built


def test_running_sums_say_what_they_said_before_they_were_written(tmp_path: Path) -> None:
    for values in (pa.array([0.5, None, -3.25]), pa.array([], pa.decimal128(9, 2)), pa.array(["a", None])):
        made = running_sums.running_sums(values, not pa.types.is_string(values.type))
        assert made is not None
        running_sums._written(made, tmp_path / "sums")
        again = running_sums._mapped(tmp_path / "sums")
        assert (again.type, again.lowest) == (made.type, made.lowest)
        assert [limb.tolist() for limb in again.limbs] == [limb.tolist() for limb in made.limbs]
        assert (again.values is None) == (made.values is None)
        assert again.values is None or again.values.tolist() == made.values.tolist()


def test_a_short_history_has_no_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any]) -> None:
    few_readers(monkeypatch)
    monkeypatch.setattr(blocks_of_day, "_LEAST_BYTES", 8 << 20)
    build(project(tmp_path / "project"), tmp_path / "short")
    assert found == [None] * (2 * DAYS)


def test_a_file_that_is_replaced_between_two_days_is_ordered_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any]
) -> None:
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    built, later = replaced_between_days(given, tmp_path / "replaced", monkeypatch)
    assert all(found)
    wanted = without_blocks(given, tmp_path / "sources")
    assert {name for name in wanted if built[name] != wanted[name]} == {later}


def test_a_file_that_changes_while_its_block_is_written_fails_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    make = partition_cache.PartitionCache.make
    changed: list[str] = []

    def change(self: Any, entry: partition_cache.Entry, write: Any) -> Any:
        if entry.path.suffix == ".block" and not changed:
            changed.append(entry.files[0].path)
            os.utime(entry.files[0].path, ns=(1, 1))
        return make(self, entry, write)

    monkeypatch.setattr(partition_cache.PartitionCache, "make", change)
    words = ["--runtime-config-path", str(given.runtime_path), "--output-root", str(tmp_path / "output")]
    assert main(words) != 0
    assert f"{changed[0]} changed while the day was built: run again when it is complete" in capsys.readouterr().err


@pytest.mark.some(2, cases=5)
@pytest.mark.parametrize(
    "why", ["a row of another day", "no room on the disk", "no room in memory", "no room for the work", "a refusal"]
)
def test_where_there_are_no_blocks_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any], written: list[int], why: str
) -> None:
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    if why == "a row of another day":
        monkeypatch.setattr(BlocksOfDay, "_is_regular", lambda *_: False)
    elif why == "no room on the disk":
        monkeypatch.setattr(partition_cache, "_MOST_BYTES", 1)
    elif why == "no room in memory":
        monkeypatch.setattr(reader, "HISTORY_SHARE", 0.0)
    elif why == "no room for the work":
        monkeypatch.setattr(blocks_of_day, "_ROW_BYTES", 1 << 30)
    else:
        monkeypatch.setattr(Block, "write", _refuse)
    built = build(given, tmp_path / "blocks")
    assert None in found
    assert why not in ("no room on the disk", "no room for the work") or written == []
    assert without_blocks(given, tmp_path / "sorted") == built


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many partitions were put in order each time."""
    seen: list[int] = []
    original = blocks_of_day.put_in_order

    def noted(resources: Any, operator: Any, relation: Any, partitions: Any, tables: Any) -> Block:
        seen.append(len(partitions))
        return original(resources, operator, relation, partitions, tables)

    monkeypatch.setattr(blocks_of_day, "put_in_order", noted)
    return seen


@pytest.mark.some(1, cases=3)
@pytest.mark.parametrize("told", ["by files", "by tables", "by the block"])
def test_a_window_is_not_put_in_order_where_the_cache_has_too_little_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any], ordered: list[int], told: str
) -> None:
    """Not for one day after another: files tell it, or the tables of them, or the block, once for each history."""
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    monkeypatch.setattr(partition_cache.PartitionCache, "room", lambda self: 1)
    if told != "by files":
        monkeypatch.setattr(SortedPartitions, "size_of", lambda *_: 0)
    if told == "by the block":
        monkeypatch.setattr(BlocksOfDay, "_has_room", lambda *_: True)
    built = build(given, tmp_path / "blocks")
    if told == "by the block":
        assert len(ordered) == 2
        assert sum(blocks is not None for blocks in found) == 2, "it is of use to its own day"
    else:
        assert ordered == []
        assert found == [None] * (2 * DAYS)
    assert without_blocks(given, tmp_path / "sorted") == built


@pytest.mark.cases
def test_blocks_that_are_there_are_used_by_a_day_behind_one_without_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any]
) -> None:
    """Only rows that do not come in order take blocks from the days to come."""
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    tables = SortedPartitions.tables

    def short(self: SortedPartitions, days: Any = None) -> Any:
        third = self.session.day == dt.date(2024, 1, 8)
        return None if third and days is not None else tables(self, days)

    monkeypatch.setattr(SortedPartitions, "tables", short)
    built = build(given, tmp_path / "blocks")
    assert sum(blocks is None for blocks in found) == 2, "those of the day without memory, whenever it was built"
    assert len(found) == 2 * DAYS
    assert without_blocks(given, tmp_path / "sorted") == built


def _refuse(self: Block, path: Path) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("slack", "times", "regular"),
    [
        (0, [0, DAY_MS - 1], True),
        (0, [-1, 5], False),
        (0, [5, DAY_MS], False),
        (1, [-DAY_MS, DAY_MS], True),
        (0, [], True),
    ],
)
def test_a_partition_is_regular_when_its_rows_are_of_its_day(
    monkeypatch: pytest.MonkeyPatch, slack: int, times: list[int], regular: bool
) -> None:
    """The check of files refuses others; a block, which holds partitions that its day does not need, asks again."""
    monkeypatch.setattr(blocks_of_day, "unit_of", lambda _: TimeUnit.MILLI)
    scanned = SimpleNamespace(scan=SimpleNamespace(partition_slack=slack))
    partitions: Any = SimpleNamespace(operator=None, scanned=scanned)
    begin = 19_724 * DAY_MS
    table = pa.table({ordered_blocks.TIME: pa.array([begin + time for time in times], pa.int64())})
    assert BlocksOfDay(partitions)._is_regular(dt.date(2024, 1, 2), table) is regular


def test_a_block_says_what_it_said_before_it_was_written(tmp_path: Path) -> None:
    made_from = {dt.date(2024, 1, 1): (("a", "1"), ("b", "2")), dt.date(2024, 1, 3): ()}
    keys = (pa.array(["x", "y"]), pa.array([1, 2]))
    columns = {ordered_blocks.TIME: pa.array([5, 6, -1]), "texts": pa.array([["a", None], None, []])}
    block = Block(made_from, keys, np.array([0, 2, 3]), columns, (-1, 6))
    for index, one in enumerate((block, _emptied(block))):
        one.write(tmp_path / str(index))
        again = Block.mapped(tmp_path / str(index))
        assert (again.partitions, again.span, again.begin.tolist()) == (made_from, one.span, one.begin.tolist())
        assert again.columns == one.columns
        assert again.keys == one.keys


@settings(max_examples=examples(60))
@given(data=st.data())
def test_keys_are_numbered_in_their_order_however_far_apart_they_lie(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([pa.int8(), pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.string()]))
    if pa.types.is_string(kind):
        element = st.text(alphabet="abc", max_size=2)
    else:
        bits = kind.bit_width
        least = 0 if pa.types.is_unsigned_integer(kind) else -(2 ** (bits - 1))
        greatest = least + 2**bits - 1
        near = data.draw(st.integers(least, greatest - 5))
        element = data.draw(st.sampled_from([st.integers(near, near + 5), st.integers(least, greatest)]))
    values = data.draw(st.lists(element, min_size=1, max_size=30))
    cut = data.draw(st.integers(0, len(values)))
    key = pa.chunked_array([pa.array(values[:cut], kind), pa.array(values[cut:], kind)])
    numbers, keys = ordered_blocks._codes(key)
    assert keys.type == kind
    assert keys.to_pylist() == sorted(set(values))
    assert [keys[int(number)].as_py() for number in numbers] == values


def test_a_block_is_mapped_and_not_read(tmp_path: Path) -> None:
    rows = 200_000
    columns = {ordered_blocks.TIME: pa.array(np.arange(rows)), "texts": pa.array(["a long text"] * rows)}
    Block({}, (pa.array([1]),), np.array([0, rows]), columns, (0, rows - 1)).write(tmp_path / "block")
    before = pa.total_allocated_bytes()
    again = Block.mapped(tmp_path / "block")
    assert again.nbytes > 8 * rows
    assert pa.total_allocated_bytes() - before < rows


def _emptied(block: Block) -> Block:
    keys = tuple(key[:0] for key in block.keys)
    columns = {name: column[:0] for name, column in block.columns.items()}
    return Block(block.partitions, keys, np.array([0]), columns, None)


@settings(max_examples=examples(200))
@given(st.data())
def test_gathered_rows_are_those_of_each_entity_one_block_after_another(data: st.DataObject) -> None:
    """Against loops over rows: entities of the day or not, and rows before and behind what the day looks at."""
    blocks, rows = [], []
    for number in range(data.draw(st.integers(1, 3))):
        times = st.integers(10 * number, 10 * number + 9)
        drawn = sorted(data.draw(st.lists(st.tuples(st.integers(0, 5), times), max_size=12)))
        rows += [(entity, time, f"{number}.{place}") for place, (entity, time) in enumerate(drawn)]
        blocks.append(_block(drawn, [f"{number}.{place}" for place in range(len(drawn))]))
    of_day = data.draw(st.permutations(range(6)))[: data.draw(st.integers(0, 6))]
    least, end = sorted((data.draw(st.integers(-1, 31)), data.draw(st.integers(-1, 31))))
    code = {entity: index for index, entity in enumerate(of_day)}
    wanted = sorted(
        ((code[entity], time, text) for entity, time, text in rows if entity in code and least <= time < end),
        key=lambda row: (row[0], row[1] // 10),
    )
    shares = [Share.of(block, [pa.array(of_day, pa.int64())]).within((least, end)) for block in blocks]
    cuts = block_history._cuts(shares, data.draw(st.integers(1, 20)), 1_000)
    assert cuts is not None
    got: list[tuple[int, int, str]] = []
    for first, last in itertools.pairwise(cuts):
        chunk = block_history._Gathered([share.between(first, last) for share in shares])
        times_of, texts = chunk._numbers(ordered_blocks.TIME).tolist(), chunk._column("text").to_pylist()
        got += zip(chunk.entity.tolist(), times_of, texts, strict=True)
    assert got == wanted


def _block(rows: list[tuple[int, int]], texts: list[str]) -> Block:
    entities = sorted({entity for entity, _ in rows})
    begin = np.array([sum(entity < one for entity, _ in rows) for one in entities] + [len(rows)], dtype=np.int64)
    times = [time for _, time in rows]
    columns = {ordered_blocks.TIME: pa.array(times, pa.int64()), "text": pa.array(texts, pa.string())}
    span = (min(times), max(times)) if times else None
    return Block({}, (pa.array(entities, pa.int64()),), begin, columns, span)


def test_rows_that_overlap_between_blocks_have_no_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any]
) -> None:
    """A slack of a day lets rows lie in the partition beside their own: what is later need not come later."""
    few_readers(monkeypatch)
    given = project(tmp_path / "project")
    given.views["events"]["source"]["partition_slack"] = 1
    given.write()
    partitions = given.root / "data" / given.views["events"]["source"]["path"]
    for day in range(2, 6 + DAYS):
        early = (0, 11, moment(f"{day - 1:02} 11:00"), 1.0, "like", moment(f"{day:02} 13:00"))
        _append(partitions / f"dt=2024-01-{day:02}", early)
    built = build(given, tmp_path / "blocks")
    assert None in found
    assert without_blocks(given, tmp_path / "sorted") == built


def _append(partition: Path, row: tuple[Any, ...]) -> None:
    (path,) = partition.glob("*.parquet")
    table = pq.ParquetFile(path).read()
    values = {name: [value] for name, value in zip(table.column_names, row, strict=True)}
    pq.write_table(pa.concat_tables([table, pa.table(values, schema=table.schema)]), path)


@pytest.mark.cases
@pytest.mark.parametrize(("seed", "engine"), [(1, "duckdb"), (2, "polars"), (3, "duckdb"), (4, "polars")])
def test_random_histories_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Any], seed: int, engine: str
) -> None:
    """Ties, NULLs, rows known days later, windows that end before their row, and labels that look ahead."""
    few_readers(monkeypatch)
    given = project(tmp_path / "project", day_workers=1 + seed % 2)
    given.runtime["compute"]["engine"] = engine
    given.runtime["data_until"] = "2024-01-20"
    given.views["events"]["source"]["missing_partitions"] = "empty"
    specs = given.aggregations["aggregation_specs"]
    specs[0] |= {"aligned_to": "1d", "offset": "6h"}
    label = {"entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum", "window": "36h"}
    given.aggregations["label_specs"] = [{**label, "name": "later", "matures_after": "12h"}]
    given.service["columns"].append({"name": "later", "kind": "label", "dtype": "double"})
    given.runtime["output_columns"].append("later")
    chance = random.Random(seed)
    rows = []
    for _ in range(400):
        time = moment(f"{chance.randint(1, 5 + DAYS):02} {chance.choice((0, 7, 12, 23)):02}:00")
        known = time + dt.timedelta(hours=chance.choice((0, 0, 1, 30, 80)))
        user, item = chance.randint(0, 6), chance.randint(10, 14)
        amount, kind = chance.choice((None, 0.1, -0.0, 1e16, 3.5)), chance.choice(("like", None, "click"))
        rows.append((user, item, time, amount, kind, known))
    given.data["events"] = rows
    given.write().write_data()
    built = build(given, tmp_path / "blocks")
    assert len(found) == 3 * DAYS
    assert sum(blocks is not None and len(blocks) > 1 for blocks in found) >= DAYS
    assert without_blocks(given, tmp_path / "sorted") == built

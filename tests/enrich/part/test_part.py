from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.errors import DayError
from enrich.part import part as part_module
from enrich.part import skeleton as skeleton_module
from enrich.part import vector_parquet
from enrich.part.part import enrich_part, rows_per_group
from enrich.part.pooling import Halves, Positions
from enrich.part.skeleton import needed_ids
from enrich.part.task import Nulls, PartTask, Receipt, VectorColumn
from enrich.store.id_index import IntegerIds, TextIds
from enrich.store.store import open_store
from enrich.store.vectors import BatchedVectors, DayVectors, VectorSource

PLACEHOLDER = pa.list_(pa.field("element", pa.float32()))
ITEM = VectorColumn("item_vec", "lookup", "item", "art", 2, "none")
LIKES = VectorColumn("likes_vec", "avg_pool", "likes", "art", 2, "none")


@dataclass
class ByNumber:
    """A source in which id i has the vector [i, -i], for 1 <= i <= 100."""

    text: bool = False

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        numbers = np.arange(1, 101)
        keys = TextIds(pa.array([str(n) for n in numbers], pa.large_string())) if self.text else IntegerIds(numbers)
        return keys.find(ids), np.stack((numbers, -numbers), axis=1).astype(np.float16)


NUMBERS: Mapping[str, VectorSource] = {"art": ByNumber()}


def skeleton_rows(items: list[Any], likes: list[Any], id_type: Any = None) -> pa.Table:
    number = len(items)
    id_type = id_type or pa.int64()
    return pa.table(
        {
            "row": pa.array(range(number), pa.int64()),
            "item_vec": pa.array([None] * number, PLACEHOLDER),
            "item": pa.array(items, id_type),
            "at": pa.array(range(number), pa.timestamp("us", "UTC")),
            "likes": pa.array(likes, pa.list_(id_type)),
            "likes_vec": pa.array([None] * number, PLACEHOLDER),
            "name": pa.array([f"n{i}" if i % 3 else None for i in range(number)]),
        }
    )


def task_for(
    tmp_path: Path, table: pa.Table, columns: tuple[VectorColumn, ...] = (ITEM, LIKES), **changes: Any
) -> PartTask:
    skeleton = tmp_path / "skeleton.parquet"
    pq.write_table(table, skeleton, row_group_size=changes.pop("skeleton_group", 1000))
    task = PartTask(str(skeleton), str(tmp_path / "part-3-0.parquet"), 3, 1000, columns)
    return dataclasses.replace(task, **changes)


def test_fills_in_place(tmp_path: Path) -> None:
    table = skeleton_rows([1, None, 500, 4], [[1, 3], None, [], [500, 5, None, 5, 2]])
    task = task_for(tmp_path, table)
    receipt = enrich_part(task, NUMBERS)
    written = pq.read_table(task.output)
    assert written.schema == pa.schema(
        [
            pa.field(field.name, pa.list_(pa.float16()) if field.name in ("item_vec", "likes_vec") else field.type)
            for field in table.schema
        ]
    )
    assert written.column_names == table.column_names
    assert written.column("item_vec").to_pylist() == [[1, -1], None, None, [4, -4]]
    assert written.column("likes_vec").to_pylist() == [[2, -2], None, None, [4, -4]]
    rest = ["row", "item", "at", "likes", "name"]
    assert written.select(rest).equals(table.select(rest))
    content = Path(task.output).read_bytes()
    nulls = (Nulls("item_vec", 2, 1), Nulls("likes_vec", 2, 1))
    assert receipt == Receipt(3, 4, len(content), hashlib.sha256(content).hexdigest(), nulls)
    assert [path.name for path in tmp_path.glob("part-*")] == ["part-3-0.parquet"]


def test_sequences_pass_through_beside_the_mean_of_their_ids(tmp_path: Path) -> None:
    """Lists of structs, with NULLs and NaN in them; the ids of an aligned list are pooled without its NULLs."""
    kind = pa.list_(
        pa.struct([("item", pa.int64()), ("x", pa.float64()), ("tags", pa.list_(pa.string())), ("y", pa.float32())])
    )
    events = [
        [{"item": 1, "x": math.nan, "tags": ["a", None], "y": None}, {"item": None, "x": 0.5, "tags": None, "y": 1.5}],
        [],
        [{"item": 3, "x": None, "tags": [], "y": -0.0}],
    ]
    table = skeleton_rows([1, 2, 3], [[one["item"] for one in row] for row in events])
    table = table.append_column("events", pa.array(events, kind))
    task = task_for(tmp_path, table)
    enrich_part(task, NUMBERS)
    written = pq.read_table(task.output)
    assert written.schema.field("events").type == kind
    assert repr(written.column("events").to_pylist()) == repr(events)
    assert written.column("likes_vec").to_pylist() == [[1, -1], None, [3, -3]]
    group = pq.ParquetFile(task.output).metadata.row_group(0)
    statistics = {chunk.path_in_schema: chunk.statistics for chunk in map(group.column, range(group.num_columns))}
    assert statistics["events.list.element.item"].max == 3
    assert not statistics["events.list.element.x"].has_min_max
    assert statistics["events.list.element.y"].max == 1.5


def test_text_ids_and_normalize(tmp_path: Path) -> None:
    columns = tuple(dataclasses.replace(column, normalize="l2") for column in (ITEM, LIKES))
    task = task_for(tmp_path, skeleton_rows(["7", None], [["x", "2"], ["x"]], pa.string()), columns)
    enrich_part(task, {"art": ByNumber(text=True)})
    half = float(np.float16(np.sqrt(0.5)))
    written = pq.read_table(task.output)
    assert written.column("item_vec").to_pylist() == [[half, -half], None]
    assert written.column("likes_vec").to_pylist() == [[half, -half], None]


def test_vectors_of_floats(tmp_path: Path) -> None:
    """A look-up is widened, and a mean is not cast; DuckDB reads the file, as what knows no float16 does."""
    columns = (dataclasses.replace(ITEM, element="float"), dataclasses.replace(LIKES, element="float", normalize="l2"))
    task = task_for(tmp_path, skeleton_rows([7, None], [[1, 2, 2], [500]]), columns)
    receipt = enrich_part(task, NUMBERS)
    written = pq.read_table(task.output)
    assert [written.schema.field(name).type for name in ("item_vec", "likes_vec")] == [pa.list_(pa.float32())] * 2
    single = float(np.float32(np.sqrt(0.5)))
    assert written.column("item_vec").to_pylist() == [[7, -7], None]
    assert written.column("likes_vec").to_pylist() == [[single, -single], None]
    assert receipt.nulls == (Nulls("item_vec", 1, 1), Nulls("likes_vec", 1, 1))
    mean = (dataclasses.replace(LIKES, element="float"),)
    enrich_part(task_for(tmp_path, skeleton_rows([7], [[1, 2, 2]]).drop_columns("item_vec"), mean), NUMBERS)
    third = float(np.float32(5) / np.float32(3))
    assert duckdb.sql(f"select likes_vec from '{task.output}'").fetchall() == [([third, -third],)]


def many(number: int) -> pa.Table:
    items = [None if i % 11 == 0 else i % 130 for i in range(number)]
    likes = [None if i % 7 == 0 else [(i * k) % 120 for k in range(i % 5)] for i in range(number)]
    return skeleton_rows(items, likes)


def test_bytes_do_not_depend_on_batches_or_the_cut_of_the_skeleton(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "GROUP_ROWS", 100)
    receipts = set()
    for batch_rows, skeleton_group in [(1, 1000), (7, 33), (100, 250), (1000, 1), (10**9, 251)]:
        task = task_for(tmp_path, many(251), batch_rows=batch_rows, skeleton_group=skeleton_group)
        receipts.add(enrich_part(task, NUMBERS))
    assert len(receipts) == 1
    without = [i for i in range(251) if i % 11 == 0 or not 1 <= i % 130 <= 100]
    assert receipts.pop().nulls[0] == Nulls("item_vec", len(without), without[0])
    metadata = pq.ParquetFile(task.output).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [100, 100, 51]
    assert pq.read_table(task.output, columns=["row"]).column(0).to_pylist() == list(range(251))


def test_bytes_do_not_depend_on_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_parquet, "PAGE_BYTES", 40)
    first = enrich_part(task_for(tmp_path, many(251), batch_rows=100), NUMBERS)
    for threads in (2, 5):
        assert enrich_part(task_for(tmp_path, many(251), batch_rows=100, threads=threads), NUMBERS) == first
    with pq.ParquetFile(tmp_path / "part-3-0.parquet") as file:
        found = file.read()
    assert found.column("row").to_pylist() == list(range(251))
    wanted = [[i % 130, -(i % 130)] if i % 11 and 1 <= i % 130 <= 100 else None for i in range(251)]
    assert found.column("item_vec").to_pylist() == wanted


def test_bytes_do_not_depend_on_batches_where_pages_end(tmp_path: Path) -> None:
    """Where a dictionary grows too large, its column falls back to plain pages; that place shows the cut of chunks."""
    number = 60_000
    likes = np.random.default_rng(1).integers(0, 2**60, 4 * number)
    table = pa.table(
        {
            "likes": pa.ListArray.from_arrays(np.arange(0, len(likes) + 1, 4, dtype=np.int32), pa.array(likes)),
            "likes_vec": pa.nulls(number, PLACEHOLDER),
        }
    )
    tasks = [
        task_for(tmp_path, table, (LIKES,), batch_rows=batch_rows, skeleton_group=number)
        for batch_rows in (777, number)
    ]
    assert len({enrich_part(task, NUMBERS).sha256 for task in tasks}) == 1


def test_slices_and_null_lists_that_span_values() -> None:
    values = pa.array([50, 60, 1, 3, 70, 5, 90])
    lists = pa.ListArray.from_arrays(
        pa.array([0, 2, 4, 5, 6, 7], pa.int32()), values, mask=pa.array([False, False, True, False, False])
    )[1:4]
    positions, matrix = ByNumber().fetch(skeleton_module.ids_in(lists))
    assert part_module.pooled(LIKES, lists, positions, matrix).to_pylist() == [[2, -2], None, [5, -5]]


def test_preload_and_fall_back_give_the_same_bytes(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal(100 * 2).astype(np.float32)
    path = str(tmp_path / "art.lance")
    lance.write_dataset(
        pa.table({"id": np.arange(100), "vec": pa.FixedSizeListArray.from_arrays(pa.array(vectors), 2)}), path
    )
    store = open_store("art", path, "id", "vec", 2, 1)
    row_map = store.row_map()
    task = task_for(tmp_path, many(300), batch_rows=64)
    day = DayVectors.load(store, row_map, needed_ids([task.skeleton], task.columns))
    first = enrich_part(task, {"art": day})
    assert enrich_part(task, {"art": BatchedVectors(store, row_map)}) == first
    assert pq.read_table(task.output).column("item_vec").null_count == 300 - sum(
        1 for i in range(300) if i % 11 and i % 130 < 100
    )


def test_skeleton_metadata_leaves_no_trace(tmp_path: Path) -> None:
    plain = skeleton_rows([1], [[2]])
    field = plain.schema.field(0).with_metadata({"k": "v"})
    marked = plain.cast(plain.schema.set(0, field).with_metadata({"writer": "x"}))
    digests = {enrich_part(task_for(tmp_path, table), NUMBERS).sha256 for table in (plain, marked)}
    assert len(digests) == 1


def test_embeddings_are_plain_and_quick_and_the_rest_has_statistics(tmp_path: Path) -> None:
    task = task_for(tmp_path, many(50))
    enrich_part(task, NUMBERS)
    group = pq.ParquetFile(task.output).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    for name, column in columns.items():
        embedding = name.endswith("_vec.list.element")
        assert column.is_stats_set is not embedding, name
        assert column.has_dictionary_page is not embedding, name
        assert column.compression == ("LZ4" if embedding else "ZSTD")


def test_duckdb_writes_the_skeleton_and_reads_the_result(tmp_path: Path) -> None:
    task = task_for(tmp_path, skeleton_rows([], []))
    duckdb.sql(
        "copy (select i as item, [i, i + 2] as likes, null::float[] as item_vec, null::float[] as likes_vec "
        f"from range(98, 101) t(i)) to '{task.skeleton}' (format parquet)"
    )
    enrich_part(task, NUMBERS)
    assert duckdb.sql(f"select item, item_vec, likes_vec from '{task.output}'").fetchall() == [
        (98, [98, -98], [99, -99]),
        (99, [99, -99], [99, -99]),
        (100, [100, -100], [100, -100]),
    ]


def test_empty_part_has_the_full_schema(tmp_path: Path) -> None:
    task = task_for(tmp_path, skeleton_rows([], []))
    receipt = enrich_part(task, NUMBERS)
    written = pq.read_table(task.output)
    assert (receipt.rows, written.num_rows) == (0, 0)
    assert written.schema.field("likes_vec").type == pa.list_(pa.float16())
    assert duckdb.sql(f"select count(*) from '{task.output}'").fetchall() == [(0,)]


def test_a_part_that_two_write_at_once_has_the_same_bytes(tmp_path: Path) -> None:
    """A second actor has the part while the first one, which was taken for lost, goes on."""
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    task = dataclasses.replace(task_for(tmp_path, many(20)), unfinished=str(unfinished))
    alone = enrich_part(task, NUMBERS)
    others: list[Receipt] = []

    class Late:
        """Vectors that come when another actor has done the whole part."""

        def fetch(self, ids: Any) -> tuple[Positions, Halves]:
            assert len(list(unfinished.iterdir())) == 1
            others.append(enrich_part(task, NUMBERS))
            return NUMBERS["art"].fetch(ids)

    assert enrich_part(task, {"art": Late()}) == alone
    assert set(others) == {alone}
    assert hashlib.sha256(Path(task.output).read_bytes()).hexdigest() == alone.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-3-0.parquet", "skeleton.parquet", "unfinished"]
    assert list(unfinished.iterdir()) == []


def test_rows_per_group() -> None:
    """The same whatever other columns there are, unless offsets of lists would not reach."""
    assert rows_per_group([ITEM]) == 16_384
    assert rows_per_group([dataclasses.replace(ITEM, dimension=1152, element="float")] * 9) == 16_384
    assert rows_per_group([ITEM, dataclasses.replace(ITEM, dimension=10**9)]) == 1


# A part that does not fit its task.

WITH_VALUES = pa.array([None, [1.0]], PLACEHOLDER)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            lambda table: table.drop_columns("item"),
            "column 'item' is missing; did you mean 'item_vec'? Known: at, item_vec, likes, likes_vec, name, row",
            id="source missing",
        ),
        pytest.param(
            lambda table: table.drop_columns("likes_vec"),
            "column 'likes_vec' is missing; did you mean 'likes'? Known: at, item, item_vec, likes, name, row",
            id="placeholder missing",
        ),
        pytest.param(
            lambda table: table.set_column(1, "item_vec", pa.nulls(2, pa.float32())),
            "column 'item_vec' is float, and the placeholder of an embedding is list<float>; build the skeleton again",
            id="placeholder type",
        ),
        pytest.param(
            lambda table: table.set_column(1, "item_vec", WITH_VALUES),
            "column 'item_vec' is the placeholder of an embedding and holds values; build the skeleton again",
            id="placeholder with values",
        ),
        pytest.param(
            lambda table: table.set_column(4, "likes", pa.array([1, 2])),
            "'likes_vec' is avg_pool of column 'likes', which is int64; avg_pool needs a list of ids per row",
            id="pool of a scalar",
        ),
        pytest.param(
            lambda table: table.set_column(2, "item", pa.array([[1], [2]])),
            "'item_vec' is lookup of column 'item', which is list<element: int64>; lookup needs one id per row",
            id="lookup of a list",
        ),
    ],
)
def test_part_does_not_fit(tmp_path: Path, change: Any, sentence: str) -> None:
    task = task_for(tmp_path, change(skeleton_rows([1, 2], [[1], [2]])))
    with pytest.raises(DayError) as caught:
        enrich_part(task, NUMBERS)
    assert str(caught.value) == f"{task.skeleton}: {sentence}"
    assert not Path(task.output).exists()


# The ids of a day.


def write_parts(tmp_path: Path, *tables: pa.Table) -> list[Path]:
    paths = [tmp_path / f"part-{number}-0.parquet" for number in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        pq.write_table(table, path)
    return paths


def test_needed_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton_module, "ID_BATCH_ROWS", 2)
    monkeypatch.setattr(skeleton_module, "MERGE_BATCHES", 3)
    parts = write_parts(
        tmp_path,
        skeleton_rows([5, None, 9, 5, 1], [[7, 5], None, [], [None], [7]]),
        skeleton_rows([], []),
        skeleton_rows([2], [[9, 3]], pa.int32()),
    )
    assert needed_ids(parts, [ITEM, LIKES]).equals(pa.array([1, 2, 3, 5, 7, 9], pa.int64()))
    assert needed_ids(parts, [LIKES]).equals(pa.array([3, 5, 7, 9], pa.int64()))
    assert needed_ids(parts[1:2], [ITEM]).equals(pa.array([], pa.int64()))


def test_needed_text_ids(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, skeleton_rows(["b", None], [["a", "b"], ["é"]], pa.string()))
    assert needed_ids(parts, [ITEM, LIKES]).equals(pa.array(["a", "b", "é"], pa.large_string()))


def test_needed_ids_above_int64(tmp_path: Path) -> None:
    big = 2**64 - 1
    parts = write_parts(tmp_path, skeleton_rows([big], [[1]], pa.uint64()), skeleton_rows([2], [[]]))
    assert needed_ids(parts, [ITEM, LIKES]).equals(pa.array([1, 2, big], pa.uint64()))


@pytest.mark.parametrize(
    ("first", "second", "types"),
    [
        (skeleton_rows([2**64 - 1], [[]], pa.uint64()), skeleton_rows([-1], [[]]), "int64, uint64"),
        (skeleton_rows([1], [[]]), skeleton_rows(["a"], [[]], pa.string()), "int64, string"),
    ],
)
def test_ids_that_have_no_common_type(tmp_path: Path, first: pa.Table, second: pa.Table, types: str) -> None:
    with pytest.raises(DayError) as caught:
        needed_ids(write_parts(tmp_path, first, second), [ITEM, LIKES])
    assert str(caught.value) == (
        f"columns item, likes: their ids are {types}, and no integer type and no text holds all of them; "
        "cast the columns to the type of the store's ids"
    )

"""Lists from their pages: the same as pyarrow reads, whoever wrote them; nothing where pages are of another form."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda_data.loader import list_pages, parts
from daeda_data.loader.list_pages import Room, chunk_of, list_columns, read_lists
from daeda_data.loader.memory import Memory
from daeda_data.loader.run_kernel import kernel
from enrich.part.vector_parquet import VECTORS, VectorFile
from tests.budget import examples
from tests.daeda_data.loader.made import publish

Lists = list[list[Any] | None]


def by_pages(content: bytes, name: str = "lists") -> list[pa.ListArray | None]:
    """The column by row group, from its pages."""
    machine = kernel()
    assert machine is not None
    file = pq.ParquetFile(pa.BufferReader(content))
    columns = list_columns(file, [name])
    found: list[pa.ListArray | None] = []
    room = Room()
    for group in range(file.num_row_groups):
        chunk = chunk_of(file, group, columns[name]) if name in columns else None
        if chunk is None:
            found.append(None)
            continue
        pages = room.of("pages", chunk.size)
        pages[:] = np.frombuffer(content, np.uint8, chunk.size, chunk.start)
        found.append(read_lists(pages, chunk, machine, room, Memory(2)))
    for use in ("pages", "repetitions", "definitions", "places"):
        # The next column has that memory, and none of these does.
        room.of(use, 1 << 16).fill(255)
    return found


def by_pyarrow(content: bytes, name: str = "lists") -> list[pa.ListArray]:
    file = pq.ParquetFile(pa.BufferReader(content))
    return [file.read_row_group(group).column(name).chunk(0) for group in range(file.num_row_groups)]


def written(lists: Lists, item: pa.DataType, **settings: Any) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"before": pa.array(range(len(lists))), "lists": pa.array(lists, pa.list_(item))})
    pq.write_table(table, sink, **settings)
    return sink.getvalue()


def lists_by_chance(choice: random.Random, item: pa.DataType) -> Lists:
    """Ragged lists, vectors of one dimension, NULL, empty; few values or many."""
    most, longest = choice.choice([3, 10**4]), choice.choice([1, 7, 40])
    same = choice.random() < 0.4
    absent, empty = choice.choice([0, 0.2, 1]), choice.choice([0, 0.3])
    kind = item.to_pandas_dtype()

    def values() -> list[Any]:
        length = longest if same else choice.randint(1, longest)
        return np.array([choice.randrange(most) for _ in range(length)]).astype(kind).tolist()

    return [
        None if choice.random() < absent else [] if choice.random() < empty else values()
        for _ in range(choice.randint(1, 300))
    ]


ITEMS = [pa.int32(), pa.int64(), pa.float16(), pa.float32(), pa.float64()]


def settings_by_chance(choice: random.Random) -> dict[str, Any]:
    return {
        "data_page_version": choice.choice(["1.0", "2.0"]),
        "compression": choice.choice(["none", "zstd", "lz4"]),
        "use_dictionary": choice.choice([True, False]),
        "data_page_size": choice.choice([64, 1000, 1 << 20]),
        "dictionary_pagesize_limit": choice.choice([100, 1 << 20]),
        "write_batch_size": choice.choice([1, 10, 1024]),
        "row_group_size": choice.choice([50, 1000]),
        "version": choice.choice(["1.0", "2.4", "2.6"]),
        "write_page_index": choice.choice([True, False]),
        "write_page_checksum": choice.choice([True, False]),
    }


def is_same(one: pa.ListArray | None, other: pa.ListArray) -> bool:
    """Type, NULLs and values, the bits of NaN among them."""
    if one is None:
        return False
    one.validate(full=True)
    items = [array.flatten().to_numpy(zero_copy_only=False).tobytes() for array in (one, other)]
    return bool(one.type == other.type and one.equals(other)) and items[0] == items[1]


@pytest.mark.parametrize("item", ITEMS, ids=str)
def test_pages_of_pyarrow(item: pa.DataType) -> None:
    choice = random.Random(str(item))
    for _ in range(examples(400)):
        settings = settings_by_chance(choice)
        content = written(lists_by_chance(choice, item), item, **settings)
        pairs = list(zip(by_pages(content), by_pyarrow(content), strict=True))
        assert all(is_same(own, other) for own, other in pairs), settings


@pytest.mark.parametrize("element", VECTORS)
@pytest.mark.parametrize("dimension", [1, 3, 8, 32, 200])
def test_pages_of_the_enrichment(element: Any, dimension: int) -> None:
    choice = random.Random(dimension)
    kind = VECTORS[element]
    schema = pa.schema([("before", pa.int64()), ("lists", kind)])
    for _ in range(examples(40)):
        sink, whole = io.BytesIO(), []
        with VectorFile(sink, schema, {"lists": dimension}) as file:
            for _ in range(choice.randint(1, 3)):
                rows = []
                # Vectors that repeat become small, and their pages are compressed.
                repeated = [choice.randint(-9, 9) / 4 for _ in range(dimension)]
                for _ in range(choice.randint(1, 60)):
                    fresh = [choice.randint(-999, 999) / 8 for _ in range(dimension)]
                    rows.append(choice.choice([None, repeated, repeated, fresh]))
                whole.append(pa.array(rows, kind))
                nulls = pa.nulls(len(rows), kind)
                file.write_rows(pa.table({"before": pa.array(range(len(rows))), "lists": nulls}, schema))
                first = 0
                while first < len(rows):
                    step = choice.randint(1, 30)
                    file.write_page("lists", pa.concat_arrays([whole[-1].slice(first, step)]))
                    first += step
        found = by_pages(sink.getvalue())
        assert all(is_same(own, rows) for own, rows in zip(found, whole, strict=True))
        assert by_pyarrow(sink.getvalue()) == whole


@pytest.mark.parametrize(
    "lists",
    [
        "range(i % 7)",
        "CASE WHEN i % 5 = 0 THEN NULL ELSE range(i % 40) END",
        "CASE WHEN i % 50 = 0 THEN [] ELSE [i % 9, i // 7] END",
        "CASE WHEN i % 5 = 0 THEN NULL ELSE list_transform(range(i % 4), x -> x::DOUBLE / 3) END",
        "[i::FLOAT, 2]",
        "NULL::BIGINT[]",
    ],
)
def test_pages_of_duckdb(lists: str, tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    duckdb.sql(
        f"COPY (SELECT i AS before, {lists} AS lists FROM range(9000) t(i)) TO '{path}' "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 4096)"
    )
    content = path.read_bytes()
    pairs = list(zip(by_pages(content), by_pyarrow(content), strict=True))
    assert len(pairs) > 1
    assert all(is_same(own, other) for own, other in pairs)


@pytest.mark.parametrize(
    ("lists", "item", "settings"),
    [
        ([[1, None]], pa.int64(), {}),  # an item that is NULL
        ([[1]], pa.int64(), {"compression": "snappy"}),
        ([[1]], pa.int64(), {"compression": "gzip"}),
        ([[1]], pa.int64(), {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}),
        ([[1.5]], pa.float32(), {"use_dictionary": False, "column_encoding": "BYTE_STREAM_SPLIT"}),
        ([["a"]], pa.string(), {}),
        ([[True]], pa.bool_(), {}),
        ([[1]], pa.int8(), {}),
        ([[[1]]], pa.list_(pa.int64()), {}),
        ([[{"a": 1}]], pa.struct([("a", pa.int64())]), {}),
    ],
)
def test_pages_of_another_form_are_left_to_pyarrow(lists: Lists, item: pa.DataType, settings: dict[str, Any]) -> None:
    content = written(lists, item, **{"compression": "none", **settings})
    assert by_pages(content) == [None]
    # It is the form that is refused, not all that is tried here.
    assert by_pages(written([[1, 2]], pa.int64(), compression="none")) != [None]


def test_columns_whose_lists_have_another_depth_are_left_to_pyarrow() -> None:
    sink = io.BytesIO()
    item = pa.field("element", pa.int64(), nullable=False)
    whole = pa.array([[1, 2]], pa.list_(item))
    schema = pa.schema([pa.field("a", pa.list_(item)), pa.field("b", pa.list_(pa.int64()), nullable=False),
                        pa.field("c", pa.large_list(pa.int64())), pa.field("d", pa.list_(pa.int64())),
                        pa.field("d.e", pa.int64()), pa.field("f", pa.list_(pa.int64()))])  # fmt: skip
    arrays = [whole, *(pa.array([[1]], schema.field(name).type) for name in "bcd"), pa.array([1]), pa.array([[1]])]
    pq.write_table(pa.table(arrays, schema), sink)
    file = pq.ParquetFile(pa.BufferReader(sink.getvalue()))
    assert list(list_columns(file, schema.names)) == ["f"]


def damages(content: bytes, choice: random.Random) -> Iterator[bytes]:
    """Bytes of the pages changed; the footer stays."""
    file = pq.ParquetFile(pa.BufferReader(content))
    column = file.metadata.row_group(0).column(1)
    start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    for _ in range(examples(600)):
        changed = bytearray(content)
        for _ in range(choice.choice([1, 1, 1, 4])):
            # Headers and levels are what is at the beginning of a page.
            offset = choice.randrange(min(choice.choice([80, 1 << 20]), column.total_compressed_size))
            changed[start + offset] = choice.choice([0, 255, choice.randrange(256), changed[start + offset] ^ 1])
        yield bytes(changed)


FORMS: list[dict[str, Any]] = [
    {"compression": "none", "data_page_version": "1.0"},
    {"compression": "none", "data_page_version": "2.0", "use_dictionary": False},
    {"compression": "zstd", "data_page_version": "1.0", "use_dictionary": False},
    {"compression": "lz4", "data_page_version": "2.0"},
]


@pytest.mark.parametrize("settings", FORMS)
def test_damaged_pages_are_never_read_otherwise_than_by_pyarrow(settings: dict[str, Any]) -> None:
    choice = random.Random(str(settings))
    lists: Lists = [None if row % 9 == 0 else [row % 5, row, 7][: row % 4] for row in range(40)]
    content = written(lists, pa.int64(), **settings)
    [whole] = by_pages(content)
    assert whole is not None
    assert whole.to_pylist() == lists
    refused = 0
    for damaged in damages(content, choice):
        [own] = by_pages(damaged)
        if own is None:
            refused += 1
        else:
            [other] = by_pyarrow(damaged)
            assert own.equals(other)
    assert refused


def test_a_part_is_read_the_same_with_pages_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = publish(tmp_path, [[9, 2], [0], [5]])
    words = data.vocabulary(tmp_path / "words.parquet", ["category"])
    read: list[bool] = []
    own = list_pages.read_lists

    def counted(*given: Any) -> pa.ListArray | None:
        found = own(*given)
        read.append(found is not None)
        return found

    def epoch(columns: list[str] | None) -> list[dict[str, Any]]:
        found = []
        for batch in data.batches(3, 1, columns=columns, vocabulary=words, window_rows=7):
            by_name = {f"{part}.{name}": array for part in ("arrays", "masks", "offsets", "present")
                       for name, array in getattr(batch, part).items()}  # fmt: skip
            found.append({name: (array.dtype, array.tobytes()) for name, array in by_name.items()})
        return found

    for columns in (None, ["vector"], ["seen", "row"]):
        monkeypatch.setattr(parts, "read_lists", counted)
        read.clear()
        with_pages = epoch(columns)
        # Vectors are read so, `seen` has items that are NULL.
        assert True in read or columns == ["seen", "row"]
        assert False in read or columns == ["vector"]
        monkeypatch.setattr(parts, "kernel", lambda: None)
        read.clear()
        assert epoch(columns) == with_pages
        assert not read
        monkeypatch.undo()


@pytest.mark.parametrize("refused", [False, True])
def test_lists_are_read_beside_the_others_or_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    data = publish(tmp_path, [[90, 20], [0], [50]])
    words = data.vocabulary(tmp_path / "words.parquet", ["category"])
    if refused:
        # Pages of all lists are of another form: pyarrow reads them, behind the others.
        monkeypatch.setattr(parts, "read_lists", lambda *_: None)

    def epoch(is_beside: bool) -> list[dict[str, bytes]]:
        monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: is_beside)
        names, found = set(), []
        with data.batches(7, 1, vocabulary=words, window_rows=40) as batches:
            for batch in batches:
                names |= {thread.name for thread in threading.enumerate()}
                found.append({name: array.tobytes() for name, array in {**batch.arrays, **batch.masks}.items()})
        assert any(name.startswith("daeda-beside-lists") for name in names) <= is_beside
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("daeda-")]
        return found

    assert epoch(True) == epoch(False)


def test_lists_have_a_thread_where_the_others_are_not_much_more() -> None:
    def beside(lists: int, numbers: int, rows: int = 1_000, columns: tuple[str, ...] = ("items", "a")) -> bool:
        sink = io.BytesIO()
        chance = np.random.default_rng(1)
        items = [chance.integers(0, 1 << 60, lists) for _ in range(rows)]
        own = {f"{name}": chance.integers(0, 1 << 60, rows) for name in "abcdefgh"[:numbers]}
        pq.write_table(pa.table({"items": pa.array(items, pa.list_(pa.int64())), **own}), sink)
        file = pq.ParquetFile(pa.BufferReader(sink.getvalue()))
        return parts._is_side_by_side(file, list_columns(file, ["items"]), columns)

    assert beside(2, 2)
    assert not beside(1, 8, columns=("items", *"abcdefgh"))
    # Columns that are not read do not count, and without others there is nothing beside.
    assert beside(1, 8)
    assert not beside(2, 1, columns=("items",))
    # What is decoded together is bounded.
    assert not beside(220, 1, rows=10_000)

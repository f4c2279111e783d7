"""What is in the arrays of a batch, against the rows of the files, one by one."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from daeda.errors import InputError, UsageError
from daeda_data import dataset
from daeda_data.loader.batch import Batch
from daeda_data.loader.choice import Pad
from daeda_data.loader.values import validity_of, values_as_read, values_of
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand
from tests.daeda_data.loader.made import expected_rows, keys_of, publish, rows_of_batch

SHAPE = [[9, 2], [0], [30, 1], [6]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return publish(tmp_path_factory.mktemp("days"), SHAPE)


def by_hand(root: Path, *tables: pa.Table, **more: Any) -> TrainingData:
    """A day of these parts."""
    publish_by_hand(Layout(root / "ranking"), day_of(0), tables, **more)
    return dataset(root, "ranking")


@pytest.mark.parametrize("pad", [{}, {"seen": 2, "visits": 3}, {"seen": (5, "last")}])
@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("batch_rows", [1, 7, 100])
def test_each_row_is_that_of_the_file(
    batch_rows: int, seed: int | None, pad: dict[str, int | Pad], data: TrainingData, tmp_path: Path
) -> None:
    words = data.vocabulary(tmp_path / "words", ["category"])
    expected = expected_rows(data.arrow().to_table())
    seen = 0
    for batch in data.batches(batch_rows, seed, pad=pad, vocabulary=words, window_rows=11):
        assert batch["vector"].dtype == np.float16
        assert batch["vector"].shape == (batch.rows, 3)
        for row in rows_of_batch(batch):
            code = row.pop("category")
            truth = dict(expected[str(row["dt"]), row["row"]])
            category = truth.pop("category")
            assert code == words["category"].code(category) if category is not None else code is None
            assert row == truth
            seen += 1
    assert seen == len(expected)


def test_types(data: TrainingData, tmp_path: Path) -> None:
    batch = next(data.batches(5, vocabulary=data.vocabulary(tmp_path / "words", ["category"]), pad={"seen": 2}))
    assert {name: (str(array.dtype), array.shape) for name, array in batch.arrays.items()} == {
        "row": ("int64", (5,)),
        "time": ("datetime64[us]", (5,)),
        "item": ("int64", (5,)),
        "liked": ("bool", (5,)),
        "category": ("int32", (5,)),
        "price": ("float64", (5,)),
        "seen": ("int64", (5, 2)),
        "visits.item": ("int64", (2,)),
        "visits.price": ("float64", (2,)),
        "vector": ("float16", (5, 3)),
    }
    assert batch.days.dtype == "datetime64[D]"
    assert batch.columns == tuple(batch.arrays)
    assert batch["visits.item"] is batch.arrays["visits.item"]
    assert batch.offsets["visits"].tolist() == [0, 0, 1, 1, 2, 2]
    assert list(batch.lengths) == ["seen"]
    assert list(batch.present) == ["seen", "visits"]
    assert {mask.dtype.name for mask in batch.masks.values()} == {"bool"}
    assert repr(batch).startswith("Batch(5 rows; row: int64[5], time: datetime64[us][5], ")
    assert len(batch) == 5


def test_every_type_of_a_column(tmp_path: Path) -> None:
    columns = {
        "small": pa.array([1, None, -3], pa.int8()),
        "unsigned": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "half": pa.array(np.array([1, 2, 0.5], np.float16)),
        "single": pa.array([1.5, None, float("inf")], pa.float32()),
        "date": pa.array([dt.date(2024, 1, 1), None, dt.date(1969, 12, 31)], pa.date32()),
        "milli": pa.array([0, None, -1], pa.timestamp("ms")),
        "zoned": pa.array([0, None, -1], pa.timestamp("us", "UTC")),
        "nano": pa.array([1, None, -1], pa.timestamp("ns")),
        "dates": pa.array([[dt.date(2024, 1, 1), None], None, []], pa.list_(pa.date32())),
        "truths": pa.array([[True, None], [False], []], pa.list_(pa.bool_())),
        "amounts": pa.array([[1, None], [], None], pa.list_(pa.decimal128(5, 2))),
    }
    tables = [pa.table(columns), pa.table(columns).slice(1)]
    opened = by_hand(tmp_path, *tables)
    for pad in ({}, {"dates": 2, "truths": 3, "amounts": 2}):
        [batch] = opened.batches(10, pad=pad)
        found = [{name: value for name, value in row.items() if name != "dt"} for row in rows_of_batch(batch)]
        expected = [row for table in tables for row in _plain(table)]
        assert found == expected


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    def plain(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [plain(name, item) for item in value]
        if value is None or name not in ("amounts", "zoned", "nano"):
            return value
        return float(value) if name == "amounts" else value.replace(tzinfo=None) if name == "zoned" else value.value

    return [{name: plain(name, value) for name, value in row.items()} for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("keep", "expected"), [("first", [[1, 2], [4, 0], [0, 0]]), ("last", [[2, 3], [4, 0], [0, 0]])]
)
@pytest.mark.parametrize("seed", [None, 0])
def test_a_list_that_is_too_long_keeps_what_pad_says(
    keep: Any, expected: list[list[int]], seed: int | None, tmp_path: Path
) -> None:
    lists = pa.table({"row": [0, 1, 2], "seen": pa.array([[1, 2, 3], [4], None], pa.list_(pa.int64()))})
    [batch] = by_hand(tmp_path, lists).batches(3, seed, pad={"seen": (2, keep)})
    order = np.argsort(batch["row"])
    assert batch["seen"][order].tolist() == expected
    assert batch.lengths["seen"][order].tolist() == [2, 1, 0]
    assert batch.present["seen"][order].tolist() == [True, True, False]
    assert batch.masks["seen"][order].tolist() == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize("width", [1, 511, 512, 513, 600])
@pytest.mark.parametrize("seed", [None, 0])
def test_masks_of_any_width(width: int, seed: int | None, tmp_path: Path) -> None:
    lengths = [0, 1, width - 1, width, 550, 0]
    rows = [None if row == 5 else list(range(1, length + 1)) for row, length in enumerate(lengths)]
    lists = pa.table({"row": range(6), "seen": pa.array(rows, pa.list_(pa.int64()))})
    batches = list(by_hand(tmp_path, lists).batches(4, seed, pad={"seen": (width, "first")}))
    assert sorted(row for batch in batches for row in batch["row"].tolist()) == list(range(6))
    for batch in batches:
        for number, row in enumerate(batch["row"].tolist()):
            kept = (rows[row] or [])[:width]
            padding = width - len(kept)
            assert batch["seen"][number].tolist() == kept + [0] * padding
            assert batch.masks["seen"][number].tolist() == [True] * len(kept) + [False] * padding
            assert batch.lengths["seen"][number] == len(kept)


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_whole_numbers_of_numpy_are_whole_numbers(kind: type[np.integer[Any]], tmp_path: Path) -> None:
    opened = publish(tmp_path, [[9, 2], [5]])

    def found(whole: Any) -> list[Any]:
        settings = {"columns": ["row", "seen"], "pad": {"seen": (whole(2), "last")}, "epoch": whole(1)}
        more = {"workers": (whole(0), whole(2)), "window_rows": whole(8), "read_ahead": whole(1)}
        words = opened.vocabulary(tmp_path / "words", ["category"], at_least=whole(1), at_most=whole(2))
        batches = opened.batches(whole(3), whole(7), **settings, **more)
        return [words.digest, *([batch["row"].tolist(), json.dumps(batch.state)] for batch in batches)]

    assert found(kind) == found(int)


def test_what_is_done_to_a_batch_is_done_to_no_other(tmp_path: Path) -> None:
    opened = publish(tmp_path, [[9, 2], [5]])

    def rows(*, spoil: bool) -> list[dict[str, Any]]:
        found = []
        columns = ["row", "time", "item", "liked", "seen", "visits", "vector"]
        for batch in opened.batches(3, 0, columns=columns, window_rows=8, pad={"seen": 2, "visits": 1}):
            found += rows_of_batch(batch)
            if spoil:
                for arrays in (batch.arrays, batch.masks, batch.lengths, batch.offsets, batch.present):
                    for array in arrays.values():
                        array.view(np.uint8).fill(0)
                batch.days.view(np.int64).fill(0)
                batch.state["columns"].clear()  # type: ignore[attr-defined]
        return found

    assert rows(spoil=True) == rows(spoil=False)


def test_a_list_that_is_too_long_is_refused(tmp_path: Path) -> None:
    opened = by_hand(tmp_path, pa.table({"seen": pa.array([[1, 2, 3], [4]], pa.list_(pa.int64()))}))
    with pytest.raises(InputError) as refused:
        list(opened.batches(3, pad={"seen": 2}))
    assert str(refused.value).endswith(
        "part-0-0.parquet: a list of 'seen' has 3 items, and pad gives it 2: give 3, or say which ones stay: "
        "pad={'seen': (2, 'first')}"
    )


def test_vectors_that_lie_in_order_are_not_copied(tmp_path: Path) -> None:
    vectors = pa.array([np.array([row, 1], np.float16) for row in range(4)], pa.list_(pa.float16()))
    [batch] = by_hand(tmp_path, pa.table({"vector": vectors, "row": range(4)})).batches(4)
    assert not batch["vector"].flags.owndata
    assert not batch["row"].flags.owndata
    assert batch["vector"].tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert batch.masks["vector"].all()


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_vectors_are_a_matrix_by_the_kind_of_their_column(kind: pa.DataType, tmp_path: Path) -> None:
    empty = pa.table({"vector": pa.array([None, None, None, None], pa.list_(kind))})
    vectors = pa.table({"vector": pa.array([None, np.array([3, 4], kind.to_pandas_dtype()), []], pa.list_(kind))})
    opened = by_hand(tmp_path, empty, vectors, kinds={"vector": "embedding"})
    batches = list(opened.batches(2))
    assert [batch["vector"].shape for batch in batches] == [(2, 2)] * 3 + [(1, 2)]
    assert [batch["vector"].tolist() for batch in batches[2:]] == [[[0, 0], [3, 4]], [[0, 0]]]
    assert [batch.masks["vector"].tolist() for batch in batches[2:]] == [[False, True], [False]]
    assert batches[0]["vector"].dtype == kind.to_pandas_dtype()


def test_no_vector_at_all(tmp_path: Path) -> None:
    opened = by_hand(tmp_path, pa.table({"vector": pa.array([None, []], pa.list_(pa.float16()))}))
    [batch] = opened.batches(2, 1)
    assert batch["vector"].shape == (2, 0)
    assert not batch.masks["vector"].any()


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        (
            [[1, 2], [3]],
            "'vector' has a vector of 1 elements, and others of 2: give the column a width in pad, if its lists are no "
            "vectors",
        ),
        ([[1, 2], [3, None]], "a vector of 'vector' has an element that is NULL: build the day again"),
    ],
)
def test_what_is_no_vector_is_refused(lists: list[list[float | None]], told: str, tmp_path: Path) -> None:
    halves = [None if row is None else [None if item is None else np.float16(item) for item in row] for row in lists]
    opened = by_hand(tmp_path, pa.table({"vector": pa.array(halves, pa.list_(pa.float16()))}))
    with pytest.raises(InputError) as refused:
        list(opened.batches(2))
    assert str(refused.value).endswith(f"part-0-0.parquet: {told}")
    [batch] = opened.batches(2, pad={"vector": 2})
    assert batch.lengths["vector"].tolist() == [len(row) for row in lists]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"columns": ["rows"]}, ["columns: no column 'rows': did you mean 'row'? Known: category, item, liked, price, "
                                 "row, seen, time, vector, visits"]),
        ({"columns": "row"}, ["columns= is a text, 'row': give a list of names, as in columns=['row']"]),
        ({"columns": []}, ["columns: none is named: leave it out for all 9 columns"]),
        ({"columns": ["row", "row"]}, ["columns: row twice: name each column once"]),
        ({}, ["column 'category' has texts, and no vocabulary says their codes: make one with "
              "`dataset.vocabulary(path, ['category'])`, or leave it out of columns"]),
        ({"columns": ["row"], "pad": {"seen": 3}}, ["pad: 'seen' is no list among the columns: none exists"]),
        ({"columns": ["seen"], "pad": {"seen": 0}}, ["pad: 'seen' is 0, and a width is a whole number from 1"]),
        ({"columns": ["seen"], "pad": {"seen": Pad(2, "middle")}},  # type: ignore[arg-type]
         ["pad: 'seen' keeps 'middle': 'first' or 'last', or nothing, so that a longer list is an error"]),
        ({"columns": ["seen"], "pad": {"seen": (10**12, "last")}},
         ["pad: 'seen' is 1,000,000,000,000 items wide: at most 2,147,483,648 are in memory together"]),
        ({"columns": ["row"], "workers": (2, 2)},
         ["workers is (2, 2): the number of this worker, from 0, and how many there are, as in workers=(0, 4)"]),
        ({"columns": ["row"], "epoch": -1}, ["epoch is -1, and not a whole number from 0"]),
        ({"columns": ["rov"], "batch_rows": 0, "shuffle_seed": -1, "window_rows": 2.5, "read_ahead": 0},
         ["batch_rows is 0, and not a whole number from 1", "window_rows is 2.5, and not a whole number from 1",
          "read_ahead is 0, and not a whole number from 1", "shuffle_seed is -1, and not a whole number from 0",
          "columns: no column 'rov': did you mean 'row'? Known: category, item, liked, price, row, seen, time, vector, "
          "visits"]),
        ({"columns": ["row"], "window_rows": 1 << 40},
         ["window_rows is 1,099,511,627,776: at most 2,147,483,648 rows are in memory together"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_once(settings: dict[str, Any], told: list[str], data: TrainingData) -> None:
    with pytest.raises(UsageError) as refused:
        data.batches(**{"batch_rows": 4, **settings})
    assert list(refused.value.sentences) == told


def test_a_column_that_is_no_array_is_refused(tmp_path: Path) -> None:
    nested = pa.table({"row": [1], "deep": pa.array([[[1]]], pa.list_(pa.list_(pa.int64())))})
    opened = by_hand(tmp_path, nested)
    with pytest.raises(UsageError, match=r"column 'deep' is list<element: list<element: int64>>, which is no array: "):
        opened.batches(1)
    assert keys_of(opened.batches(1, columns=["row"])) == [("2024-01-01", 1)]


@pytest.mark.parametrize(
    "kind",
    [pa.decimal128(9, 2), pa.decimal128(15, 3), pa.decimal128(18, 4), pa.decimal128(38, 10), pa.decimal128(18, -2),
     pa.decimal128(38, 30), pa.decimal256(40, 2), pa.decimal32(7, 2), pa.decimal64(18, 5)],
    ids=str,
)  # fmt: skip
def test_a_decimal_is_the_double_next_to_it(kind: pa.DataType, tmp_path: Path) -> None:
    chance = random.Random(str(kind))
    whole = [chance.randint(-(10**kind.precision) + 1, 10**kind.precision - 1) for _ in range(200)]
    small = [chance.randint(-999_999, 999_999) for _ in range(200)]
    # As a product the default context would round it.
    exact = [Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -kind.scale)) for number in (*whole, *small)]
    values = [*exact, None, Decimal(0)]
    array = pa.array(values, kind)
    for part in (array, array.slice(3, 250), array.slice(200)):
        found, mask = values_of(part, None, np.nan)
        wanted = [math.nan if value is None else float(value) for value in part.to_pylist()]
        np.testing.assert_array_equal(found, wanted)
        assert (mask is None) == (part.null_count == 0)


def test_texts_of_pages_by_differences(tmp_path: Path) -> None:
    """Of those pyarrow makes no dictionary, and says so as an error of files."""
    table = pa.table({"row": range(3_000), "text": pa.array([f"text {row}" for row in range(3_000)])})
    encodings = {"text": "DELTA_LENGTH_BYTE_ARRAY", "row": "PLAIN"}
    opened = by_hand(tmp_path, table, writing={"use_dictionary": False, "column_encoding": encodings})
    vocabulary = opened.vocabulary(tmp_path / "words", ["text"])
    [batch] = opened.batches(3_000, vocabulary=vocabulary)
    assert batch["text"].tolist() == [vocabulary["text"].code(f"text {row}") for row in range(3_000)]


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    sequence = pa.array([[{"item": 1}]], pa.list_(pa.struct([("item", pa.int64())])))
    opened = by_hand(tmp_path, pa.table({"visits": sequence, "visits.item": [2]}))
    with pytest.raises(
        UsageError, match=r"columns: 'visits.item' is the name of two arrays, of a column and of a field"
    ):
        opened.batches(1)
    batch: Batch = next(opened.batches(1, columns=["visits.item"]))
    assert batch["visits.item"].tolist() == [2]


def test_days_of_other_types_are_not_mixed(tmp_path: Path) -> None:
    opened = by_hand(
        tmp_path, pa.table({"row": pa.array([1], pa.int64())}), pa.table({"row": pa.array([1], pa.int32())})
    )
    with pytest.raises(
        InputError, match=r"part-1-0.parquet is not like .*part-0-0.parquet: 'row' is int32, and int64 "
    ):
        opened.batches(1)


@pytest.mark.parametrize("kind", [pa.bool_(), pa.int64(), pa.string()])
def test_bits_of_any_part_of_an_array(kind: pa.DataType) -> None:
    items = [None if row % 7 == 3 else row % 3 == 0 for row in range(60)]
    whole = pa.array(items).cast(kind)
    for first in range(0, 60, 5):
        for length in (0, 1, 8, 13):
            mask = validity_of(whole.slice(first, length))
            expected = [item is not None for item in items[first : first + length]]
            assert (mask is None and all(expected)) or (mask is not None and mask.tolist() == expected)
            if kind == pa.bool_():
                values, _ = values_as_read(whole.slice(first, length), None)
                assert values.tolist() == [bool(item) for item in items[first : first + length]]
    assert not len(values_as_read(pa.array([], pa.bool_()), None)[0])


def test_texts_without_codes_are_told_together(tmp_path: Path) -> None:
    data = by_hand(tmp_path, pa.table({"a": ["x"], "b": ["y"], "row": [1]}))
    with pytest.raises(UsageError) as refused:
        data.batches(1)
    assert refused.value.sentences == (
        "columns 'a', 'b' have texts, and no vocabulary says their codes: make one with "
        "`dataset.vocabulary(path, ['a', 'b'])`, or leave them out of columns",
    )
    with pytest.raises(
        UsageError, match=r"^column 'b' has texts, .*vocabulary\(path, \['a', 'b'\]\)`, or leave it out"
    ):
        data.batches(1, vocabulary=data.vocabulary(tmp_path / "words", ["a"]))


def test_a_text_that_is_no_utf8_has_no_code(tmp_path: Path) -> None:
    texts = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"x\xff"))
    data = by_hand(tmp_path, pa.table({"a": texts}))
    with pytest.raises(InputError, match=r"part-0-0\.parquet: 'a' has a text that is no UTF-8: build the day again$"):
        data.vocabulary(tmp_path / "words", ["a"])


def test_settings_without_end_cost_nothing(data: TrainingData) -> None:
    with data.batches(4, columns=["row"], read_ahead=1 << 31) as batches:
        assert sum(batch.rows for batch in batches) == 48
    assert list(data.batches(4, columns=["row"], workers=(1 << 60, 1 << 70))) == []
